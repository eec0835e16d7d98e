"""Opening and creating projects, adding images, and the queue."""

import shutil
import threading
from types import SimpleNamespace

import numpy as np
import pytest
from qtpy.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from qtpy.QtGui import QDragEnterEvent, QDropEvent
from qtpy.QtWidgets import QDialogButtonBox, QFileDialog

from napari_retina_seg._napari.job import JobStatus
from napari_retina_seg._napari.review import navigator
from napari_retina_seg._napari.review.queue_model import UNCERTAINTY, WHY, Thumbnails
from napari_retina_seg._napari.review.widget import open_in_browser
from napari_retina_seg.io.masks import save_mask
from napari_retina_seg.project.checksums import stamp_all
from napari_retina_seg.project.filters import Order
from napari_retina_seg.project.project import Project
from napari_retina_seg.project.sqlite_database import raw_connection
from napari_retina_seg.project.states import Action
from napari_retina_seg.project.tables import ImageRow
from napari_retina_seg.types.errors import ProjectError
from napari_retina_seg.types.labels import OCT_LAYERS


def drop(dock, paths):
    """Drag files over a dock and let them go."""
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
    copy, left = Qt.DropAction.CopyAction, Qt.MouseButton.LeftButton
    none = Qt.KeyboardModifier.NoModifier
    enter = QDragEnterEvent(QPoint(50, 50), copy, data, left, none)
    dock.dragEnterEvent(enter)
    assert enter.isAccepted()
    event = QDropEvent(QPointF(50, 50), copy, data, left, none)
    dock.dropEvent(event)
    assert event.isAccepted()


def names(person):
    model = person.dock.queue.model
    return [model.image(model.index(row, 0)).name for row in range(model.rowCount())]


def test_a_project_is_created_in_a_dialog_and_opened_again_the_next_time(sit, tmp_path):
    person = sit()
    assert not person.dock.button.isEnabled()
    assert person.dock.button.toolTip() == "Open or create a project first."

    def fill(dialog):
        ok = dialog.buttons.button(QDialogButtonBox.StandardButton.Ok)
        assert not ok.isEnabled()
        assert "your name" in ok.toolTip()
        listed = [dialog.schemes.itemText(row) for row in range(dialog.schemes.count())]
        assert "oct-layers: RNFL … RPE (7 classes)" in listed
        assert "fundus-vessels: Vessel" in listed
        dialog.folder_edit.setText(str(tmp_path / "study"))
        dialog.author_edit.setText(" Ann   Example ")
        dialog.schemes.setCurrentIndex(dialog.schemes.findData("fundus-vessels"))
        ok.click()

    person.answer(button=fill)
    person.dock.bar.ask_for_new()
    person.wait()
    project = person.session.project
    assert (project.author, project.scheme.name) == ("Ann Example", "fundus-vessels")
    assert "study · Ann Example" in person.dock.bar.title.text()
    person.dock.cleanup()
    again = sit()
    assert again.session.project.folder == tmp_path / "study"
    assert again.session.project.author == "Ann Example"

    def look(dialog):
        dialog.folder_edit.setText(str(tmp_path / "study"))
        assert not dialog.buttons.button(QDialogButtonBox.StandardButton.Ok).isEnabled()
        assert "This folder has a project" in dialog.problem.text()
        dialog.folder_edit.setText(str(tmp_path / "another"))
        assert dialog.buttons.button(QDialogButtonBox.StandardButton.Ok).isEnabled()
        assert not dialog.problem.text()
        dialog.reject()

    again.answer(button=look)
    again.dock.bar.ask_for_new()


def test_the_name_is_asked_for_once(person, folder, tmp_path, monkeypatch):
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(folder))
    person.answer("Bob")
    person.dock.bar.ask_for_folder()
    person.wait()
    assert person.session.project.author == "Bob"
    shutil.copytree(folder, tmp_path / "other")
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(tmp_path / "other"))
    person.dock.bar.ask_for_folder()  # nobody answers
    person.wait()
    assert person.session.project.folder == tmp_path / "other"
    assert person.dock.bar.recent == [tmp_path / "other", folder]


