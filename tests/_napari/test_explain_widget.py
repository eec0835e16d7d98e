import gc
import weakref
from dataclasses import replace
from types import SimpleNamespace

import dask
import dask.array as da
import numpy as np
import pytest
from pytestqt.qtbot import QtBot
from qtpy.QtCore import Qt, QThreadPool, QTimer
from qtpy.QtWidgets import QApplication, QFileDialog, QLineEdit, QMessageBox

from helpers import tiny_model
from napari_retina_seg._napari.explain_pickers import ALL, THERE
from napari_retina_seg._napari.job import End
from napari_retina_seg._napari.layers import KEY, retina_image
from napari_retina_seg._napari.maps import Look, evidence_of
from napari_retina_seg._napari.settings import Settings
from napari_retina_seg._napari.target_picker import CLASS, POINT, REGION
from napari_retina_seg.core.cam import Method
from napari_retina_seg.core.explanation import Question
from napari_retina_seg.core.image import Modality
from napari_retina_seg.core.target import Point
from napari_retina_seg.engine.explain import explain_image
from napari_retina_seg.models.registry import WEIGHTS_FILE, add_model


@pytest.fixture
def explain(viewer, qtbot):
    """Return the Explain dock of the viewer, opened as the menu does it."""
    _, widget = viewer.window.add_plugin_dock_widget("napari-retina-seg", "Explain")
    yield widget
    QThreadPool.globalInstance().waitForDone(120_000)
    qtbot.wait(20)


@pytest.fixture
def ends(qtbot: QtBot):
    """Return a function that does something in the dock and waits for its end."""

    def wait(widget, act):
        with qtbot.waitSignal(widget.finished, timeout=120_000) as end:
            act()
        qtbot.waitUntil(lambda: not widget.is_running, timeout=120_000)
        return end.args[0]

    return wait


@pytest.fixture
def scan(viewer, explain, bscan):
    """Return the layer of a B-scan, which the dock has taken up."""
    layer = viewer.add_image(bscan, name="scan", scale=(2, 3), translate=(5, 7))
    explain.images.set_modality(Modality.OCT)
    return layer


def maps(viewer):
    return [layer for layer in viewer.layers if evidence_of(layer) is not None]


def click(viewer, qtbot, world):
    """Press and release the left button over a point of the world, as vispy hands it over."""
    event = SimpleNamespace(type="mouse_press", button=1, pos=(9, 9), position=world, modifiers=())
    for callback in viewer.mouse_drag_callbacks:
        steps = callback(viewer, event)
        next(steps, None)
        event.type = "mouse_release"
        next(steps, None)


def test_all_classes_become_a_stack_on_the_images_own_grid(viewer, explain, ends, scan, bscan):
    outcome = ends(explain, explain.button.click)
    assert outcome.end is End.ENDED, outcome.sentence
    (layer,) = maps(viewer)
    assert layer.name == "scan · tiny-oct · Grad-CAM all classes, bottleneck"
    assert layer.data.shape == (8, *bscan.shape)
    assert np.allclose(layer.data_to_world((3, 10, 20)), (3, *scan.data_to_world((10, 20))))
    expected = explain_image(retina_image(scan), "tiny-oct").normalised(shared=False)
    assert np.allclose(layer.data, expected, atol=1e-5)
    assert layer.axis_labels[0] == "class"


def test_the_slider_names_the_class(viewer, explain, ends, scan):
    ends(explain, explain.button.click)
    viewer.dims.set_point(0, 2)
    assert explain.shown.text() == "Class shown: GCL+IPL · Ganglion cell + inner plexiform layer"
    viewer.dims.set_point(0, 0)
    assert explain.shown.text() == "Class shown: BG · Background"


def test_another_class_is_shown_in_the_same_layer(viewer, explain, ends, scan):
    explain.classes.choose("INL")
    ends(explain, explain.button.click)
    (before,) = maps(viewer)
    assert before.name == "scan · tiny-oct · Grad-CAM INL, bottleneck"
    ends(explain, lambda: explain.classes.choose("OPL"))
    (after,) = maps(viewer)
    assert after is before
    assert after.name == "scan · tiny-oct · Grad-CAM OPL, bottleneck"
    expected = explain_image(retina_image(scan), "tiny-oct", Question(values=(4,)))
    assert np.allclose(after.data, expected.normalised(shared=False)[0], atol=1e-5)


@pytest.mark.parametrize("method", Method)
def test_another_method_updates_the_map(viewer, explain, ends, scan, method):
    explain.classes.choose("EZ")
    ends(explain, explain.button.click)
    ends(explain, lambda: explain.methods.choose(method))
    question = Question(values=(6,), method=method)
    expected = explain_image(retina_image(scan), "tiny-oct", question).normalised(shared=False)
    layers = maps(viewer)
    assert [layer.name for layer in layers] == [
        f"scan · tiny-oct · {method.value} EZ, bottleneck"
    ] * bool(expected.any())
    for layer in layers:
        assert np.allclose(layer.data, expected[0], atol=1e-5)


