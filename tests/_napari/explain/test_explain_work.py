import gc
import weakref

import dask.array as da
import numpy as np
import pytest

from choose import choose, choose_layer, choose_modality
from helpers import answer
from napari_retina_seg._napari.explain.pickers import ALL
from napari_retina_seg._napari.explain.saliency_layers import saliency_of
from napari_retina_seg._napari.job import JobStatus
from napari_retina_seg._napari.layers import retina_image
from napari_retina_seg._napari.tasks import is_idle
from napari_retina_seg.imaging.explanation import ExplainRequest
from napari_retina_seg.models.registry import WEIGHTS_FILE
from napari_retina_seg.types.image import Modality


def test_the_latest_choice_wins(explain, ends, scan, qtbot, maps):
    choose(explain.classes.box, "INL")
    ended = []
    explain.finished.connect(ended.append)
    explain.explain()
    for name in ("OPL", "GCL+IPL", "EZ"):
        choose(explain.classes.box, name)
        explain.explain()
    qtbot.waitUntil(lambda: not explain.is_running, timeout=120_000)
    assert [outcome.status for outcome in ended] == [JobStatus.SUCCEEDED]
    assert [layer.name for layer in maps()] == ["scan · tiny-oct · Grad-CAM EZ, bottleneck"]


@pytest.mark.parametrize("lazy", [False, True])
def test_a_whole_volume(viewer, explain, ends, volume, lazy, maps):
    pixels = da.from_array(volume, chunks=(1, 50, 50)) if lazy else volume
    image = viewer.add_image(pixels, name="cube", scale=(240, 4, 12))
    choose_modality(explain.images, Modality.OCT)
    explain.images.whole.setChecked(True)
    choose(explain.classes.box, "EZ")
    assert ends(explain, explain.button.click).status is JobStatus.SUCCEEDED
    (layer,) = maps()
    assert layer.name == "cube · tiny-oct · Grad-CAM EZ, bottleneck"
    assert layer.data.shape == volume.shape
    assert np.allclose(layer.data_to_world((2, 5, 6)), image.data_to_world((2, 5, 6)))
    raw = np.stack(
        [
            answer(retina_image(image), "tiny-oct", ExplainRequest((6,)), index=index).maps[0]
            for index in range(5)
        ]
    )
    assert np.allclose(layer.data, raw / raw.max(), atol=1e-5)


def test_all_classes_of_a_volume(viewer, explain, ends, volume, maps):
    viewer.add_image(volume, name="cube")
    choose_modality(explain.images, Modality.OCT)
    explain.images.whole.setChecked(True)
    choose(explain.classes.box, ALL)
    ends(explain, explain.button.click)
    (layer,) = maps()
    assert layer.data.shape == (8, *volume.shape)
    assert layer.data.max() == pytest.approx(1)


def test_cancelling_a_volume_leaves_nothing(viewer, explain, ends, bscan, qtbot, maps):
    viewer.add_image(np.stack([bscan] * 300), name="cube")
    choose_modality(explain.images, Modality.OCT)
    explain.images.whole.setChecked(True)
    choose(explain.classes.box, "EZ")

    def start_and_cancel():
        explain.button.click()
        qtbot.waitUntil(lambda: bool(maps()), timeout=120_000)
        assert not explain.button.isEnabled()
        explain.work.cancel_button.click()

    assert ends(explain, start_and_cancel).status is JobStatus.CANCELLED
    assert explain.status.text().startswith("■ Cancelled")
    assert [layer.name for layer in viewer.layers] == ["cube"]
    assert explain.button.isEnabled()


def test_nothing_open_greys_everything_out_with_a_reason(explain):
    for button in (explain.button, explain.save_button):
        assert not button.isEnabled()
        assert button.toolTip() == "Open an image, or select an image layer."
    assert explain.status.text() == "Open an image, or select an image layer."


@pytest.mark.parametrize("pixels", [np.zeros((64, 64), np.uint8), np.full((64, 64), np.nan)])
def test_what_can_not_be_explained_is_a_sentence(viewer, explain, ends, pixels):
    viewer.add_image(pixels, name="bad")
    choose_modality(explain.images, Modality.OCT)
    outcome = ends(explain, explain.button.click)
    assert outcome.status is JobStatus.FAILED
    assert outcome.message.endswith(".")
    assert [layer.name for layer in viewer.layers] == ["bad"]


def test_an_image_that_is_too_small_for_the_layer(viewer, explain, ends, bscan, qtbot, maps):
    viewer.add_image(bscan[40:42, 40:42], name="bad")
    choose_modality(explain.images, Modality.OCT)
    qtbot.waitUntil(lambda: bool(explain.layers.names), timeout=60_000)
    choose_layer(explain.layers, "bottleneck")
    outcome = ends(explain, explain.button.click)
    assert outcome.status is JobStatus.FAILED
    assert not maps()


def test_an_image_that_is_removed_meanwhile_gets_no_map(viewer, explain, ends, scan):
    def start_and_remove():
        explain.button.click()
        viewer.layers.remove(scan)

    assert ends(explain, start_and_remove).status is JobStatus.CANCELLED
    assert len(viewer.layers) == 0


