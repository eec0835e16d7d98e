"""The Agreement dock, driven with the mouse."""

from pathlib import Path

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QMessageBox

from mouse import settle
from napari_retina_seg._napari.agreement import cases
from napari_retina_seg._napari.job import JobStatus
from napari_retina_seg._napari.layers import KEY
from napari_retina_seg._napari.project_row import ProjectRef
from napari_retina_seg._napari.review.widget import ReviewWidget
from napari_retina_seg.imaging.phantom import phantom_bscan
from napari_retina_seg.project.project import Project
from napari_retina_seg.project.states import Action, State
from napari_retina_seg.types.annotation import Annotation
from napari_retina_seg.types.labels import OCT_LAYERS
from napari_retina_seg.types.progress import CancelToken, finish
from project_fixtures import prediction

LEFT = Qt.MouseButton.LeftButton


def compare(qtbot, dock):
    with qtbot.waitSignal(dock.finished, timeout=60_000) as end:
        qtbot.mouseClick(dock.button, LEFT)
    return end.args[0]


def double_click(qtbot, dock, row):
    table = dock.findings.images
    place = table.visualItemRect(table.item(row, 0)).center()
    qtbot.mouseClick(table.viewport(), LEFT, pos=place)
    with qtbot.waitSignal(dock.opened, timeout=60_000):
        qtbot.mouseDClick(table.viewport(), LEFT, pos=place)


def column(table, number):
    return [table.item(row, number).text() for row in range(table.rowCount())]


def test_tables_plot_and_worst_cases(agreement, qtbot):
    outcome = compare(qtbot, agreement)
    assert (outcome.status, agreement.status.result) == (JobStatus.SUCCEEDED, JobStatus.SUCCEEDED)
    assert "3 images graded by two people" in agreement.status.text()
    found = agreement.findings
    assert "first Ann, second Bob" in found.summary.text()
    assert column(found.images, 0)[2] == "scan0"
    assert column(found.images, 1)[2] == "1.000"
    assert column(found.classes, 0)[:3] == ["RNFL", "GCL+IPL", "INL"]
    assert column(found.boundaries, 0)[0] == "ILM"
    before = found.plot.picture.pixmap().toImage()
    found.plot.classes.setCurrentText("ONL")
    assert found.plot.picture.pixmap().toImage() != before


def test_an_image_that_only_one_could_grade_is_named_until_it_is_settled(folder):
    def message():
        return finish(cases.compare(ProjectRef(folder, "Carl"), CancelToken()), None).message

    assert "Only one" not in message()
    with Project(folder, author="Ann") as ann, Project(folder, author="Bob") as bob:
        phantom = phantom_bscan(3, 96, 128)
        np.save(folder.parent / "scan3.npy", phantom.image.pixels)
        (image,) = ann.add_images([folder.parent / "scan3.npy"]).images
        ann.save_version(image.id, Annotation(phantom.labels), Action.CORRECT)
        ann.assign_second_grader(image.id, "Bob")
        bob.mark_ungradable(image.id, "poor signal")
        assert "Only one of the two could grade 'scan3'" in message()
        ann.save_version(image.id, Annotation(phantom.labels), Action.ADJUDICATE, parent=1)
    assert "Only one" not in message()


def test_graders_who_both_accepted_the_model_are_warned_of(agreement, qtbot, folder):
    compare(qtbot, agreement)
    assert not agreement.findings.caution.isVisibleTo(agreement.findings)
    with Project(folder, author="Ann") as ann, Project(folder, author="Bob") as bob:
        path = folder.parent / "scan3.npy"
        np.save(path, phantom_bscan(3, 96, 128).image.pixels)
        (image,) = ann.add_images([path]).images
        model = ann.add_prediction(image.id, prediction(shape=(96, 128)))
        mask = ann.annotation(image.id, model.number)
        ann.save_version(image.id, mask, Action.CORRECT, parent=model.number)
        bob.save_version(image.id, mask, Action.SECOND_GRADE, parent=model.number)
    compare(qtbot, agreement)
    assert agreement.findings.caution.isVisibleTo(agreement.findings)
    assert agreement.findings.caution.text().startswith("In 1 of 4 images neither grader changed")


def test_a_double_click_shows_both_gradings_and_where_they_differ(agreement, qtbot, viewer):
    other = viewer.add_image(np.zeros((9, 9)), name="other")
    compare(qtbot, agreement)
    worst = agreement.findings.agreement.images[0].image
    double_click(qtbot, agreement, 0)
    names = [layer.name for layer in viewer.layers]
    assert names == [
        "other",
        worst.name,
        f"{worst.name} · second grader, Bob",
        f"{worst.name} · first grader, Ann",
        f"{worst.name} · first grader, Ann · difference to the second grader",
    ]
    _, _, second, first, difference = viewer.layers
    assert not other.visible
    np.testing.assert_array_equal(first.data, phantom_bscan(worst.number - 1, 96, 128).labels)
    np.testing.assert_array_equal(difference.data > 0, first.data != second.data)
    assert not first.editable
    assert first.metadata[KEY].scheme.name == "oct-layers"
    double_click(qtbot, agreement, 2)
    assert viewer.layers[1].name == "scan0"
    assert len(viewer.layers) == 5


def test_closing_the_dock_brings_the_other_layers_back(agreement, qtbot, viewer):
    other = viewer.add_image(np.zeros((9, 9)), name="other")
    compare(qtbot, agreement)
    double_click(qtbot, agreement, 0)
    viewer.window.remove_dock_widget(agreement)
    assert list(viewer.layers) == [other]
    assert other.visible


def test_the_window_can_be_closed_while_a_case_is_shown(agreement, qtbot, viewer):
    compare(qtbot, agreement)
    double_click(qtbot, agreement, 0)
    viewer.close()


