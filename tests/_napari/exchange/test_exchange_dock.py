"""The dock `Export and import`, driven with the mouse and the keyboard."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from pytestqt.qtbot import QtBot
from qtpy.QtCore import QPoint, Qt
from qtpy.QtWidgets import QApplication, QPushButton

from helpers import write_png
from napari_retina_seg._napari import settings as remembered
from napari_retina_seg._napari.exchange.exchange_widget import ExchangeWidget
from napari_retina_seg._napari.exchange.forms import ExportForm
from napari_retina_seg._napari.job import JobResult, JobStatus
from napari_retina_seg._napari.patients_form import PatientsForm
from napari_retina_seg._napari.review.widget import ReviewWidget
from napari_retina_seg._napari.settings import Settings
from napari_retina_seg._napari.tasks import is_idle
from napari_retina_seg._napari.widgets import elided_text
from napari_retina_seg.imaging.phantom import phantom_bscan
from napari_retina_seg.project.project import Project
from napari_retina_seg.project.states import Action, State
from napari_retina_seg.types.annotation import Annotation
from napari_retina_seg.types.labels import OCT_LAYERS
from napari_retina_seg.workflows.export_options import Format
from napari_retina_seg.workflows.patients import ImageSource

LEFT = Qt.MouseButton.LeftButton


def make(folder: Path, scans: Path, author: str, drawn: int) -> Path:
    """Make a project of three scans, the first of which are corrected."""
    with Project.create(folder, scheme=OCT_LAYERS, author=author) as project:
        for number, image in enumerate(project.add_images(sorted(scans.iterdir())).images):
            if number < drawn:
                labels = phantom_bscan(number, 96, 128).labels
                project.save_version(image.id, Annotation(labels), Action.CORRECT)
    return folder


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    for number in range(3):
        pixels = phantom_bscan(number, 96, 128).image.pixels
        write_png(tmp_path / "scans" / f"scan{number}.png", pixels)
    return tmp_path / "scans"


@pytest.fixture
def folder(tmp_path: Path, scans: Path, home: Path) -> Path:
    """Make a project of Ann's, which was open last."""
    folder = make(tmp_path / "study", scans, "Ann", 2)
    Settings().remember_choice(remembered.PROJECTS, str(folder))
    Settings().remember_choice(remembered.AUTHOR, "Ann")
    return folder


@pytest.fixture
def exchange(viewer: object, qtbot: QtBot, folder: Path) -> Iterator[ExchangeWidget]:
    """Return the dock, opened as the menu does it."""
    _, widget = viewer.window.add_plugin_dock_widget("napari-retina-seg", "Export and import")
    yield widget
    qtbot.waitUntil(is_idle, timeout=60_000)


@pytest.fixture
def form(qtbot: QtBot, home: Path) -> ExportForm:
    """Return the form of an export without a window."""
    form = ExportForm(Settings())
    qtbot.addWidget(form)
    form.show()
    return form


def write(qtbot: QtBot, edit: object, words: str) -> None:
    edit.clear()
    qtbot.keyClicks(edit, words)


def press(qtbot: QtBot, dock: ExchangeWidget) -> JobResult:
    assert dock.button.isEnabled(), dock.button.toolTip()
    with qtbot.waitSignal(dock.finished, timeout=60_000) as end:
        qtbot.mouseClick(dock.button, LEFT)
    return end.args[0]


def show_import(qtbot: QtBot, dock: ExchangeWidget) -> None:
    bar = dock.tabs.tabBar()
    qtbot.mouseClick(bar, LEFT, pos=bar.tabRect(1).center())


