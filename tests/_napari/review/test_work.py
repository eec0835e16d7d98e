"""Going through images: painting, deciding, and what is on the disk after it."""

import numpy as np
import pytest
import tifffile
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QMessageBox

from napari_retina_seg._napari.correct.mask_lines import MaskLines
from napari_retina_seg._napari.job import JobStatus
from napari_retina_seg._napari.layers import KEY
from napari_retina_seg._napari.masks.active_mask import ActiveMask
from napari_retina_seg._napari.masks.linked_layers import questionable_of, show_questionable
from napari_retina_seg._napari.review.navigation import Neighbours
from napari_retina_seg._napari.view_fit import get_view
from napari_retina_seg._napari.widgets import WARNS
from napari_retina_seg.io.formats.raster import read_png
from napari_retina_seg.project.filters import Filters, Order
from napari_retina_seg.project.project import Project
from napari_retina_seg.project.states import Action, State
from napari_retina_seg.types.annotation import Annotation
from napari_retina_seg.types.labels import OCT_LAYERS

SHIFT = Qt.KeyboardModifier.ShiftModifier


@pytest.fixture
def at_work(ann):
    """Return Ann with the first image before her."""
    ann.press(Qt.Key.Key_N)
    ann.dock.opens_next.setChecked(False)
    return ann


def test_an_image_opens_with_its_prediction_to_be_painted(at_work, scans):
    person, info = at_work, at_work.mask.metadata[KEY]
    assert person.name == "scan0"
    assert [layer.name for layer in person.viewer.layers][-1] == "scan0 · mask"
    assert person.viewer.layers.selection.active is person.mask
    assert np.array_equal(person.mask.data, scans[0][1])
    assert not info.prediction.flags.writeable
    assert info.provenance.model == "oct-layers"


def test_the_uncertainty_is_read_when_it_is_asked_for_and_goes_with_its_image(at_work):
    person, layers = at_work, at_work.viewer.layers

    def tick(on):
        person.dock.uncertainty.setChecked(on)
        person.wait()

    assert "scan0 · uncertainty" not in layers
    tick(True)
    assert layers["scan0 · uncertainty"].visible
    assert layers.index("scan0 · uncertainty") == layers.index("scan0 · mask") - 1
    assert layers.selection.active is person.mask
    tick(False)
    assert not layers["scan0 · uncertainty"].visible
    tick(True)
    assert layers["scan0 · uncertainty"].visible
    del layers["scan0 · uncertainty"]
    tick(False)
    tick(True)
    assert layers["scan0 · uncertainty"].visible
    person.press(Qt.Key.Key_N)
    assert [layer.name for layer in layers if "uncertainty" in layer.name] == [
        "scan1 · uncertainty"
    ]
    person.open_row(3)  # without a prediction
    assert not [layer for layer in layers if "uncertainty" in layer.name]


def test_an_image_without_a_prediction_opens_empty(at_work):
    at_work.open_row(3)
    assert at_work.name == "scan3"
    assert not at_work.mask.data.any()
    places = at_work.dock.places
    at_work.bot.waitUntil(lambda: places.text.text() == "Nothing is drawn yet")
    assert not places.text.styleSheet().count("background")
    assert not places.button.isEnabled()
    at_work.mask.data_setitem((np.array([40]), np.array([40])), 2)
    at_work.bot.waitUntil(lambda: "open place" in places.text.text())
    at_work.mask.undo()
    at_work.bot.waitUntil(lambda: not places.watch.is_busy)
    assert "open place" in places.text.text(), "it was worked on"
    assert not at_work.dock.decisions.accept.isEnabled()
    assert "No prediction" in at_work.dock.decisions.accept.toolTip()


def test_next_saves_a_stroke_as_work_in_progress(at_work, versions):
    painted = at_work.paint()
    at_work.press(Qt.Key.Key_N)
    assert at_work.name == "scan1"
    last = versions(1)[-1]
    assert (last.state, last.author, last.parent) == (State.IN_PROGRESS, "Ann", 1)
    assert sum(last.change.pixels) > 0
    at_work.press(Qt.Key.Key_N, SHIFT)
    assert at_work.name == "scan0"
    assert at_work.dock.queue.selected == (1,)  # not scan1, too, though Shift is down
    assert np.array_equal(at_work.mask.data, painted)
    assert len(versions(2)) == 1  # nothing was painted in it