def test_the_adjudicator_goes_on_in_the_review_dock(agreement, qtbot, viewer, folder):
    compare(qtbot, agreement)
    assert not agreement.adjudicate_button.isEnabled()
    double_click(qtbot, agreement, 0)
    number = agreement.findings.chosen.number
    qtbot.mouseClick(agreement.adjudicate_button, LEFT)
    docked = viewer.window.dock_widgets.values()
    (review,) = [each for each in docked if isinstance(each, ReviewWidget)]
    review_layers = review.session.review_layers
    qtbot.waitUntil(
        lambda: review_layers.image is not None and review_layers.image.id == number, timeout=60_000
    )
    with qtbot.waitSignal(review.session.saved, timeout=60_000):
        review.decisions.finish.click()
    with Project(folder, author="Carl") as project:
        assert project.image(number).state is State.ADJUDICATED
        assert project.truth(number).author == "Carl"


def test_the_second_grader_can_not_adjudicate(agreement, qtbot):
    agreement.project.author.clear()
    qtbot.keyClicks(agreement.project.author, " bob")
    compare(qtbot, agreement)
    double_click(qtbot, agreement, 0)
    assert not agreement.adjudicate_button.isEnabled()
    assert "You are its second grader" in agreement.adjudicate_button.toolTip()
    agreement.project.author.clear()
    qtbot.keyClicks(agreement.project.author, "Ann")
    compare(qtbot, agreement)
    double_click(qtbot, agreement, 0)
    assert agreement.adjudicate_button.isEnabled()


def test_a_second_grader_is_asked_to_finish_first(agreement, qtbot, folder):
    with Project(folder, author="Ann") as ann:
        ann.reopen(2)
        ann.assign_second_grader(2, "Bob")
    agreement.project.author.clear()
    qtbot.keyClicks(agreement.project.author, "Bob")
    compare(qtbot, agreement)
    assert agreement.status.result is None  # nothing has failed
    assert "Bob has 1 image left to grade as the second grader ('scan1')" in agreement.status.text()
    assert agreement.findings.isHidden()


def test_a_report_is_written_and_the_folder_remembered(agreement, qtbot, tmp_path, monkeypatch):
    report, begun = tmp_path / "report", []
    report.mkdir()

    def choose(parent, title, folder):
        begun.append(folder)
        return str(report)

    monkeypatch.setattr("qtpy.QtWidgets.QFileDialog.getExistingDirectory", choose)
    asked = "qtpy.QtWidgets.QMessageBox.question"
    monkeypatch.setattr(asked, lambda *_: QMessageBox.StandardButton.Yes)
    compare(qtbot, agreement)
    qtbot.mouseClick(agreement.report_button, LEFT)
    qtbot.waitUntil(lambda: "The report was saved" in agreement.status.text(), timeout=60_000)
    names = sorted(path.name for path in report.iterdir())
    assert names == ["agreement.csv", "agreement.html", "agreement.json"]
    table = (report / "agreement.csv").read_text().splitlines()
    said = [line.split(",")[:2] for line in table[1:]]
    shown = [f"scan{int(number) - 1}" for number, _ in said]
    assert shown == column(agreement.findings.images, 0)
    assert all(name.startswith("p") and len(name) == 17 for _, name in said)
    qtbot.mouseClick(agreement.report_button, LEFT)
    assert begun == [str(agreement.project.where.folder.parent), str(report)]


def test_missing_second_gradings_are_counted_and_the_next_step_is_named(
    agreement, qtbot, tmp_path, folder
):
    assert "second graders in the Review dock" in agreement.status.text()
    with Project.create(tmp_path / "new", scheme=OCT_LAYERS, author="Ann"):
        agreement.project.choose(tmp_path / "new")
    agreement.project.author.setText("Carl")
    compare(qtbot, agreement)
    assert agreement.status.result is None
    assert "No image of this project has been graded twice yet" in agreement.status.text()
    assert not agreement.report_button.isVisible()
    with Project(folder, author="Ann") as ann:
        np.save(tmp_path / "more.npy", phantom_bscan(6, 96, 128).image.pixels)
        (image,) = ann.add_images([tmp_path / "more.npy"]).images
        ann.assign_second_grader(image.id, "Bob")
    agreement.project.choose(folder)
    assert compare(qtbot, agreement).status is JobStatus.SUCCEEDED
    assert "3 images graded by two people. Second gradings still to come: 1." in (
        agreement.status.text()
    )


@pytest.mark.parametrize(
    ("folder_name", "said"), [("", "Choose a project"), ("none", "no project")]
)
def test_without_a_project_there_is_a_reason(agreement, qtbot, tmp_path, folder_name, said):
    agreement.project.choose(tmp_path / folder_name if folder_name else Path())
    if agreement.button.isEnabled():
        compare(qtbot, agreement)
    assert said in agreement.status.text()


def test_the_dock_fits_into_340_px(agreement, qtbot):
    compare(qtbot, agreement)
    assert agreement.minimumSizeHint().width() <= 340


def test_the_dock_turns_to_the_project_of_the_review_dock(viewer, qtbot, folder):
    _, agreement = viewer.window.add_plugin_dock_widget("napari-retina-seg", "Agreement")
    _, review = viewer.window.add_plugin_dock_widget("napari-retina-seg", "Review")
    review.window().show()
    settle()  # the docks of the last session come first
    review.parent().raise_()
    review.session.open(folder, "Carl")
    qtbot.waitUntil(lambda: review.session.project is not None and not review.session.busy)
    agreement.parent().raise_()
    qtbot.waitUntil(lambda: agreement.project.where is not None)
    assert agreement.project.where == ProjectRef(folder, "Carl")
