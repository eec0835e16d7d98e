import numpy as np
import pytest
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QApplication, QFileDialog, QLineEdit, QMessageBox

from choose import choose, choose_colors
from napari_retina_seg._napari.explain.pickers import ALL
from napari_retina_seg._napari.explain.saliency_layers import ColorSettings
from napari_retina_seg._napari.job import JobStatus
from napari_retina_seg._napari.layers import KEY, ImageInfo
from napari_retina_seg.saliency.activations import Activations


def test_panels_and_maps_are_saved(explain, ends, scan, tmp_path, maps):
    choose(explain.classes.box, "INL")
    outcome = ends(explain, lambda: explain.save(tmp_path / "why.png"))
    assert outcome.status is JobStatus.SUCCEEDED, outcome.message
    assert (tmp_path / "why.png").stat().st_size > 10_000
    assert len(list(tmp_path.glob("why_*.npy"))) == 8
    assert not maps()


def test_maps_on_the_screen_are_saved_and_not_computed_again(
    explain, ends, scan, tmp_path, monkeypatch
):
    asked = []
    gradient = Activations.gradient

    def count(self, value, weights):
        asked.append(value)
        return gradient(self, value, weights)

    monkeypatch.setattr(Activations, "gradient", count)
    choose(explain.classes.box, "INL")
    ends(explain, explain.button.click)
    ends(explain, lambda: explain.save(tmp_path / "one.png"))
    assert asked.count(3) == 1
    choose(explain.classes.box, ALL)
    ends(explain, explain.button.click)
    del asked[:]
    ends(explain, lambda: explain.save(tmp_path / "all.png"))
    assert not asked
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "all.png").read_bytes()
    scan.data = scan.data[::-1].copy()
    ends(explain, lambda: explain.save(tmp_path / "other.png"))
    assert asked


def test_a_file_of_another_kind_is_a_sentence(explain, ends, scan, tmp_path):
    outcome = ends(explain, lambda: explain.save(tmp_path / "why.docx"))
    assert outcome.status is JobStatus.FAILED
    assert not list(tmp_path.glob("why*"))


@pytest.fixture
def answers():
    """Return a function that answers the dialogs to come: a file's name, then a button."""

    def answer(name, button=None):
        asked = []

        def click():
            box = QApplication.activeModalWidget()
            if not isinstance(box, QMessageBox):
                QTimer.singleShot(20, click)
                return
            asked.append(box.text())
            box.button(button).click()

        def choose():
            dialog = QApplication.activeModalWidget()
            assert isinstance(dialog, QFileDialog)
            dialog.findChild(QLineEdit).setText(str(name))
            if button is not None:
                QTimer.singleShot(20, click)
            dialog.accept()

        QTimer.singleShot(50, choose)
        return asked

    return answer


def test_a_figure_without_a_suffix_becomes_a_png(explain, ends, scan, tmp_path, answers):
    answers(tmp_path / "why")
    assert ends(explain, explain.save_button.click).status is JobStatus.SUCCEEDED
    assert (tmp_path / "why.png").exists()


def test_the_dialog_begins_where_the_image_is_and_then_where_the_last_figure_went(
    explain, ends, scan, tmp_path, answers, monkeypatch
):
    image, figures = tmp_path / "scans" / "scan.npy", tmp_path / "figures"
    for folder in (image.parent, figures):
        folder.mkdir()
    np.save(image, scan.data)
    scan.metadata[KEY] = ImageInfo(source=str(image))
    begun = []
    set_directory = QFileDialog.setDirectory
    monkeypatch.setattr(
        QFileDialog, "setDirectory", lambda *given: (begun.append(given[1]), set_directory(*given))
    )
    for name in ("one", "two"):
        answers(figures / name)
        assert ends(explain, explain.save_button.click).status is JobStatus.SUCCEEDED
    assert begun == [str(image.parent), str(figures)]


@pytest.mark.parametrize("there", ["why.png", "why_INL_grad-cam.npy"])
def test_nothing_is_replaced_without_a_request(explain, ends, scan, tmp_path, answers, there):
    (tmp_path / there).write_text("old")
    asked = answers(tmp_path / "why", QMessageBox.StandardButton.No)
    QTimer.singleShot(500, lambda: QApplication.activeModalWidget() and _reject())
    explain.save_button.click()
    assert there in asked[0]
    assert not explain.is_running
    assert (tmp_path / there).read_text() == "old"


def _reject():
    QApplication.activeModalWidget().reject()


def test_maps_are_replaced_if_confirmed(explain, ends, scan, tmp_path, answers):
    (tmp_path / "why_INL_grad-cam.npy").write_text("old")
    answers(tmp_path / "why", QMessageBox.StandardButton.Yes)
    assert ends(explain, explain.save_button.click).status is JobStatus.SUCCEEDED
    assert np.load(tmp_path / "why_INL_grad-cam.npy").shape == (96, 128)


def test_what_is_chosen_during_a_save_is_explained_after_it(
    explain, ends, scan, tmp_path, qtbot, maps
):
    choose(explain.classes.box, "INL")
    ends(explain, explain.button.click)
    explain.save(tmp_path / "why.png")
    choose(explain.classes.box, "OPL")
    qtbot.waitUntil(lambda: not explain._soon.isActive())
    assert explain.is_running
    qtbot.waitUntil(lambda: not explain.is_running, timeout=120_000)
    assert [layer.name for layer in maps()] == ["scan · tiny-oct · Grad-CAM OPL, bottleneck"]
    assert (tmp_path / "why.png").exists()


def test_a_live_map_gives_way_to_a_save_and_goes_on_after_it(explain, scan, tmp_path, qtbot, maps):
    choose(explain.classes.box, "INL")
    explain.explain()
    assert explain.save_button.isEnabled()
    explain.save(tmp_path / "why.png")
    qtbot.waitUntil(lambda: not explain.is_running, timeout=120_000)
    assert (tmp_path / "why.png").exists()
    assert [layer.name for layer in maps()] == ["scan · tiny-oct · Grad-CAM INL, bottleneck"]


def test_panels_have_the_colours_and_the_scale_of_the_dock(explain, ends, scan, tmp_path):
    looks = [
        ColorSettings("turbo"),
        ColorSettings("cividis"),
        ColorSettings("cividis", shared=True),
    ]
    for number, look in enumerate(looks):
        choose_colors(explain.colors, look.colors, shared=look.shared)
        assert (
            ends(explain, lambda at=number: explain.save(tmp_path / f"{at}.png")).status
            is JobStatus.SUCCEEDED
        )
    assert len({(tmp_path / f"{number}.png").read_bytes() for number in range(3)}) == 3