def test_a_map_that_is_kept_stays_as_it_is(viewer, explain, ends, scan):
    explain.classes.choose("INL")
    ends(explain, explain.button.click)
    kept = maps(viewer)[0].data.copy()
    explain.keep_button.click()
    assert not explain.keep_button.isEnabled()
    ends(explain, lambda: explain.classes.choose("OPL"))
    first, second = maps(viewer)
    assert np.array_equal(first.data, kept)
    assert (first.visible, second.visible) == (False, True)
    assert "The earlier map is hidden." in explain.status.text()
    assert second.name.endswith("OPL, bottleneck")


def test_a_map_that_is_removed_does_not_come_back(viewer, explain, ends, scan, qtbot):
    explain.classes.choose("INL")
    ends(explain, explain.button.click)
    viewer.layers.remove(maps(viewer)[0])
    explain.classes.choose("OPL")
    qtbot.wait(200)
    assert not explain.is_running
    assert not maps(viewer)


def test_layers_are_listed_with_place_and_resolution(explain, scan, qtbot):
    qtbot.waitUntil(lambda: bool(explain.layers.names), timeout=60_000)
    assert explain.layers.names[-1] == "decoder 0"
    assert explain.layers.place.name == "bottleneck"  # the tiny net has no decoder 2
    assert explain.layers.note == ""
    explain.layers.choose("decoder 0")
    assert "repeats what is drawn" in explain.layers.note
    explain.layers.choose("bottleneck")
    assert "px)" in explain.layers._box.currentText()


def test_another_layer_of_the_network(viewer, explain, ends, scan, qtbot):
    qtbot.waitUntil(lambda: bool(explain.layers.names), timeout=60_000)
    explain.layers.choose("bottleneck")
    ends(explain, explain.button.click)
    assert evidence_of(maps(viewer)[0]).first.place.startswith("bottleneck")


def test_the_class_chosen_in_a_mask_is_explained(viewer, explain, dock, run, ends, masks, scan):
    run(dock)
    (mask,) = masks()
    viewer.layers.selection.active = mask
    explain.classes.choose("INL")
    ends(explain, explain.button.click)
    assert viewer.layers.selection.active == mask  # whoever corrects goes on correcting
    assert mask.contour == 1
    ends(explain, lambda: setattr(mask, "selected_label", 6))
    assert [layer.name for layer in maps(viewer)] == ["scan · tiny-oct · Grad-CAM EZ, bottleneck"]
    viewer.layers.remove(maps(viewer)[0])
    assert mask.contour == 0


def test_with_all_classes_shown_the_slider_goes_to_the_class(
    viewer, explain, dock, run, ends, masks, scan
):
    run(dock)
    viewer.layers.selection.active = masks()[0]
    ends(explain, explain.button.click)
    masks()[0].selected_label = 4
    assert explain.shown.text().startswith("Class shown: OPL")
    assert not explain.is_running


def test_a_class_that_the_model_does_not_know(viewer, explain, dock, run, ends, masks, scan):
    run(dock)
    viewer.layers.selection.active = masks()[0]
    ends(explain, explain.button.click)
    masks()[0].selected_label = 12
    assert explain.status.end is End.FAILED
    assert "'tiny-oct' knows no class '12'" in explain.status.text()


def test_the_latest_choice_wins(viewer, explain, ends, scan, qtbot):
    explain.classes.choose("INL")
    ended = []
    explain.finished.connect(ended.append)
    explain.explain()
    for name in ("OPL", "GCL+IPL", "EZ"):
        explain.classes.choose(name)
        explain.explain()
    qtbot.waitUntil(lambda: not explain.is_running, timeout=120_000)
    assert [outcome.end for outcome in ended] == [End.ENDED]
    assert [layer.name for layer in maps(viewer)] == ["scan · tiny-oct · Grad-CAM EZ, bottleneck"]


def test_a_click_asks_why_there(viewer, explain, ends, scan, qtbot):
    explain.targets.choose(POINT)
    assert not explain.button.isEnabled()
    assert "Click on the image" in explain.button.toolTip()
    assert explain.classes.is_there
    ends(explain, lambda: click(viewer, qtbot, scan.data_to_world((50, 60))))
    shown = evidence_of(maps(viewer)[0]).first
    assert shown.target == Point(50, 60)
    assert shown.values == (shown.labels[50, 60],)
    assert "Row 50, column 60" in explain.targets.note
    ends(explain, lambda: explain.classes.choose("INL"))
    assert maps(viewer)[0].name == "scan · tiny-oct · HiResCAM INL at 50, 60, bottleneck"


def test_a_place_suggests_a_method_until_a_person_has_chosen_one(explain, scan):
    explain.targets.choose(POINT)
    assert explain.methods.method is Method.HIRES_CAM
    explain.targets.choose(CLASS)
    assert explain.methods.method is Method.GRAD_CAM
    explain.methods.choose(Method.LAYER_CAM)
    explain.targets.choose(POINT)
    assert explain.methods.method is Method.LAYER_CAM