def test_a_folder_without_a_project_is_reported_and_the_open_one_stays(ann, folder, tmp_path):
    ann.open(tmp_path / "scans", "Ann")
    assert ann.dock.status.result is JobStatus.FAILED
    assert "There is no project in" in ann.said
    assert ann.session.project.folder == folder


def test_another_project_is_opened_when_the_folder_of_the_open_one_is_gone(ann, folder, tmp_path):
    shutil.copytree(folder, tmp_path / "other")
    left = ann.session.project
    folder.rename(tmp_path / "gone")
    ann.open(tmp_path / "other", "Ann")
    assert ann.session.project.folder == tmp_path / "other"
    assert ann.dock.status.result is None
    assert names(ann) == ["scan0", "scan1", "scan2", "scan3"]
    assert left._store.database._engine.pool.checkedin() == 0  # nobody has opened it again


def test_a_list_is_not_called_empty_because_the_project_can_t_be_asked(ann, folder):
    with Project(folder, author="Bob") as bob:
        for image_id in (1, 2, 3):
            bob.mark_ungradable(image_id, "blurred")
    ann.open_row(3)
    ann.dock.opens_next.setChecked(False)
    queue = ann.dock.queue
    queue.states.setCurrentText("Unreviewed")
    queue.states.activated.emit(0)
    ann.press(Qt.Key.Key_W)  # says what is open
    ann.press(Qt.Key.Key_W)
    assert names(ann) == ["scan3"]  # as long as it is open
    ann.session.project.close()  # as before a window asks whether to close
    folder.rename(folder.with_name("away"))
    told = []
    queue.model.failed.connect(told.append)
    ann.viewer.layers.clear()
    ann.wait()
    folder.with_name("away").rename(folder)
    assert names(ann) == []
    assert len(told) == 1
    assert not queue.empty.isVisible()


def test_dropped_folders_are_added_and_what_is_there_already_is_reported(
    ann, tmp_path, scans, versions
):
    ann.open_row(3)
    ann.paint()
    painted_in = ann.mask
    more = tmp_path / "more"
    (more / "inner").mkdir(parents=True)
    shutil.copy(tmp_path / "scans" / "scan0.png", more / "copy.png")
    np.save(more / "inner" / "new.npy", scans[0][0][::-1])
    (more / "broken.png").write_bytes(b"no image")
    drop(ann.dock, [more])
    ann.wait()
    assert names(ann) == ["scan0", "scan1", "scan2", "scan3", "new"]
    assert ann.mask is painted_in
    assert len(versions(4)) == 0
    assert "1 added." in ann.said
    assert "1 already in the project: 'copy.png' is 'scan0'." in ann.said
    assert "1 failed" in ann.said
    assert "'broken.png'" in ann.said.replace(str(more) + "/", "")
    assert "0 of 5 done." in ann.dock.count.text()


def test_masks_among_added_images_are_named_with_the_place_to_import_them(ann, tmp_path, scans):
    folder = tmp_path / "more"
    folder.mkdir()
    np.save(folder / "new.npy", scans[0][0][::-1])
    save_mask(folder / "new_mask.png", np.ones(scans[0][0].shape, np.uint8), OCT_LAYERS)
    (folder / "notes.txt").write_text("x")
    drop(ann.dock, [folder])
    ann.wait()
    assert "1 added." in ann.said
    assert "1 mask not added: 'new_mask.png'" in ann.said
    assert "tab Import" in ann.said
    assert "Skipped 1 file: 'notes.txt'" in ann.said
    drop(ann.dock, [folder / "new_mask.png"])  # as a file of its own
    ann.wait()
    assert "is a mask, not an image: import it" in ann.said
    assert names(ann)[-1] == "new"