def test_masks_leave_the_project_that_was_open_and_enter_another(
    exchange, qtbot, tmp_path, scans, viewer
):
    assert exchange.project.name.text() == "study"
    assert not exchange.button.isEnabled()
    assert "Choose a new folder" in exchange.status.text()
    form = exchange.exporting
    form.formats.setCurrentIndex(form.formats.findData(Format.TIFF.value))
    write(qtbot, form.out.edit, str(tmp_path / "out"))
    assert press(qtbot, exchange).status is JobStatus.SUCCEEDED
    assert "2 masks exported" in exchange.status.text()
    assert "Images with pseudonyms: 2" in exchange.status.text()
    assert len(list((tmp_path / "out").glob("p*.tif"))) == 2
    assert not exchange.button.isEnabled()
    assert "is not empty" in exchange.button.toolTip()

    other = make(tmp_path / "fresh", scans, "Eve", 0)
    exchange.project.choose(other)
    show_import(qtbot, exchange)
    assert exchange.button.text() == "Import"
    write(qtbot, exchange.importing.source.edit, str(tmp_path / "out"))
    assert press(qtbot, exchange).status is JobStatus.SUCCEEDED
    assert "2 masks imported, 0 already in the project" in exchange.status.text()
    with Project(other, author="Eve") as project:
        assert [project.truth(number).author for number in (1, 2)] == ["Ann", "Ann"]
    press(qtbot, exchange)
    assert "0 masks imported, 2 already in the project" in exchange.status.text()
    exchange.reload()  # as when the dock is looked at again
    qtbot.waitUntil(is_idle, timeout=60_000)
    assert "0 masks imported, 2 already in the project" in exchange.status.text()


def test_names_are_shown_before_they_leave_and_harmless_ones_are_kept(exchange, qtbot, folder):
    """Old and new names stand side by side; a tick is remembered with who set it."""

    def show_names():
        exchange.dialog = None
        qtbot.mouseClick(exchange.exporting.names_button, LEFT)
        qtbot.waitUntil(lambda: exchange.dialog is not None, timeout=60_000)
        rows = [exchange.dialog.table.topLevelItem(row) for row in range(3)]
        return exchange.dialog, [[item.text(column) for column in range(3)] for item in rows]

    dialog, rows = show_names()
    assert [row[0] for row in rows] == ["scan0", "scan1", "scan2"]
    assert all(len(row[1]) == 17 and row[1].startswith("p") and not row[2] for row in rows)
    qtbot.mouseClick(dialog.all_button, LEFT)
    dialog.table.topLevelItem(1).setCheckState(0, Qt.CheckState.Unchecked)
    qtbot.mouseClick(dialog.buttons.button(dialog.buttons.StandardButton.Ok), LEFT)
    qtbot.waitUntil(lambda: "2 names confirmed" in exchange.status.text(), timeout=60_000)
    with Project(folder, author="Bob") as project:
        said = project.confirmed_names()
        assert [(one.image_id, one.author) for one in said.values()] == [(1, "Ann"), (3, "Ann")]
    dialog, rows = show_names()
    assert [row[2].startswith("confirmed by Ann, 20") for row in rows] == [True, False, True]
    dialog.table.topLevelItem(0).setCheckState(0, Qt.CheckState.Unchecked)
    qtbot.mouseClick(dialog.buttons.button(dialog.buttons.StandardButton.Ok), LEFT)
    qtbot.waitUntil(lambda: "1 name confirmed" in exchange.status.text(), timeout=60_000)