def test_a_click_beside_the_image_keeps_the_point_before(viewer, explain, ends, scan, qtbot):
    explain.targets.choose(POINT)
    ends(explain, lambda: click(viewer, qtbot, scan.data_to_world((50, 60))))
    click(viewer, qtbot, scan.data_to_world((-4, 60)))
    assert explain.status.end is None
    assert "row -4, column 60 lies outside 'scan' of 96 × 128 px" in explain.status.text()
    ends(explain, lambda: explain.classes.choose("INL"))
    assert evidence_of(maps(viewer)[0]).first.target == Point(50, 60)


def test_a_first_click_beside_the_image_is_a_sentence(viewer, explain, scan, qtbot):
    explain.targets.choose(POINT)
    click(viewer, qtbot, scan.data_to_world((-4, 60)))
    assert "lies outside 'scan'" in explain.status.text()
    assert not explain.button.isEnabled()
    assert not maps(viewer)


@pytest.mark.parametrize("mode", ["paint", "fill", "polygon", "pick", "erase"])
def test_asking_for_a_point_puts_the_brush_down(viewer, explain, ends, scan, qtbot, mode):
    labels = viewer.add_labels(np.zeros((96, 128), np.uint8))
    labels.mode = mode
    explain.targets.choose(POINT)
    assert labels.mode == "pan_zoom"
    ends(explain, lambda: click(viewer, qtbot, scan.data_to_world((50, 60))))
    assert maps(viewer)


def test_a_click_with_a_brush_taken_again_is_announced(viewer, explain, scan, qtbot):
    labels = viewer.add_labels(np.zeros((96, 128), np.uint8))
    explain.targets.choose(POINT)
    labels.mode = "paint"
    click(viewer, qtbot, (50, 60))
    assert not explain.is_running
    assert "A click asks nothing while a tool is in the hand" in explain.status.text()


def test_a_choice_that_nothing_follows_says_what_to_press(viewer, explain, ends, volume, qtbot):
    viewer.add_image(volume, name="cube")
    explain.images.set_modality(Modality.OCT)
    explain.images.whole.setChecked(True)
    explain.classes.choose("EZ")
    ends(explain, explain.button.click)
    assert explain.status.end is End.ENDED
    explain.classes.choose("INL")
    assert explain.status.end is None
    assert explain.status.text() == "Press Explain to see it."
    explain.targets.choose(POINT)
    assert explain.status.text() == "Click on the image to ask about a point."


def test_a_click_asks_nothing_once_another_target_is_chosen(viewer, explain, scan, qtbot):
    explain.targets.choose(POINT)
    explain.targets.choose(CLASS)
    assert explain.classes.names[:2] == [ALL, "BG · Background"]
    assert THERE not in explain.classes.names
    click(viewer, qtbot, scan.data_to_world((50, 60)))
    assert not explain.is_running


def test_a_region_painted_in_a_layer(viewer, explain, ends, scan):
    pixels = np.zeros((96, 128), np.uint8)
    pixels[40:50, 30:60] = 7
    region = viewer.add_labels(pixels, name="spot", scale=scan.scale, translate=scan.translate)
    explain.targets.choose(REGION, region)
    ends(explain, explain.button.click)
    target = evidence_of(maps(viewer)[0]).first.target
    assert np.array_equal(target.mask, pixels > 0)
    assert target.words == "the region in 'spot'"


def test_an_empty_region_is_a_sentence(viewer, explain, scan):
    region = viewer.add_labels(np.zeros((96, 128), np.uint8), name="spot")
    explain.targets.choose(REGION, region)
    explain.button.click()
    assert not explain.is_running
    assert explain.status.end is None
    assert "paint or draw there first" in explain.status.text()


def test_no_region_at_all_greys_the_button_out(explain, scan):
    explain.targets.choose(REGION)
    assert not explain.button.isEnabled()
    assert "add a Labels or Shapes layer" in explain.button.toolTip()


def test_colours_and_scale_change_nothing_but_the_look(viewer, explain, ends, scan):
    ends(explain, explain.button.click)
    (layer,) = maps(viewer)
    tops = layer.data.max(axis=(1, 2))
    assert np.allclose(tops[tops > 0], 1)
    explain.looks.choose(Look("cividis", shared=True))
    assert not explain.is_running
    assert layer.colormap.name.startswith("cividis")
    expected = explain_image(retina_image(scan), "tiny-oct").normalised(shared=True)
    assert np.allclose(layer.data, expected, atol=1e-5)
    explain.looks.choose(Look("turbo", shared=False))
    assert np.allclose(layer.data.max(axis=(1, 2))[tops > 0], 1)


def test_the_look_is_remembered(viewer, explain, qtbot):
    explain.looks.choose(Look("inferno", shared=True))
    from napari_retina_seg._napari.explain_widget import ExplainWidget

    other = ExplainWidget(viewer)
    assert other.looks.look == Look("inferno", shared=True)
    other.close_down()
    other.deleteLater()


def test_one_class_has_one_scale(explain, scan):
    explain.classes.choose("INL")
    assert not explain.looks._scale.isEnabled()
    assert "choose all classes" in explain.looks._scale.toolTip()