def test_there_is_no_first_image_to_open_in_an_empty_project(person, tmp_path, scans):
    dock = person.dock
    assert "Open or create a project" in dock.button.toolTip()
    Project.create(tmp_path / "empty", scheme=OCT_LAYERS, author="Ann").close()
    person.open(tmp_path / "empty", "Ann")
    for button in (dock.button, dock.previous_button):
        assert not button.isEnabled()
        assert "No images yet" in button.toolTip()
    np.save(tmp_path / "new.npy", scans[0][0][::-1])
    drop(dock, [tmp_path / "new.npy"])
    person.wait()
    person.bot.waitUntil(dock.button.isEnabled)
    person.bot.keyClicks(dock.queue.search, "nothing")
    person.bot.waitUntil(lambda: not dock.button.isEnabled())
    assert "clear the filters" in dock.button.toolTip()
    dock.queue.search.clear()
    person.bot.waitUntil(dock.button.isEnabled)
    person.click(dock.button)
    assert person.name == "new"


def test_files_are_copied_in_if_wanted(ann, tmp_path, scans, monkeypatch):
    np.save(tmp_path / "new.npy", scans[0][0][::-1])
    monkeypatch.setattr(
        QFileDialog, "getOpenFileNames", lambda *_: ([str(tmp_path / "new.npy")], "")
    )
    ann.dock.bar.copies.trigger()
    ann.dock.bar.ask_for_files()
    ann.wait()
    (tmp_path / "new.npy").unlink()
    ann.open_row(4)
    assert ann.name == "new"
    assert ann.mask.data.shape == scans[0][0].shape


def test_nothing_is_added_without_a_project(person, tmp_path):
    drop(person.dock, [tmp_path])
    assert "Open or create a project first" in person.said


def test_the_queue_is_filtered_searched_and_ordered(ann, folder):
    with Project(folder, author="Bob") as bob:
        bob.accept(2)
    queue = ann.dock.queue
    ann.dock._on_project()  # as if it were opened now
    queue.states.setCurrentText("Unreviewed")
    queue.states.activated.emit(0)
    assert names(ann) == ["scan0", "scan2", "scan3"]
    queue.orders.setCurrentText("Worst first")
    queue.orders.activated.emit(0)
    assert names(ann) == ["scan2", "scan0", "scan3"]
    ann.bot.keyClicks(queue.search, "SCAN2")
    ann.bot.waitUntil(lambda: names(ann) == ["scan2"])
    queue.search.clear()
    queue.states.setCurrentText("All images")
    queue.authors.setCurrentText("Bob")
    queue.authors.activated.emit(0)
    assert names(ann) == ["scan1"]
    cells = [queue.model.data(queue.model.index(0, column)) for column in range(4)]
    assert cells[:2] + cells[3:] == ["scan1", "accepted", "Bob"]
    assert 0 < float(cells[2]) < 1
    ann.bot.keyClicks(queue.search, "nobody")
    ann.bot.waitUntil(queue.empty.isVisible)
    assert queue.empty.text() == "0 of 4 images match."
    ann.click(queue.clear_button)
    assert len(names(ann)) == 4
    assert not queue.empty.isVisible()
    ann.bot.keyClicks(queue.search, "nobody")
    ann.bot.waitUntil(queue.empty.isVisible)
    ann.open(folder, "Ann")  # what was chosen for one project is over in the next one
    assert len(names(ann)) == 4
    assert queue.search.text() == ""