def test_an_altered_model_is_a_sentence(explain, ends, scan, model_folders, qtbot):
    weights = model_folders[0] / WEIGHTS_FILE
    qtbot.waitUntil(is_idle, timeout=60_000)
    content = weights.read_bytes()
    weights.write_bytes(content[:1000])
    try:
        assert "altered" in ends(explain, explain.button.click).message
    finally:
        weights.write_bytes(content)


def test_closing_the_dock_stops_the_work_and_the_listening(viewer, qtbot, bscan, maps):
    before = list(viewer.mouse_drag_callbacks)
    frame, dock = viewer.window.add_plugin_dock_widget("napari-retina-seg", "Explain")
    image = viewer.add_image(np.stack([bscan] * 300), name="cube")
    choose_modality(dock.images, Modality.OCT)
    dock.images.whole.setChecked(True)
    choose(dock.classes.box, "EZ")
    dock.button.click()
    qtbot.waitUntil(lambda: bool(maps()), timeout=120_000)
    viewer.window.remove_dock_widget(frame)
    qtbot.waitUntil(is_idle, timeout=60_000)
    assert list(viewer.layers) == [image]
    assert list(viewer.mouse_drag_callbacks) == before
    viewer.dims.set_point(0, 4)


def test_both_docks_stand_in_one_place(make_napari_viewer, qtbot):
    viewer = make_napari_viewer(show=True)
    first, _ = viewer.window.add_plugin_dock_widget("napari-retina-seg", "Segment")
    second, _ = viewer.window.add_plugin_dock_widget("napari-retina-seg", "Explain")
    qtbot.waitUntil(lambda: second.window().tabifiedDockWidgets(first) == [second])


def test_closing_the_viewer_stops_the_work(make_napari_viewer, qtbot, bscan):
    viewer = make_napari_viewer()
    _, dock = viewer.window.add_plugin_dock_widget("napari-retina-seg", "Explain")
    viewer.add_image(np.stack([bscan] * 300), name="cube")
    choose_modality(dock.images, Modality.OCT)
    dock.images.whole.setChecked(True)
    choose(dock.classes.box, "EZ")
    dock.button.click()
    qtbot.waitUntil(lambda: saliency_of(viewer.layers[-1]) is not None, timeout=60_000)
    viewer.close()
    qtbot.waitUntil(is_idle, timeout=60_000)


@pytest.mark.parametrize("whole", [False, True])
def test_a_map_that_napari_refuses_is_one_sentence(viewer, explain, ends, volume, whole):
    viewer.add_image(volume, name="cube")
    choose_modality(explain.images, Modality.OCT)
    explain.images.whole.setChecked(whole)
    choose(explain.classes.box, "EZ")
    refusals = []

    def refuse(event):
        refusals.append(event)
        raise ValueError("The texture is too large.")

    viewer.layers.events.inserted.connect(refuse)
    outcome = ends(explain, explain.button.click)
    assert outcome.status is JobStatus.FAILED
    assert "The texture is too large. Close other layers." in outcome.message
    assert len(refusals) == 1
    assert [layer.name for layer in viewer.layers] == ["cube"]


def test_a_whole_volume_is_explained_only_on_request(viewer, explain, ends, volume, qtbot, maps):
    viewer.add_image(volume, name="cube")
    choose_modality(explain.images, Modality.OCT)
    choose(explain.classes.box, "EZ")
    ends(explain, explain.button.click)
    choose(explain.classes.box, "INL")
    explain.images.whole.setChecked(True)
    qtbot.waitUntil(lambda: not explain._soon.isActive())
    assert not explain.is_running
    assert len(maps()) == 1
    assert maps()[0].data.shape == (1, *volume.shape[1:])


def test_a_growing_map_that_is_removed_ends_the_work(viewer, explain, ends, bscan, qtbot, maps):
    viewer.add_image(np.stack([bscan] * 300), name="cube")
    choose_modality(explain.images, Modality.OCT)
    explain.images.whole.setChecked(True)
    choose(explain.classes.box, "EZ")

    def start_and_remove():
        explain.button.click()
        qtbot.waitUntil(lambda: bool(maps()), timeout=120_000)
        viewer.layers.remove(maps()[0])

    assert ends(explain, start_and_remove).status is JobStatus.CANCELLED
    assert [layer.name for layer in viewer.layers] == ["cube"]


def test_what_was_computed_of_an_image_goes_with_it(viewer, explain, ends, scan):
    choose(explain.classes.box, ALL)
    ends(explain, explain.button.click)
    kept = weakref.ref(explain.choices._last)
    viewer.layers.remove(scan)
    gc.collect()
    assert kept() is None


@pytest.mark.parametrize("kept", [False, True])
def test_the_map_of_a_whole_volume_is_alone(viewer, explain, ends, volume, kept, maps):
    viewer.add_image(volume, name="cube")
    choose_modality(explain.images, Modality.OCT)
    explain.images.whole.setChecked(True)
    choose(explain.classes.box, "EZ")
    ends(explain, explain.button.click)
    explain.images.this_slice.setChecked(True)
    outcome = ends(explain, explain.button.click)
    assert [layer.visible for layer in maps()] == [False, True]
    assert outcome.message.endswith("The earlier map is hidden.")
    if kept:
        explain.keep_button.click()
    explain.images.whole.setChecked(True)
    ends(explain, explain.button.click)
    assert [layer.visible for layer in maps()] == [False] * (1 + kept) + [True]