def test_a_slice_follows_the_slider(viewer, explain, ends, volume):
    image = viewer.add_image(volume, name="cube", scale=(240, 4, 12))
    explain.images.set_modality(Modality.OCT)
    explain.classes.choose("INL")
    viewer.dims.set_point(0, 240)
    ends(explain, explain.button.click)
    (layer,) = maps(viewer)
    assert layer.name == "cube · tiny-oct · slice 1 · Grad-CAM INL, bottleneck"
    ends(explain, lambda: viewer.dims.set_point(0, 3 * 240))
    (layer,) = maps(viewer)
    assert layer.name == "cube · tiny-oct · slice 3 · Grad-CAM INL, bottleneck"
    assert np.allclose(layer.data_to_world((0, 5, 6)), image.data_to_world((3, 5, 6)))


@pytest.mark.parametrize("lazy", [False, True])
def test_a_whole_volume(viewer, explain, ends, volume, lazy):
    pixels = da.from_array(volume, chunks=(1, 50, 50)) if lazy else volume
    image = viewer.add_image(pixels, name="cube", scale=(240, 4, 12))
    explain.images.set_modality(Modality.OCT)
    explain.images.whole.setChecked(True)
    explain.classes.choose("EZ")
    assert ends(explain, explain.button.click).end is End.ENDED
    (layer,) = maps(viewer)
    assert layer.name == "cube · tiny-oct · Grad-CAM EZ, bottleneck"
    assert layer.data.shape == volume.shape
    assert np.allclose(layer.data_to_world((2, 5, 6)), image.data_to_world((2, 5, 6)))
    raw = np.stack(
        [
            explain_image(retina_image(image), "tiny-oct", Question((6,)), index=index).maps[0]
            for index in range(5)
        ]
    )
    assert np.allclose(layer.data, raw / raw.max(), atol=1e-5)


def test_all_classes_of_a_volume(viewer, explain, ends, volume):
    viewer.add_image(volume, name="cube")
    explain.images.set_modality(Modality.OCT)
    explain.images.whole.setChecked(True)
    ends(explain, explain.button.click)
    (layer,) = maps(viewer)
    assert layer.data.shape == (8, *volume.shape)
    assert layer.data.max() == pytest.approx(1)


def test_cancelling_a_volume_leaves_nothing(viewer, explain, ends, bscan, qtbot):
    viewer.add_image(np.stack([bscan] * 300), name="cube")
    explain.images.set_modality(Modality.OCT)
    explain.images.whole.setChecked(True)
    explain.classes.choose("EZ")

    def start_and_cancel():
        explain.button.click()
        qtbot.waitUntil(lambda: bool(maps(viewer)), timeout=120_000)
        assert not explain.button.isEnabled()
        explain.work.cancel_button.click()

    assert ends(explain, start_and_cancel).end is End.CANCELLED
    assert explain.status.text().startswith("■ Cancelled")
    assert [layer.name for layer in viewer.layers] == ["cube"]
    assert explain.button.isEnabled()


def choose_what_leaves_rpe_without_evidence(explain, qtbot):
    qtbot.waitUntil(lambda: bool(explain.layers.names), timeout=60_000)
    explain.layers.choose("decoder 0")
    explain.methods.choose(Method.HIRES_CAM)


def test_no_evidence_is_a_sentence_and_no_layer(viewer, explain, ends, scan, qtbot):
    choose_what_leaves_rpe_without_evidence(explain, qtbot)
    explain.classes.choose("INL")
    ends(explain, explain.button.click)
    assert maps(viewer)
    ends(explain, lambda: explain.classes.choose("RPE"))
    assert not maps(viewer)
    for words in ("no map to show", "Nothing in decoder 0 speaks for RPE"):
        assert words in explain.status.text()
    assert explain.status.end is None
    ends(explain, lambda: explain.classes.choose("OPL"))
    assert maps(viewer)


def test_nothing_open_greys_everything_out_with_a_reason(explain):
    for button in (explain.button, explain.save_button):
        assert not button.isEnabled()
        assert button.toolTip() == "Open an image, or select an image layer."
    assert explain.status.text() == "Open an image, or select an image layer."


def test_a_map_is_never_offered_as_an_image(viewer, explain, ends, scan):
    ends(explain, explain.button.click)
    viewer.layers.selection.active = maps(viewer)[0]
    assert explain.images.layer == scan
    assert explain.images._box.count() == 1


@pytest.mark.parametrize("pixels", [np.zeros((64, 64), np.uint8), np.full((64, 64), np.nan)])
def test_what_can_not_be_explained_is_a_sentence(viewer, explain, ends, pixels):
    viewer.add_image(pixels, name="bad")
    explain.images.set_modality(Modality.OCT)
    outcome = ends(explain, explain.button.click)
    assert outcome.end is End.FAILED
    assert outcome.sentence.endswith(".")
    assert [layer.name for layer in viewer.layers] == ["bad"]