def test_the_order_by_expected_gain_says_why_an_image_is_there(ann):
    queue = ann.dock.queue
    assert queue.table.isColumnHidden(WHY)
    queue.orders.setCurrentText("By expected gain")
    queue.orders.activated.emit(2)
    ann.bot.waitUntil(lambda: queue.model.data(queue.model.index(0, WHY)) != "")
    assert not queue.table.isColumnHidden(WHY)
    assert queue.table.isColumnHidden(UNCERTAINTY)
    project = ann.dock.session.project
    assert names(ann) == [image.name for image in project.queue(order=Order.GAIN)]
    first = project.queue(order=Order.GAIN)[0]
    assert queue.model.data(queue.model.index(0, WHY)) == first.reason
    # These predictions are as of an earlier version: that is said.
    ann.bot.waitUntil(lambda: "only the mean uncertainty is known" in ann.said)
    queue.orders.setCurrentText("As added")
    queue.orders.activated.emit(0)
    assert queue.table.isColumnHidden(WHY)


def test_the_project_menu_reports_what_corrections_cost(ann, folder):
    session, pages = ann.dock.session, []
    session.burden_written.disconnect(open_in_browser)
    session.burden_written.connect(pages.append)
    ann.dock.bar._fill_menu()
    entries = {action.text(): action for action in ann.dock.bar._menu.actions()}
    entries["What corrections cost…"].trigger()
    ann.bot.waitUntil(lambda: bool(pages))
    assert pages[0] == folder / "reports" / "burden" / "burden.html"
    assert "No first grading is finished yet" in pages[0].read_text(encoding="utf-8")
    assert str(pages[0]) in ann.said


def test_rows_have_pictures_of_their_images(ann, scans):
    model = ann.dock.queue.model

    def bright(row):
        picture = model.data(model.index(row, 0), Qt.ItemDataRole.DecorationRole)
        return picture is not None and not picture.isNull()

    ann.bot.waitUntil(lambda: all(bright(row) for row in range(4)))
    image = model.data(model.index(0, 0), Qt.ItemDataRole.DecorationRole).toImage()
    levels = [image.pixelColor(18, row).value() for row in range(image.height())]
    assert max(levels) - min(levels) > 100


def test_pictures_of_another_project_are_not_shown(qtbot, tmp_path):
    thumbnails, slow = Thumbnails(None), threading.Event()
    thumbnails._thread.submit(slow.wait)
    for name, level in (("dark", 0), ("light", 255)):
        pixels = np.zeros((60, 60), np.uint8)
        pixels[:30] = 255 - level
        pixels[30:] = level
        np.save(tmp_path / f"{name}.npy", pixels)
    thumbnails.picture(SimpleNamespace(id=1, path=tmp_path / "dark.npy", remote=""))
    thumbnails.clear()
    slow.set()
    light = SimpleNamespace(id=1, path=tmp_path / "light.npy", remote="")
    with qtbot.waitSignal(thumbnails.ready):
        assert thumbnails.picture(light) is None
    assert thumbnails.picture(light).toImage().pixelColor(15, 5).red() == 0
    thumbnails.finish()