def test_the_selection_decides_what_is_exported(exchange, qtbot, tmp_path):
    form = exchange.exporting
    form.formats.setCurrentIndex(form.formats.findData(Format.TIFF.value))
    write(qtbot, form.out.edit, str(tmp_path / "out"))
    write(qtbot, form.since, "tomorrow")
    assert "'tomorrow' is not a date" in exchange.status.text()
    write(qtbot, form.since, "2999-01-01")
    assert press(qtbot, exchange).status is JobStatus.FAILED
    assert "no mask to export" in exchange.status.text()
    form.since.clear()
    for state, box in form.states.items():
        assert box.text() == str(state)  # as everywhere on the screen, not as it is stored
        qtbot.mouseClick(box, LEFT, pos=QPoint(8, box.height() // 2))
        assert not box.isChecked()
    assert exchange.button.toolTip() == "Tick at least one state."
    form.states[State.CORRECTED].setChecked(True)
    write(qtbot, form.drawn_by, "Bob")
    assert press(qtbot, exchange).status is JobStatus.FAILED
    assert not (tmp_path / "out").exists()


def test_patients_are_offered_where_the_project_knows_them(exchange, qtbot, tmp_path, scans):
    form = exchange.exporting
    qtbot.waitUntil(lambda: exchange._listed_folder is not None)
    assert form.patients.isHidden()
    assert form.eyes.isHidden()
    folder = tmp_path / "patients"
    with Project.create(folder, scheme=OCT_LAYERS, author="Ann") as project:
        paths = sorted(scans.iterdir())
        for image in project.add_images(paths, patient_of=lambda name: name[-1]).images:
            labels = phantom_bscan(image.id, 96, 128).labels
            project.save_version(image.id, Annotation(labels), Action.CORRECT)
    exchange.project.choose(folder)
    qtbot.waitUntil(lambda: not form.patients.isHidden())
    assert [form.patients.itemText(row) for row in range(4)] == ["all", "0", "1", "2"]
    assert form.eyes.isHidden()
    form.formats.setCurrentIndex(form.formats.findData(Format.TIFF.value))
    form.names.setCurrentIndex(2)
    form.patients.setCurrentText("1")
    write(qtbot, form.out.edit, str(tmp_path / "out"))
    assert press(qtbot, exchange).status is JobStatus.SUCCEEDED
    assert [path.name for path in (tmp_path / "out").glob("*.tif")] == ["scan1.tif"]
    exchange.reload()
    assert form.patients.currentText() == "1"
    exchange.project.choose(tmp_path / "study")  # whose patients nobody has looked up yet
    assert form.patients.currentData() is None
    assert form.patients.isHidden()
    exchange.project.choose(folder)
    exchange.project.choose(tmp_path / "study")
    exchange._io_queue.join()
    qtbot.waitUntil(is_idle)
    assert form.patients.isHidden()


def test_no_label_is_cut_off_at_340_px(exchange):
    window = exchange.window()
    window.show()
    window.resizeDocks([exchange.parent()], [340], Qt.Orientation.Horizontal)
    assert exchange.width() <= 345
    form = exchange.exporting
    for box in (form.formats, form.names):
        for index in range(box.count()):
            box.setCurrentIndex(index)
            assert elided_text(box) == box.currentText()


def test_a_full_folder_gets_a_new_one_inside(form, qtbot, tmp_path, monkeypatch):
    (tmp_path / "mine").mkdir()
    begun = []

    def choose(parent, title, folder):
        begun.append(folder)
        return str(tmp_path / "mine")

    monkeypatch.setattr("qtpy.QtWidgets.QFileDialog.getExistingDirectory", choose)
    out = form.out
    (button,) = out.findChildren(QPushButton)
    for expected in ("mine", "mine/masks", "mine/masks-2"):
        qtbot.mouseClick(button, LEFT)
        assert out.path == tmp_path / expected
        (out.path / "something").mkdir(parents=True)
    out.edit.clear()
    qtbot.mouseClick(button, LEFT)
    first, *_, last = begun
    assert (first, last) == ("", str(tmp_path))  # where the last one was chosen


def test_patients_are_asked_for_with_a_preview(exchange, qtbot, tmp_path):
    form = exchange.exporting
    form.formats.setCurrentIndex(form.formats.findData(Format.TRAINING.value))
    form.names.setCurrentIndex(2)
    qtbot.waitUntil(lambda: form.subjects.asks)
    write(qtbot, form.out.edit, str(tmp_path / "out"))
    assert not exchange.button.isEnabled()
    # The third image of the project has no mask, and stays.
    assert "The patients of 2 images are unknown, e.g. of 'scan0'" in exchange.status.text()
    asked = form.subjects
    asked.choice.setCurrentIndex(asked.choice.findData("name"))
    assert not asked.pattern.isHidden()
    write(qtbot, asked.pattern, "scan[0]")
    assert "1 patient in 2 images" in asked.preview.text()
    assert "No patient: scan1" in asked.preview.text()
    assert "No patient found for scan1" in exchange.status.text()
    write(qtbot, asked.pattern, "(")
    assert "is not a regular expression" in asked.preview.text()
    assert not exchange.button.isEnabled()
    write(qtbot, asked.pattern, "^scan")
    assert asked.preview.text() == "1 patient in 2 images\nscan: scan0, scan1"
    assert "Validation and test are empty" in form.split.text()
    assert press(qtbot, exchange).status is JobStatus.SUCCEEDED
    assert "Divided by patient: train 2 images of 1 patient." in exchange.status.text()
    assert "Validation and test are empty" in exchange.status.text()
    assert (tmp_path / "out" / "groups.csv").read_text() == "name,group\nscan0,scan\nscan1,scan\n"
    form.formats.setCurrentIndex(form.formats.findData(Format.TIFF.value))
    assert asked.isHidden()
    assert form.split.isHidden()


@pytest.mark.parametrize(
    ("choice", "preview"),
    [
        ("_", "2 patients in 2 images\n7: 7_od-a\n8: 8_od-b"),
        ("-", "2 patients in 2 images\n7_od: 7_od-a\n8_od: 8_od-b"),
        ("folder", "1 patient in 2 images\np1: 7_od-a, 8_od-b"),
    ],
)
def test_patients_are_found_without_a_pattern(qtbot, choice, preview):
    form = PatientsForm()
    qtbot.addWidget(form)
    form.offer([ImageSource("7_od-a", "p1"), ImageSource("8_od-b", "p1")])
    form.choice.setCurrentIndex(form.choice.findData(choice))
    assert form.preview.text() == preview
    assert not form.disabled_reason
    assert form.pattern.isHidden()


def test_images_without_a_patient_are_named(qtbot):
    form = PatientsForm()
    qtbot.addWidget(form)
    form.offer([ImageSource("7_od", None)])
    assert form.disabled_reason.startswith("The patient of '7_od' is unknown")
    form.choice.setCurrentIndex(form.choice.findData("folder"))  # a copy has lost its folder
    assert form.disabled_reason.startswith("No patient found for 7_od")


def test_only_what_is_exported_is_asked_about(exchange, qtbot):
    form = exchange.exporting
    form.formats.setCurrentIndex(form.formats.findData(Format.TRAINING.value))
    qtbot.waitUntil(lambda: form.subjects.asks)
    write(qtbot, form.drawn_by, "Bob")
    assert not form.subjects.asks
    assert form.subjects.isHidden()
    write(qtbot, form.drawn_by, "Ann")
    assert form.subjects.asks
    form.states[State.CORRECTED].setChecked(False)
    assert not form.subjects.asks


def test_ticks_that_a_format_has_no_use_for_are_greyed_with_a_reason(form):
    for chosen in Format:
        form.formats.setCurrentIndex(form.formats.findData(chosen.value))
        assert form.predictions.isEnabled() is not chosen.has_images  # no truth to learn from
        for box in (form.with_images, form.predictions):
            assert box.toolTip().startswith("This format") is not box.isEnabled()


def test_what_is_typed_during_an_export_is_no_shortcut(exchange, qtbot, tmp_path, viewer):
    form, window = exchange.exporting, exchange.window()
    window.show()
    window.activateWindow()
    qtbot.waitUntil(window.isActiveWindow)
    form.formats.setCurrentIndex(form.formats.findData(Format.TIFF.value))
    form.out.edit.setFocus()
    write(qtbot, form.out.edit, str(tmp_path / "out"))
    arrived = []
    viewer.bind_key("x", lambda _: arrived.append("x"), overwrite=True)
    with qtbot.waitSignal(exchange.finished, timeout=60_000):
        exchange.start()
        assert exchange.isAncestorOf(QApplication.focusWidget()) or exchange.hasFocus()
        qtbot.keyClicks(QApplication.focusWidget(), "x x")
        assert exchange.is_running
    assert not arrived
    assert form.out.edit.hasFocus()


def test_each_image_may_be_its_own_patient(exchange, qtbot, tmp_path):
    form = exchange.exporting
    form.formats.setCurrentIndex(form.formats.findData(Format.NNUNET.value))
    qtbot.waitUntil(lambda: form.subjects.asks)
    form.subjects.choice.setCurrentIndex(form.subjects.choice.findData("each"))
    write(qtbot, form.out.edit, str(tmp_path / "out"))
    assert press(qtbot, exchange).status is JobStatus.SUCCEEDED
    assert (tmp_path / "out" / "splits_final.json").is_file()


def test_format_and_names_are_remembered(form, qtbot):
    form.formats.setCurrentIndex(3)
    form.names.setCurrentIndex(2)
    again = ExportForm(Settings())
    qtbot.addWidget(again)
    assert again.formats.currentIndex() == 3
    assert again.names.currentIndex() == 2


def test_vessel_masks_of_255_need_their_meaning_and_an_author(exchange, qtbot, tmp_path, scans):
    drawn = phantom_bscan(2, 96, 128).labels > 0
    write_png(tmp_path / "masks" / "scan2.png", drawn.astype(np.uint8) * 255)
    show_import(qtbot, exchange)
    form = exchange.importing
    write(qtbot, form.source.edit, str(tmp_path / "masks"))
    write(qtbot, form.remap, "255-1")
    assert "'255-1' is not a value and a class" in exchange.status.text()
    write(qtbot, form.remap, "255:1")
    assert press(qtbot, exchange).status is JobStatus.FAILED
    assert "No author is recorded" in exchange.status.text()
    write(qtbot, form.author, "Eve")
    assert press(qtbot, exchange).status is JobStatus.SUCCEEDED


def test_the_review_dock_lists_what_was_imported(exchange, qtbot, tmp_path, viewer):
    _, review = viewer.window.add_plugin_dock_widget("napari-retina-seg", "Review")
    assert isinstance(review, ReviewWidget)
    qtbot.waitUntil(lambda: review.session.project is not None, timeout=60_000)
    np.save(tmp_path / "scan2.npy", phantom_bscan(2, 96, 128).labels)
    show_import(qtbot, exchange)
    write(qtbot, exchange.importing.source.edit, str(tmp_path / "scan2.npy"))
    write(qtbot, exchange.importing.author, "Eve")
    with qtbot.waitSignal(review.queue.model.modelReset, timeout=60_000):
        assert press(qtbot, exchange).status is JobStatus.SUCCEEDED
    qtbot.waitUntil(lambda: review.count.text().startswith("3 of 3"))


def test_the_dock_follows_the_review_dock_beside_it_until_it_has_a_project_of_its_own(
    exchange, qtbot, tmp_path, viewer, scans
):
    _, review = viewer.window.add_plugin_dock_widget("napari-retina-seg", "Review")
    window = review.window()
    window.show()
    qtbot.waitUntil(lambda: review.session.project is not None and not review.session.busy)
    window.splitDockWidget(exchange.parent(), review.parent(), Qt.Orientation.Vertical)
    qtbot.waitUntil(lambda: exchange.isVisible() and review.isVisible())
    for name in ("next", "last"):
        make(tmp_path / name, scans, "Ann", 0)
        with qtbot.waitSignal(review.session.project_changed, timeout=60_000):
            review.session.open(tmp_path / name, "Ann")
        qtbot.waitUntil(lambda: not review.session.busy)
        assert exchange.project.name.text() == "next"
        exchange.project.choose(tmp_path / "next")


def test_images_are_ticked_for_formats_that_refer_to_them(exchange, qtbot, tmp_path):
    form = exchange.exporting
    for chosen, ticks in ((Format.PNG, False), (Format.LABELME, False), (Format.COCO, True)):
        form.formats.setCurrentIndex(form.formats.findData(chosen.value))
        assert form.with_images.isEnabled() == ticks
    qtbot.mouseClick(form.with_images, LEFT, pos=QPoint(8, form.with_images.height() // 2))
    assert form.with_images.isChecked()
    write(qtbot, form.out.edit, str(tmp_path / "out"))
    assert press(qtbot, exchange).status is JobStatus.SUCCEEDED
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names[:2] == ["export.json", "masks.json"]
    assert [(name[0], len(name)) for name in names[2:]] == [("p", 21)] * 2