def test_class_and_brush_stay_and_the_tool_is_put_down_at_the_next_image(at_work):
    at_work.mask.mode = "paint"
    at_work.mask.selected_label, at_work.mask.brush_size = 5, 23
    at_work.viewer.scene.camera.zoom *= 3
    at_work.viewer.scene.camera.center = (0, 30, 40)
    view = get_view(at_work.viewer)
    at_work.press(Qt.Key.Key_N)
    assert get_view(at_work.viewer) == view, "it is as large, and lies on the last one"
    assert (at_work.mask.mode, at_work.mask.selected_label) == ("pan_zoom", 5)
    assert at_work.mask.brush_size == 23


def test_next_refuses_to_leave_when_saving_fails_and_nothing_is_lost(at_work, folder, versions):
    painted = at_work.paint()
    away = folder.with_name("away")
    folder.rename(away)
    at_work.press(Qt.Key.Key_N)
    assert at_work.name == "scan0"
    assert at_work.dock.status.result is JobStatus.FAILED
    assert "vanished" in at_work.said
    assert np.array_equal(at_work.mask.data, painted)
    assert (at_work.mask.editable, at_work.mask.mode) == (True, "paint")
    away.rename(folder)
    at_work.press(Qt.Key.Key_N)
    assert at_work.name == "scan1"
    with Project(folder, author="Ann") as project:
        assert np.array_equal(project.annotation(1, 2).labels, painted)


def test_accepting_opens_the_next_image(at_work, states):
    at_work.dock.opens_next.setChecked(True)
    at_work.press(Qt.Key.Key_G)
    assert at_work.name == "scan1"
    assert states() == ["accepted", "unreviewed", "unreviewed", "unreviewed"]
    assert "'scan0' is accepted" in at_work.said
    assert "1 of 4 done" in at_work.dock.count.text()
    model = at_work.dock.queue.model
    assert model.data(model.index(0, 1)) == "accepted"


def test_what_was_painted_is_not_accepted_but_corrected(at_work, versions):
    at_work.paint()
    at_work.press(Qt.Key.Key_G)
    assert at_work.dock.status.result is None  # nothing has failed
    assert "save your changes with W, or undo them and press G" in at_work.said
    at_work.dock.comment_edit.setText("shadow")
    at_work.press(Qt.Key.Key_W)
    last = versions(1)[-1]
    assert (last.state, last.comment, last.model) == (State.CORRECTED, "shadow", "oct-layers")
    assert at_work.dock.comment_edit.text() == ""
    assert at_work.name == "scan0"
    assert not at_work.mask.editable
    assert "reopen it to change it" in at_work.dock.info.text()
    assert "reopen it to change it" in ActiveMask.of(at_work.viewer).disabled_reason