def test_an_image_that_is_too_small_for_the_layer(viewer, explain, ends, bscan, qtbot):
    viewer.add_image(bscan[40:42, 40:42], name="bad")
    explain.images.set_modality(Modality.OCT)
    qtbot.waitUntil(lambda: bool(explain.layers.names), timeout=60_000)
    explain.layers.choose("bottleneck")
    outcome = ends(explain, explain.button.click)
    assert outcome.end is End.FAILED
    assert not maps(viewer)


def test_panels_and_maps_are_saved(viewer, explain, ends, scan, tmp_path):
    explain.classes.choose("INL")
    outcome = ends(explain, lambda: explain.save(tmp_path / "why.png"))
    assert outcome.end is End.ENDED, outcome.sentence
    assert (tmp_path / "why.png").stat().st_size > 10_000
    assert len(list(tmp_path.glob("why_*.npy"))) == 8
    assert not maps(viewer)


def test_a_file_of_another_kind_is_a_sentence(explain, ends, scan, tmp_path):
    outcome = ends(explain, lambda: explain.save(tmp_path / "why.docx"))
    assert outcome.end is End.FAILED
    assert not list(tmp_path.glob("why*"))


def test_an_image_that_is_removed_meanwhile_gets_no_map(viewer, explain, ends, scan):
    def start_and_remove():
        explain.button.click()
        viewer.layers.remove(scan)

    assert ends(explain, start_and_remove).end is End.CANCELLED
    assert len(viewer.layers) == 0


def test_an_altered_model_is_a_sentence(viewer, explain, ends, scan, model_folders):
    weights = model_folders[0] / WEIGHTS_FILE
    QThreadPool.globalInstance().waitForDone()
    content = weights.read_bytes()
    weights.write_bytes(content[:1000])
    try:
        assert "altered" in ends(explain, explain.button.click).sentence
    finally:
        weights.write_bytes(content)


def test_closing_the_dock_stops_the_work_and_the_listening(viewer, qtbot, bscan):
    before = list(viewer.mouse_drag_callbacks)
    frame, dock = viewer.window.add_plugin_dock_widget("napari-retina-seg", "Explain")
    image = viewer.add_image(np.stack([bscan] * 300), name="cube")
    dock.images.set_modality(Modality.OCT)
    dock.images.whole.setChecked(True)
    dock.classes.choose("EZ")
    dock.button.click()
    qtbot.waitUntil(lambda: bool(maps(viewer)), timeout=120_000)
    viewer.window.remove_dock_widget(frame)
    assert QThreadPool.globalInstance().waitForDone(60_000)
    qtbot.wait(50)
    assert list(viewer.layers) == [image]
    assert list(viewer.mouse_drag_callbacks) == before
    viewer.dims.set_point(0, 4)


def test_both_docks_stand_in_one_place(make_napari_viewer, qtbot):
    viewer = make_napari_viewer(show=True)
    first, _ = viewer.window.add_plugin_dock_widget("napari-retina-seg", "Segment")
    second, _ = viewer.window.add_plugin_dock_widget("napari-retina-seg", "Explain")
    qtbot.waitUntil(lambda: second.window().tabifiedDockWidgets(first) == [second])


def test_the_map_of_leading_axes_lies_on_the_volume_shown(viewer, explain, ends, volume):
    image = viewer.add_image(np.stack([volume, volume[:, ::-1]]), scale=(2, 3, 1, 1))
    explain.images.set_modality(Modality.OCT)
    viewer.dims.set_point(0, 2)
    viewer.dims.set_point(1, 6)
    explain.classes.choose("EZ")
    ends(explain, explain.button.click)
    (layer,) = maps(viewer)
    assert layer.data.shape == (1, 1, *volume.shape[1:])
    assert np.allclose(layer.data_to_world((0, 0, 2, 3)), image.data_to_world((1, 2, 2, 3)))
    assert layer.metadata[KEY].image == image.name


def test_closing_the_viewer_stops_the_work(make_napari_viewer, qtbot, bscan):
    viewer = make_napari_viewer()
    _, dock = viewer.window.add_plugin_dock_widget("napari-retina-seg", "Explain")
    viewer.add_image(np.stack([bscan] * 300), name="cube")
    dock.images.set_modality(Modality.OCT)
    dock.images.whole.setChecked(True)
    dock.classes.choose("EZ")
    dock.button.click()
    qtbot.waitUntil(lambda: bool(maps(viewer)), timeout=60_000)
    viewer.close()
    assert QThreadPool.globalInstance().waitForDone(60_000)
    qtbot.wait(50)


@pytest.mark.parametrize("whole", [False, True])
def test_a_map_stays_with_its_image_whatever_comes_of_another(
    viewer, explain, ends, scan, bscan, qtbot, whole
):
    choose_what_leaves_rpe_without_evidence(explain, qtbot)
    explain.classes.choose("INL")
    ends(explain, explain.button.click)
    (first,) = maps(viewer)
    viewer.add_image(np.stack([bscan] * 3), name="cube")
    explain.images.set_modality(Modality.OCT)
    explain.images.whole.setChecked(whole)
    explain.classes.choose("INL" if whole else "RPE")
    ends(explain, explain.button.click)
    assert first in viewer.layers
    assert len(maps(viewer)) == 1 + whole