def test_the_queue_is_listed_anew_once_a_second_and_stays_where_it_is(ann, crowded):
    ann.dock._on_project()
    queue, resets = ann.dock.queue, []
    queue.table.selectRow(60)
    scroll = queue.table.verticalScrollBar()
    scroll.setValue(scroll.maximum() // 2)
    place = scroll.value()
    queue.model.modelReset.connect(lambda: resets.append(1))
    for _ in range(20):
        ann.dock.batches.stepped.emit()
    ann.bot.waitUntil(lambda: len(resets) == 1)
    assert queue.table.currentIndex().row() == 60
    assert scroll.value() == place > 0


def test_next_goes_through_the_queue_as_it_is_ordered_and_filtered(ann):
    queue = ann.dock.queue
    queue.orders.setCurrentText("Worst first")
    queue.orders.activated.emit(0)
    seen = []
    for _ in range(5):
        ann.click(ann.dock.button)
        seen.append(ann.name)
    assert seen == ["scan2", "scan1", "scan0", "scan3", "scan2"]
    assert "continuing with unfinished images" in ann.said
    ann.open_row(3)
    ann.click(ann.dock.previous_button)
    assert ann.name == "scan0"
    assert queue.table.selectionModel().selectedRows()[0].row() == 2


def test_next_wraps_to_what_is_left_and_says_when_nothing_is(ann, folder):
    with Project(folder, author="Bob") as bob:
        bob.accept(1)
        bob.accept(3)
        bob.mark_ungradable(4, "blurred")
    ann.open_row(3)
    ann.click(ann.dock.button)
    assert ann.name == "scan1"  # neither scan0, which is finished, nor the same one again
    ann.dock.queue.states.setCurrentText("To do")
    ann.dock.queue.states.activated.emit(0)
    ann.press(Qt.Key.Key_G)  # the last
    assert ann.name == "scan1"
    assert "Nothing left to do in this list" in ann.said
    ann.click(ann.dock.queue.clear_button)
    ann.open_row(3)
    with Project(folder, author="Bob") as bob:
        bob.assign_second_grader(1, "Ann")
    ann.click(ann.dock.button)
    assert ann.name == "scan0"  # a second grading is left, too


@pytest.fixture
def crowded(folder):
    """Have 10,000 more images in the project, whose files are not there."""
    with Project(folder, author="Ann") as project, project._store.database.writing() as session:
        first = session.get(ImageRow, 1)
        common = {
            column.name: getattr(first, column.name)
            for column in ImageRow.__table__.columns
            if column.name not in ("id", "sha256", "name", "path")
        }
        rows = [
            {**common, "sha256": f"{n:064}", "name": f"n{n}", "path": "gone"} for n in range(10_000)
        ]
        session.execute(ImageRow.__table__.insert(), rows)
        stamp_all(raw_connection(session.connection()))
    return folder


def test_of_many_images_only_those_in_sight_are_fetched(ann, crowded):
    ann.dock._on_project()
    model, table = ann.dock.queue.model, ann.dock.queue.table
    assert model.rowCount() == 100
    table.scrollToBottom()
    ann.bot.waitUntil(lambda: model.rowCount() == 200)
    ann.click(ann.dock.button)
    assert ann.name == "scan0"
    assert model.rowCount() <= 200


def test_images_that_can_t_be_opened_are_skipped_and_reported(ann, crowded, tmp_path):
    (tmp_path / "scans" / "scan0.png").unlink()
    ann.click(ann.dock.button)
    assert ann.name == "scan1"
    assert "Skipped: The image 'scan0' is no longer at" in ann.said
    for _ in range(2):
        ann.click(ann.dock.button)
    assert ann.name == "scan3"
    ann.click(ann.dock.button)  # thousands follow that are not there
    assert ann.name == "scan3"
    assert ann.dock.status.result is JobStatus.FAILED
    assert "'n0' is no longer at" in ann.said


def test_a_second_window_sees_what_was_saved(ann, folder):
    with Project(folder, author="Bob") as bob:
        bob.save_version(1, bob.annotation(1, 1), Action.CORRECT, parent=1)
    ann.open_row(0)
    assert "Bob" in ann.dock.history.table.item(0, 1).text()
    assert not ann.mask.editable


def test_predict_is_in_sight_in_a_window_of_1366_by_768(ann):
    window, dock = ann.window, ann.dock
    window.resize(1366, 768)
    window.resizeDocks([dock.parent()], [340], Qt.Orientation.Horizontal)
    ann.open_row(0)
    button = dock.batches.button
    ann.unfold(button)
    ann.bot.waitUntil(lambda: button.visibleRegion().boundingRect() == button.rect())
    assert button.mapTo(window, button.rect().bottomRight()).y() < 768


def test_a_step_that_fails_says_nothing_of_the_end_of_the_list_later(ann, monkeypatch):
    ann.open_row(3)  # the last

    def fail(*_: object, **__: object) -> None:
        raise ProjectError("no")

    with monkeypatch.context() as broken:
        broken.setattr(navigator, "save_and_open_next", fail)
        ann.click(ann.dock.button)
    assert ann.said.endswith("no")
    ann.open_row(1)
    assert "list" not in ann.said