def test_undoing_all_makes_it_acceptable_again(at_work, states):
    at_work.paint()
    at_work.canvas.setFocus()
    at_work.bot.keyClick(at_work.canvas, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    at_work.press(Qt.Key.Key_G)
    assert states()[0] == "accepted"


def test_an_ungradable_image_has_a_reason(at_work, versions):
    at_work.answer("blurred")
    at_work.press(Qt.Key.Key_U)
    assert (versions(1)[-1].state, versions(1)[-1].reason) == (State.UNGRADABLE, "blurred")
    at_work.press(Qt.Key.Key_U)  # once is enough
    assert "'scan0' is ungradable" in at_work.said


def test_what_was_painted_before_it_was_called_ungradable_comes_back(at_work):
    painted = at_work.paint()
    at_work.answer("blurred")
    at_work.press(Qt.Key.Key_U)
    at_work.press(Qt.Key.Key_R, SHIFT)
    assert at_work.mask.editable
    assert np.array_equal(at_work.mask.data, painted)


def test_saving_goes_on_where_one_is(at_work, versions):
    at_work.paint()
    before = at_work.mask
    at_work.press(Qt.Key.Key_S, SHIFT)
    assert at_work.mask is before
    assert "saved as version 2" in at_work.said
    at_work.press(Qt.Key.Key_S, SHIFT)
    assert "no changes to save" in at_work.said
    at_work.mask.data_setitem((np.array([3]), np.array([3])), 6)
    at_work.press(Qt.Key.Key_N)  # says that there is a stray pixel
    at_work.press(Qt.Key.Key_N)
    parents = [(version.parent, version.conflict) for version in versions(1)]
    assert parents == [(None, False), (1, False), (2, False)]


def test_what_is_questionable_is_saved_and_shown_again(at_work, folder):
    region = np.zeros(at_work.mask.data.shape, bool)
    region[5:9, 7:30] = True
    show_questionable(at_work.viewer, at_work.mask, region)
    at_work.press(Qt.Key.Key_N)
    with Project(folder, author="Ann") as project:
        assert np.array_equal(project.annotation(1, 2).ignore, region)
    assert "scan0 · mask · questionable" not in at_work.viewer.layers
    at_work.press(Qt.Key.Key_N, SHIFT)
    shown = at_work.viewer.layers["scan0 · mask · questionable"]
    assert np.array_equal(shown.data > 0, region)
    assert at_work.viewer.layers.selection.active is at_work.mask


def test_lines_are_saved_as_the_mask_has_them(at_work, folder):
    at_work.mask.data_setitem((np.arange(20, 40), np.full(20, 50)), 1)
    at_work.press(Qt.Key.Key_W)  # says that a boundary jumps
    at_work.press(Qt.Key.Key_W)
    with Project(folder, author="Ann") as project:
        saved = project.annotation(1, 2)
    assert saved.boundaries.shape == (8, saved.labels.shape[1])
    assert saved.boundaries[0, 50] == np.flatnonzero(saved.labels[:, 50])[0]


def test_images_of_others_are_skipped_and_can_be_looked_at(at_work, folder):
    with Project(folder, author="Bob") as bob:
        bob.check_out(2)
        at_work.press(Qt.Key.Key_N)
        assert at_work.name == "scan2"
        assert "'scan1' is being worked on by Bob" in at_work.said
        at_work.open_row(1)
        assert at_work.name == "scan1"
        assert not at_work.mask.editable
        assert "being worked on by Bob" in at_work.dock.info.text()
        with pytest.raises(Exception, match="Bob"):
            at_work.session.project.check_out(2)
        bob.check_in(2)
    at_work.open_row(1)
    assert at_work.mask.editable


def test_a_lease_is_held_and_given_back(at_work, folder):
    with Project(folder, author="Bob") as bob:
        assert [lease.image_id for lease in bob.status().leases] == [1]
        at_work.press(Qt.Key.Key_N)
        assert [lease.image_id for lease in bob.status().leases] == [2]


def test_a_conflict_keeps_both_versions_and_is_reported(at_work, folder, versions):
    with Project(folder, author="Bob") as bob:
        bob.save_version(1, bob.annotation(1, 1), Action.DRAFT, parent=1)
    painted = at_work.paint()
    at_work.press(Qt.Key.Key_N)
    assert at_work.name == "scan0"
    assert at_work.dock.status.result is JobStatus.FAILED
    assert "both versions are kept" in at_work.said
    last = versions(1)[-1]
    assert (last.author, last.conflict) == ("Ann", True)
    at_work.press(Qt.Key.Key_N)  # it is saved, so one may go on
    assert at_work.name == "scan1"
    assert len(versions(1)) == 3
    at_work.open_row(0)
    at_work.unfold(at_work.dock.history)
    at_work.dock.history.table.selectRow(0)
    at_work.click(at_work.dock.history.restore)
    assert np.array_equal(at_work.mask.data, painted)
    with Project(folder, author="Ann") as project:
        assert not project.image(1).conflict


def test_a_second_grader_is_blinded_and_an_adjudicator_sees_both(at_work, folder, versions):
    at_work.paint()
    at_work.press(Qt.Key.Key_W)
    at_work.answer("Bob")
    at_work.press(Qt.Key.Key_D, SHIFT)
    assert "second grader: Bob" in at_work.dock.info.text()
    at_work.open(folder, "Bob")
    queue = at_work.dock.queue
    queue.states.setCurrentText("My second gradings")
    queue.states.activated.emit(0)
    assert queue.model.rowCount() == 1
    assert queue.model.data(queue.model.index(0, 1)) == "grading due"
    at_work.open_row(0)
    assert "grading due" in at_work.dock.info.text()
    assert "hidden from you until your own is final" in at_work.dock.info.text()
    assert "first grader can reopen it" in at_work.dock.decisions.reopen.toolTip()
    assert at_work.dock.decisions.finish.text() == "Second grading"
    assert np.array_equal(at_work.mask.data, at_work.mask.metadata[KEY].prediction)
    by = [at_work.dock.history.table.item(row, 1).text() for row in range(1)]
    assert by == ["oct-layers"]
    assert "1 left for your second grading" in at_work.dock.count.text()
    at_work.mask.data_setitem((np.array([4]), np.array([4])), 2)
    at_work.press(Qt.Key.Key_W)  # says what is open
    at_work.press(Qt.Key.Key_W)
    assert versions(1)[-1].state is State.GRADED_TWICE
    assert "Your second grading of 'scan0' is finished." in at_work.said
    assert queue.model.data(queue.model.index(0, 1)) == "graded twice"  # it is still open
    at_work.session.open_image(2)
    at_work.wait()
    assert queue.model.rowCount() == 0  # nothing is left to be read a second time
    at_work.open(folder, "Carl")
    at_work.open_row(0)
    assert at_work.dock.decisions.finish.text() == "Adjudicate"
    difference = at_work.viewer.layers["scan0 · mask · difference to the second grader's"]
    assert difference.data.any()
    assert "blue is only in that, red only in the second grading" in at_work.dock.info.text()
    at_work.press(Qt.Key.Key_W)
    assert (versions(1)[-1].state, versions(1)[-1].author) == (State.ADJUDICATED, "Carl")


@pytest.mark.parametrize("who", ["Ann", "Bob"])
def test_an_adjudicator_reads_who_called_the_image_ungradable_and_why(person, folder, who, scans):
    drawn = Annotation(np.where(scans[0][1] == 2, 3, scans[0][1]).astype(np.uint8))
    with Project(folder, author="Ann") as ann, Project(folder, author="Bob") as bob:
        ann.assign_second_grader(1, "Bob")
        for grader, (project, action) in {
            "Ann": (ann, Action.CORRECT),
            "Bob": (bob, Action.SECOND_GRADE),
        }.items():
            if grader == who:
                project.mark_ungradable(1, "poor signal.")
            else:
                project.save_version(1, drawn, action, parent=1 if grader == "Ann" else None)
    person.open(folder, "Cara")
    person.open_row(0)
    info = person.dock.info
    assert f"⚠ {who} called it ungradable: poor signal." in info.text().splitlines()
    assert info.styleSheet() == WARNS
    assert ("The mask is the second grading." in info.text()) is (who == "Ann")
    assert "1 to be adjudicated" in person.dock.count.text()
    person.press(Qt.Key.Key_W)
    person.press(Qt.Key.Key_W)
    person.open_row(0)
    assert "adjudicated" in info.text()
    assert "ungradable" not in info.text(), "it is settled"
    assert "1 of 4 done." in person.dock.count.text()


def test_an_adjudicator_goes_on_to_what_is_to_be_adjudicated(folder, scans):
    drawn = Annotation(scans[0][1])
    with Project(folder, author="Ann") as ann, Project(folder, author="Bob") as bob:
        for number in (1, 4):
            begun = 1 if number == 1 else None
            ann.assign_second_grader(number, "Bob")
            ann.save_version(number, drawn, Action.CORRECT, parent=begun)
            bob.save_version(number, drawn, Action.SECOND_GRADE)
        ann.accept(2)

    def follow(author, start, filters=None):
        with Project(folder, author=author) as project:
            walk = Neighbours(
                *(project, filters or Filters(), Order.ADDED, start),
                forward=True,
                adjudicates=True,
            )
            return next(iter(walk)), walk.has_wrapped

    assert follow("Cara", 1) == (4, False), "not the next in the list, which is finished"
    assert follow("Cara", 4) == (1, True)
    assert follow("Bob", 1) == (2, False), "the second grader adjudicates neither"
    assert follow("Cara", 1, Filters(states=frozenset({State.ACCEPTED}))) == (2, False)


def test_two_versions_are_compared_and_one_is_restored(at_work, scans, versions):
    at_work.paint()
    at_work.press(Qt.Key.Key_W)
    table = at_work.dock.history.table
    assert [table.item(row, 0).text() for row in range(2)] == ["2", "1"]
    assert int(table.item(0, 4).text()) > 0
    at_work.unfold(at_work.dock.history)
    table.selectRow(1)
    at_work.click(at_work.dock.history.compare)
    name = "scan0 · mask · difference to version 1 by oct-layers"
    shown = at_work.viewer.layers[name].data > 0
    assert np.array_equal(shown, at_work.mask.data != scans[0][1])
    table.selectAll()
    at_work.click(at_work.dock.history.compare)
    differences = [x.name for x in at_work.viewer.layers if "difference" in x.name]
    assert len(differences) == 1
    assert "version 1 · difference to version 2" in differences[0]
    at_work.click(at_work.dock.history.compare)
    assert sum("version 1" in x.name for x in at_work.viewer.layers) == 2
    table.clearSelection()
    table.selectRow(1)
    at_work.click(at_work.dock.history.restore)
    assert np.array_equal(at_work.mask.data, scans[0][1])
    assert at_work.mask.editable
    assert [version.number for version in versions(1)] == [1, 2, 3]


def test_a_volume_is_reviewed_slice_by_slice(at_work, tmp_path, folder):
    volume = np.random.default_rng(0).integers(0, 255, (3, 32, 40), np.uint8)
    np.save(tmp_path / "cube.npy", volume)
    at_work.dock.add((tmp_path / "cube.npy",))
    at_work.wait()
    at_work.open_row(4)
    at_work.viewer.dims.set_point(0, 2)
    at_work.mask.data_setitem((np.array([2]), np.array([7]), np.array([9])), 4)
    at_work.press(Qt.Key.Key_N, SHIFT)  # says what is open
    at_work.press(Qt.Key.Key_N, SHIFT)
    with Project(folder, author="Ann") as project:
        saved = project.annotation(5, 1)
    assert saved.labels.shape == (3, 32, 40)
    assert saved.labels[2, 7, 9] == 4
    assert saved.boundaries.shape == (3, 8, 40)


def test_layers_of_others_are_hidden_not_removed(at_work):
    mine = at_work.viewer.add_labels(np.ones((4, 4), np.uint8), name="mine")
    at_work.press(Qt.Key.Key_N)
    assert mine in at_work.viewer.layers
    assert {"scan0", "scan0 · mask"}.isdisjoint(layer.name for layer in at_work.viewer.layers)


def test_the_view_fits_the_image_and_not_what_was_open_before(person, folder):
    mine = person.viewer.add_image(np.ones((496, 768)), scale=(3.87, 11.6), name="mine")
    person.open(folder, "Ann")
    person.open_row(0)
    assert not mine.visible
    middle = person.viewer.layers["scan0"].extent.world.mean(axis=0)
    np.testing.assert_allclose(person.viewer.scene.camera.center[-2:], middle)


def test_discarding_asks_first(at_work, folder):
    with Project(folder, author="Ann") as other:
        other.autosave(2, Annotation(np.ones(at_work.mask.data.shape, np.uint8)))
    at_work.open(folder, "Ann")
    assert "You have unsaved changes to 'scan1'" in at_work.dock.recovery.message
    at_work.answer(button=QMessageBox.StandardButton.No)
    at_work.click(at_work.dock.recovery.discard_button)
    assert at_work.session.project.recoverable()
    at_work.answer(button=QMessageBox.StandardButton.Yes)
    at_work.click(at_work.dock.recovery.discard_button)
    assert not at_work.session.project.recoverable()
    assert not at_work.dock.recovery.isVisible()


def test_a_comment_stays_with_its_image_and_goes_with_the_version_that_carries_it(
    at_work, versions
):
    edit = at_work.dock.comment_edit
    at_work.press(Qt.Key.Key_G)
    edit.setText("drusen")  # of an image that is done: reopening it could carry that
    for _ in range(2):
        at_work.press(Qt.Key.Key_N)
        assert edit.text() == ""
    assert [len(versions(number)) for number in (1, 2)] == [2, 1]
    at_work.open_row(0)
    assert edit.text() == "drusen"
    at_work.press(Qt.Key.Key_R, SHIFT)
    assert (versions(1)[-1].comment, edit.text()) == ("drusen", "")
    edit.setText("first")
    at_work.dock.decisions.save.click()
    edit.setText("second")  # while the first is being written
    at_work.wait()
    assert (versions(1)[-1].comment, edit.text()) == ("first", "second")


def test_a_comment_is_not_asked_for_where_no_version_could_carry_it(at_work, folder):
    with Project(folder, author="Bob") as bob:
        bob.assign_second_grader(4, "Ann")
    at_work.open_row(3)
    assert not at_work.dock.comment_edit.isEnabled()
    assert "the first grading is not finished yet" in at_work.dock.comment_edit.toolTip()


@pytest.mark.parametrize("task", ["reopen", "assign", "refuse", "open"])
def test_nothing_is_done_to_a_conflict_that_was_not_told(at_work, folder, versions, task):
    at_work.paint()
    at_work.press(Qt.Key.Key_S, SHIFT)
    at_work.mask.data_setitem((np.array([3]), np.array([3])), 6)
    with Project(folder, author="Bob") as bob:
        bob.save_version(1, bob.annotation(1, 1), Action.DRAFT, parent=2)
    painted, project = np.array(at_work.mask.data), at_work.session.project
    do = {
        "reopen": lambda: at_work.session.reopen(1),
        "assign": lambda: at_work.session.assign("Carl"),
        "refuse": lambda: at_work.session.refuse("dark"),
        "open": lambda: at_work.session.open(folder, "Carl"),
    }
    do[task]()
    at_work.wait()
    assert at_work.dock.status.result is JobStatus.FAILED
    assert "both versions are kept" in at_work.said
    assert [version.conflict for version in versions(1)] == [False, False, False, True]
    assert at_work.session.project is project
    assert np.array_equal(at_work.mask.data, painted)
    assert at_work.dock.history.table.item(0, 0).text() == "4!"


def test_an_image_that_stays_open_is_known_as_what_it_has_become(at_work):
    table, decisions = at_work.dock.history.table, at_work.dock.decisions
    assert not decisions.reopen.isEnabled()
    at_work.paint()
    at_work.click(decisions.save)
    assert "scan0: in progress" in at_work.dock.info.text()
    assert decisions.reopen.isEnabled()
    at_work.dock.queue.changed.emit()
    assert table.rowCount() == 2
    at_work.unfold(at_work.dock.history)
    table.selectRow(1)
    assert at_work.dock.history.restore.isEnabled()


def test_a_line_that_was_moved_is_not_accepted_away(at_work, states):
    lines = MaskLines(at_work.mask)
    lines.edit((), lambda heights: heights + np.float32(0.2))
    at_work.press(Qt.Key.Key_G)
    assert "You have changed 'scan0'" in at_work.said
    assert states()[0] == "unreviewed"


def test_an_image_that_can_t_be_read_is_given_back(at_work, folder):
    with Project(folder, author="Bob") as bob:
        digest = bob.history(2)[0].mask
        (path,) = folder.rglob(f"{digest}*")
        path.chmod(0o600)
        path.write_bytes(b"cut")
        at_work.press(Qt.Key.Key_N)
        assert at_work.name == "scan2"
        assert [lease.image_id for lease in bob.status().leases] == [3]


def test_saving_the_layer_keeps_what_is_questionable_and_where_there_is_no_data(
    person, tmp_path, scans
):
    (tmp_path / "scans").mkdir()
    pixels = scans[0][0].astype(np.float32)
    pixels[:, :10] = np.nan
    tifffile.imwrite(tmp_path / "scans" / "scan.tif", pixels)
    with Project.create(tmp_path / "study", scheme=OCT_LAYERS, author="Ann") as project:
        (image,) = project.add_images([tmp_path / "scans" / "scan.tif"]).images
        marked = np.zeros(pixels.shape, bool)
        marked[40:50, 60:70] = True
    person.open(tmp_path / "study", "Ann")
    person.press(Qt.Key.Key_N)
    missing = np.isnan(pixels)
    assert np.array_equal(questionable_of(person.viewer, person.mask), missing)
    show_questionable(person.viewer, person.mask, missing | marked)
    person.mask.data[40:50, 60:100] = 3
    layers = person.viewer.layers
    layers.selection = {person.mask}
    layers.save(str(tmp_path / "mask.png"), selected=True, plugin="napari-retina-seg")
    assert np.array_equal(read_png(tmp_path / "mask.png").ignore, missing | marked)
    person.click(person.dock.decisions.finish)  # says what is open
    person.click(person.dock.decisions.finish)
    with Project(tmp_path / "study", author="Zoe") as project:
        annotation = project.annotation(image.id, project.truth(image.id).number)
    assert np.array_equal(annotation.ignore, missing | marked)