@pytest.fixture
def answers(qtbot):
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
    assert ends(explain, explain.save_button.click).end is End.ENDED
    assert (tmp_path / "why.png").exists()


@pytest.mark.parametrize("there", ["why.png", "why_INL_grad-cam.npy"])
def test_nothing_is_replaced_unasked(explain, ends, scan, tmp_path, answers, there):
    (tmp_path / there).write_text("old")
    asked = answers(tmp_path / "why", QMessageBox.StandardButton.No)
    QTimer.singleShot(500, lambda: QApplication.activeModalWidget() and _reject())
    explain.save_button.click()
    assert there in asked[0]
    assert not explain.is_running
    assert (tmp_path / there).read_text() == "old"


def _reject():
    QApplication.activeModalWidget().reject()


def test_maps_are_replaced_if_a_person_says_so(explain, ends, scan, tmp_path, answers):
    (tmp_path / "why_INL_grad-cam.npy").write_text("old")
    answers(tmp_path / "why", QMessageBox.StandardButton.Yes)
    assert ends(explain, explain.save_button.click).end is End.ENDED
    assert np.load(tmp_path / "why_INL_grad-cam.npy").shape == (96, 128)


def test_what_is_chosen_during_a_save_is_explained_after_it(
    viewer, explain, ends, scan, tmp_path, qtbot
):
    explain.classes.choose("INL")
    ends(explain, explain.button.click)
    explain.save(tmp_path / "why.png")
    explain.classes.choose("OPL")
    qtbot.wait(60)
    assert explain.is_running
    qtbot.waitUntil(lambda: not explain.is_running, timeout=120_000)
    assert [layer.name for layer in maps(viewer)] == ["scan · tiny-oct · Grad-CAM OPL, bottleneck"]
    assert (tmp_path / "why.png").exists()


def test_a_live_map_gives_way_to_a_save_and_goes_on_after_it(
    viewer, explain, scan, tmp_path, qtbot
):
    explain.classes.choose("INL")
    explain.explain()
    assert explain.save_button.isEnabled()
    explain.save(tmp_path / "why.png")
    qtbot.waitUntil(lambda: not explain.is_running, timeout=120_000)
    assert (tmp_path / "why.png").exists()
    assert [layer.name for layer in maps(viewer)] == ["scan · tiny-oct · Grad-CAM INL, bottleneck"]


@pytest.mark.parametrize("whole", [False, True])
def test_a_map_that_napari_refuses_is_one_sentence(viewer, explain, ends, volume, whole):
    viewer.add_image(volume, name="cube")
    explain.images.set_modality(Modality.OCT)
    explain.images.whole.setChecked(whole)
    explain.classes.choose("EZ")
    refusals = []

    def refuse(event):
        refusals.append(event)
        raise ValueError("The texture is too large.")

    viewer.layers.events.inserted.connect(refuse)
    outcome = ends(explain, explain.button.click)
    assert outcome.end is End.FAILED
    assert "The texture is too large. Close other layers." in outcome.sentence
    assert len(refusals) == 1
    assert [layer.name for layer in viewer.layers] == ["cube"]


def test_a_whole_volume_is_never_explained_unasked(viewer, explain, ends, volume, qtbot):
    viewer.add_image(volume, name="cube")
    explain.images.set_modality(Modality.OCT)
    explain.classes.choose("EZ")
    ends(explain, explain.button.click)
    explain.classes.choose("INL")
    explain.images.whole.setChecked(True)
    qtbot.wait(200)
    assert not explain.is_running
    assert len(maps(viewer)) == 1
    assert maps(viewer)[0].data.shape == (1, *volume.shape[1:])


def test_a_click_asks_about_the_slice_under_it_in_any_order(viewer, explain, ends, volume, qtbot):
    image = viewer.add_image(volume, name="cube", scale=(240, 4, 12))
    explain.images.set_modality(Modality.OCT)
    explain.targets.choose(POINT)
    viewer.dims.order = (1, 0, 2)
    viewer.dims.set_point(1, 4 * 50)
    ends(explain, lambda: click(viewer, qtbot, image.data_to_world((4, 50, 60))))
    shown = evidence_of(maps(viewer)[0]).first
    assert shown.target == Point(50, 60)
    assert shown.index == 4
    ends(explain, lambda: explain.classes.choose("INL"))
    assert evidence_of(maps(viewer)[0]).first.index == 4


def test_a_point_is_asked_for_in_2d(viewer, explain, volume, qtbot):
    viewer.add_image(volume, name="cube")
    explain.images.set_modality(Modality.OCT)
    explain.targets.choose(POINT)
    viewer.dims.ndisplay = 3
    click(viewer, qtbot, (2, 50, 60))
    assert not explain.is_running
    assert "in 2D" in explain.status.text()


def test_a_region_that_is_removed_is_not_replaced_by_another(viewer, explain, scan):
    viewer.add_labels(np.ones((96, 128), np.uint8), name="other")
    spot = viewer.add_labels(np.ones((96, 128), np.uint8), name="spot")
    explain.targets.choose(REGION, spot)
    assert explain.button.isEnabled()
    viewer.layers.remove(spot)
    viewer.layers["other"].name = "renamed"
    assert explain.targets.layer is None
    assert "was removed: choose another one" in explain.button.toolTip()
    explain.targets.choose(REGION, viewer.layers["renamed"])
    assert explain.button.isEnabled()


def test_a_region_that_can_not_be_read_is_a_sentence(viewer, explain, scan, tmp_path):
    np.save(tmp_path / "spot.npy", np.ones((96, 128), np.uint8))
    lazy = da.from_delayed(dask.delayed(np.load)(tmp_path / "spot.npy"), (96, 128), np.uint8)
    spot = viewer.add_labels(lazy, name="spot")
    (tmp_path / "spot.npy").unlink()
    explain.targets.choose(REGION, spot)
    explain.button.click()
    assert explain.status.end is End.FAILED
    assert "The region in 'spot' can't be read: " in explain.status.text()


def test_a_class_chosen_while_all_classes_are_on_their_way(
    viewer, explain, dock, run, ends, masks, scan, qtbot
):
    run(dock)
    viewer.layers.selection.active = masks()[0]
    explain.classes.choose("INL")
    ends(explain, explain.button.click)
    explain.classes.choose(ALL)
    masks()[0].selected_label = 4
    qtbot.waitUntil(lambda: not explain.is_running, timeout=120_000)
    assert explain.classes.is_all
    assert explain.shown.text().startswith("Class shown: OPL")


def test_a_result_leaves_the_choice_of_image(viewer, explain, scan, bscan, qtbot):
    other = viewer.add_image(bscan[::-1], name="other")
    explain.images.set_modality(Modality.OCT)
    labels = viewer.add_labels(np.zeros((96, 128), np.uint8))
    explain.images.choose(scan)
    explain.explain()
    explain.images.choose(other)
    qtbot.waitUntil(lambda: not explain.is_running, timeout=120_000)
    assert maps(viewer)
    assert explain.images.layer == other
    assert viewer.layers.selection.active == labels


def test_a_map_follows_its_image_when_that_is_moved(viewer, explain, ends, scan):
    explain.classes.choose("INL")
    ends(explain, explain.button.click)
    scan.scale, scan.rotate, scan.units = (5, 7), 30, ("um", "um")
    ends(explain, lambda: explain.classes.choose("OPL"))
    (layer,) = maps(viewer)
    assert np.allclose(layer.data_to_world((10, 20)), scan.data_to_world((10, 20)))
    assert layer.units == scan.units


@pytest.fixture
def other_model(tmp_path, home):
    """Return the name of a second model for OCT."""
    folder = tiny_model(tmp_path / "other", Modality.OCT).path
    spec = folder / "spec.json"
    spec.write_text(spec.read_text().replace("tiny-oct", "other-oct"))
    return add_model(folder).name


def test_a_mask_brings_the_model_that_drew_it(other_model, viewer, explain, dock, run, masks, scan):
    dock.images.choose(scan)
    dock.models.choose(other_model)
    run(dock)
    (mask,) = masks()
    viewer.layers.selection.active = scan
    explain.models.choose("tiny-oct")
    viewer.layers.selection.active = mask
    assert explain.models.model.name == other_model
    assert Settings().model(Modality.OCT) == "tiny-oct"  # that was a person's choice


def test_a_mask_of_a_model_that_is_gone_says_so(viewer, explain, dock, run, masks, scan):
    run(dock)
    (mask,) = masks()
    known = mask.metadata[KEY]
    mask.metadata[KEY] = replace(known, provenance=replace(known.provenance, model="gone"))
    viewer.layers.selection.active = scan
    viewer.layers.selection.active = mask
    assert "was drawn by 'gone', which is not on offer" in explain.shown.text()
    viewer.layers.selection.active = scan
    assert explain.shown.isHidden()


def test_a_growing_map_that_is_removed_ends_the_work(viewer, explain, ends, bscan, qtbot):
    viewer.add_image(np.stack([bscan] * 300), name="cube")
    explain.images.set_modality(Modality.OCT)
    explain.images.whole.setChecked(True)
    explain.classes.choose("EZ")

    def start_and_remove():
        explain.button.click()
        qtbot.waitUntil(lambda: bool(maps(viewer)), timeout=120_000)
        viewer.layers.remove(maps(viewer)[0])

    assert ends(explain, start_and_remove).end is End.CANCELLED
    assert [layer.name for layer in viewer.layers] == ["cube"]


def test_a_mask_that_comes_under_a_map_is_outlined(viewer, explain, dock, run, ends, masks, scan):
    explain.classes.choose("INL")
    ends(explain, explain.button.click)
    dock.images.choose(scan)
    run(dock)
    assert masks()[0].contour == 1


def test_what_a_person_chose_comes_back_after_a_point(explain, scan):
    explain.classes.choose("INL")
    explain.targets.choose(POINT)
    explain.methods.choose(Method.HIRES_CAM)  # which is what is recommended there
    explain.targets.choose(CLASS)
    assert explain.methods.method is Method.HIRES_CAM
    assert explain.classes.values == (3,)


def test_what_was_computed_of_an_image_goes_with_it(viewer, explain, ends, scan):
    ends(explain, explain.button.click)
    kept = weakref.ref(explain.choices._last)
    viewer.layers.remove(scan)
    gc.collect()
    assert kept() is None


def test_layers_are_looked_up_again_after_a_failure(explain, scan, model_folders, qtbot):
    qtbot.waitUntil(lambda: not QThreadPool.globalInstance().activeThreadCount(), timeout=60_000)
    explain.layers._known.clear()
    weights = model_folders[0] / WEIGHTS_FILE
    content = weights.read_bytes()
    weights.write_bytes(content[:1000])
    try:
        explain.layers.offer(None)
        explain.layers.offer(explain.models.model)
        qtbot.waitUntil(lambda: "altered" in explain.layers.why, timeout=60_000)
    finally:
        weights.write_bytes(content)
    explain.models.choose("tiny-oct")
    qtbot.waitUntil(lambda: bool(explain.layers.names), timeout=60_000)


@pytest.mark.parametrize("kept", [False, True])
def test_the_map_of_a_whole_volume_is_alone(viewer, explain, ends, volume, kept):
    viewer.add_image(volume, name="cube")
    explain.images.set_modality(Modality.OCT)
    explain.images.whole.setChecked(True)
    explain.classes.choose("EZ")
    ends(explain, explain.button.click)
    explain.images.this_slice.setChecked(True)
    outcome = ends(explain, explain.button.click)
    assert [layer.visible for layer in maps(viewer)] == [False, True]
    assert outcome.sentence.endswith("The earlier map is hidden.")
    if kept:
        explain.keep_button.click()
    explain.images.whole.setChecked(True)
    ends(explain, explain.button.click)
    assert [layer.visible for layer in maps(viewer)] == [False] * (1 + kept) + [True]


def test_a_map_of_another_image_stays_visible(viewer, explain, ends, scan, bscan):
    explain.classes.choose("INL")
    ends(explain, explain.button.click)
    viewer.add_image(bscan[::-1], name="other")
    explain.images.set_modality(Modality.OCT)
    outcome = ends(explain, explain.button.click)
    assert [layer.visible for layer in maps(viewer)] == [True, True]
    assert "hidden" not in outcome.sentence


def test_the_zoom_stays_when_the_number_of_axes_changes(viewer, explain, ends, scan):
    viewer.scene.camera.center, viewer.scene.camera.zoom = (0, 30, 40), 7
    before = viewer.scene.camera.center
    explain.classes.choose("INL")
    ends(explain, explain.button.click)
    for classes in (ALL, "OPL", ALL):
        ends(explain, lambda name=classes: explain.classes.choose(name))
        assert viewer.scene.camera.center == before
        assert viewer.scene.camera.zoom == 7


def test_panels_have_the_colours_and_the_scale_of_the_dock(explain, ends, scan, tmp_path):
    looks = [Look("turbo"), Look("cividis"), Look("cividis", shared=True)]
    for number, look in enumerate(looks):
        explain.looks.choose(look)
        assert (
            ends(explain, lambda at=number: explain.save(tmp_path / f"{at}.png")).end is End.ENDED
        )
    assert len({(tmp_path / f"{number}.png").read_bytes() for number in range(3)}) == 3


def test_a_region_is_asked_about_once_a_person_has_chosen_it(
    viewer, explain, dock, run, ends, masks, scan, qtbot
):
    dock.images.choose(scan)
    run(dock)
    ends(explain, explain.button.click)
    explain.targets.choose(REGION)
    qtbot.wait(100)
    assert not explain.is_running
    assert explain.targets.layer is None
    assert explain.status.text() == "Choose the layer with the region."
    ends(explain, lambda: explain.targets.choose(REGION, masks()[0]))


def test_the_only_layer_of_a_person_is_the_region(viewer, explain, scan):
    spot = viewer.add_labels(np.ones((96, 128), np.uint8), name="spot")
    assert explain.targets.layer == spot
    viewer.add_labels(np.ones((96, 128), np.uint8), name="other")
    assert explain.targets.layer is None


def test_long_names_of_regions_are_told_apart(viewer, explain, scan):
    names = [f"a long name of a long recording · tiny-oct · slice {number}" for number in (1, 2)]
    for name in names:
        viewer.add_labels(np.ones((96, 128), np.uint8), name=name)
    box = explain.targets._box
    assert [box.itemData(row, Qt.ItemDataRole.ToolTipRole) for row in range(2)] == names
    assert [box.itemText(row)[-8:] for row in range(2)] == [" slice 1", " slice 2"]
    assert len(box.itemText(0)) < len(names[0])
