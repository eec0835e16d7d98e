import shutil

import dask.array as da
import numpy as np
import pytest
from qtpy.QtCore import QPoint, QPointF, Qt, QTimer
from qtpy.QtGui import QWheelEvent
from qtpy.QtWidgets import QApplication, QComboBox

from choose import choose, choose_modality
from helpers import assert_same_mask
from napari_retina_seg._napari.engine_tasks import SegmentResult
from napari_retina_seg._napari.job import JobStatus
from napari_retina_seg._napari.layers import KEY, Position, retina_image
from napari_retina_seg._napari.results import ImagePart, add_layers
from napari_retina_seg._napari.tasks import is_idle
from napari_retina_seg._napari.widgets import AMBER
from napari_retina_seg.inference.predict import segment
from napari_retina_seg.models.limits import LIMITS_FILE, LimitsRecord, write_limits
from napari_retina_seg.models.registry import WEIGHTS_FILE, add_model, find_model
from napari_retina_seg.types.image import Modality
from napari_retina_seg.types.labels import OCT_LAYERS
from napari_retina_seg.types.segmentation import Provenance, Segmentation


def noisy(data):
    holes = data.astype(np.float32)
    holes[..., ::7] = np.nan
    return holes


# What is in a layer: how to make it from a B-scan, and options of the layer.
GREY = {
    "8 bit": (lambda scan: scan, {}),
    "16 bit": (lambda scan: scan.astype(np.uint16) * 257, {}),
    "float": (lambda scan: scan / 255, {}),
    "NaN": (noisy, {}),
    "odd size": (lambda scan: scan[:95, :117], {}),
    "dask": (lambda scan: da.from_array(scan, chunks=50), {}),
    "multiscale": (lambda scan: [scan, scan[::2, ::2]], {"multiscale": True}),
    "grey as RGB": (lambda scan: np.stack([scan] * 3, -1), {"rgb": True}),
    "scaled": (lambda scan: scan, {"scale": (3.87, 11.8), "units": ("um", "um")}),
    "moved": (lambda scan: scan, {"translate": (-20, 35)}),
    "rotated": (lambda scan: scan, {"rotate": 30, "shear": [0.2]}),
    "affine": (lambda scan: scan, {"affine": [[0, 2, 5], [1, 0, -3], [0, 0, 1]]}),
}


def test_a_bscan_becomes_a_mask_on_its_own_grid(viewer, dock, run, masks, bscan):
    for kind, (make, options) in GREY.items():  # in one window: to open it takes the longest
        image = viewer.add_image(make(bscan), name=kind, **options)
        choose_modality(dock.images, Modality.OCT)
        outcome = run(dock)
        assert outcome.status is JobStatus.SUCCEEDED, (kind, outcome.message)
        (mask,) = masks()
        assert mask.data.dtype == np.uint8
        assert mask.name == f"{kind} · tiny-oct"
        assert_same_mask(mask.data, segment(retina_image(image), "tiny-oct").labels)
        for corner in np.array([[0, 0], [0, 90], [90, 0], [90, 90]]):
            assert np.allclose(mask.data_to_world(corner), image.data_to_world(corner)), kind
        assert mask.units == image.units
        assert mask.axis_labels == image.axis_labels
        viewer.layers.clear()


@pytest.mark.parametrize("alpha", [False, True])
def test_a_photograph_becomes_a_mask(viewer, dock, run, masks, photograph, alpha):
    opaque = np.full((*photograph.shape[:2], 1), 255, np.uint8)
    pixels = np.concatenate([photograph, opaque], -1) if alpha else photograph
    viewer.add_image(pixels, rgb=True, name="eye")
    assert dock.images.modality is Modality.FUNDUS
    assert run(dock).status is JobStatus.SUCCEEDED
    (mask,) = masks()
    assert mask.data.shape == photograph.shape[:2]
    assert mask.name == "eye · tiny-fundus"


def test_the_layer_is_a_copy_and_the_prediction_is_kept(viewer, dock, run, masks, bscan):
    viewer.add_image(bscan)
    run(dock)
    (mask,) = masks()
    known = mask.metadata[KEY]
    before = known.prediction.copy()
    mask.data[:] = 3
    assert np.array_equal(known.prediction, before)
    assert known.boundaries.shape == (8, bscan.shape[1])
    assert known.provenance.model == "tiny-oct"
    assert known.scheme.name == "oct-layers"


def test_hovering_says_the_name_of_the_class(viewer, dock, run, masks, bscan):
    viewer.add_image(bscan)
    run(dock)
    (mask,) = masks()
    mask.data = np.full_like(mask.data, 3)
    said = mask.get_status((50, 50), world=True)
    assert "Inner nuclear layer (INL)" in " ".join(said.values())


def test_the_slice_shown_is_filled_into_a_volume(viewer, dock, run, masks, volume):
    viewer.add_image(volume, name="cube")
    choose_modality(dock.images, Modality.OCT)
    viewer.dims.set_point(0, 3)
    dock.images.this_slice.setChecked(True)
    run(dock)
    (mask,) = masks()
    assert mask.data.shape == volume.shape
    assert mask.data[3].any()
    assert not mask.data[[0, 1, 2, 4]].any()
    assert mask.metadata[KEY].index == 3
    assert mask.name == "cube · tiny-oct · slice 3"


def test_a_slice_that_is_not_on_the_screen_is_not_segmented(viewer, dock, masks, volume):
    short = viewer.add_image(volume[:2], name="short")
    choose_modality(dock.images, Modality.OCT)
    viewer.add_image(volume, name="long")
    viewer.layers.selection.active = short
    viewer.dims.set_point(0, 4)
    dock.images.this_slice.setChecked(True)
    dock.button.click()
    assert not dock.is_running
    assert dock.status.result is JobStatus.FAILED
    assert "No slice of 'short' is on the screen" in dock.status.text()
    assert not masks()


def test_selecting_a_mask_chooses_its_image(viewer, dock, run, masks, bscan, photograph):
    scan = viewer.add_image(bscan, name="scan")
    run(dock)
    viewer.add_image(photograph, rgb=True, name="eye")
    assert dock.images.layer.name == "eye"
    viewer.layers.selection.active = masks()[0]
    assert dock.images.layer == scan


def test_what_was_said_of_one_image_is_not_shown_for_another(viewer, dock, run, bscan, photograph):
    viewer.add_image(bscan, name="scan")
    run(dock)
    assert "'scan' segmented by tiny-oct in " in dock.status.text()
    viewer.add_image(photograph, rgb=True, name="eye")
    assert dock.status.text() == ""


def test_a_whole_volume(viewer, dock, run, masks, volume):
    viewer.add_image(volume, name="cube", scale=(240, 4, 12))
    choose_modality(dock.images, Modality.OCT)
    dock.images.whole.setChecked(True)
    run(dock)
    (mask,) = masks()
    assert mask.data.any(axis=(1, 2)).all()
    assert np.allclose(mask.scale, (240, 4, 12))
    assert mask.metadata[KEY].boundaries.shape == (5, 8, 128)
    assert "'cube', 5 slices segmented by tiny-oct in" in dock.status.text()


def test_of_leading_axes_the_volume_shown(viewer, dock, run, masks, volume):
    series = np.stack([volume, volume[:, ::-1], volume])
    image = viewer.add_image(series, name="series", scale=(2, 3, 1, 1))
    choose_modality(dock.images, Modality.OCT)
    viewer.dims.set_point(0, 2)
    dock.images.whole.setChecked(True)
    run(dock)
    (mask,) = masks()
    assert mask.data.shape == (1, *volume.shape)
    assert np.allclose(mask.data_to_world((0, 1, 2, 3)), image.data_to_world((1, 1, 2, 3)))


def test_running_again_adds_a_layer_beside(viewer, dock, run, masks, bscan):
    image = viewer.add_image(bscan, name="scan")
    run(dock)
    masks()[0].data[:] = 5
    viewer.layers.selection.active = image
    run(dock)
    assert [mask.name for mask in masks()] == ["scan · tiny-oct", "scan · tiny-oct [1]"]
    assert (masks()[0].data == 5).all()


def test_maps_lie_between_image_and_mask(viewer, dock, run, bscan):
    viewer.add_image(bscan, name="scan", translate=(5, 6))
    dock.probabilities.setChecked(True)
    dock.uncertainty.setChecked(True)
    run(dock)
    names = [layer.name for layer in viewer.layers]
    assert names == [
        "scan",
        "scan · tiny-oct · probabilities",
        "scan · tiny-oct · uncertainty",
        "scan · tiny-oct",
    ]
    probabilities, uncertainty = viewer.layers[1], viewer.layers[2]
    assert probabilities.data.shape == (8, *bscan.shape)
    assert np.allclose(probabilities.data.sum(axis=0), 1, atol=0.01)
    assert uncertainty.data.shape == bscan.shape
    assert 0 <= uncertainty.data.min() <= uncertainty.data.max() <= 1
    assert tuple(uncertainty.contrast_limits) == (0, 1)
    assert np.allclose(uncertainty.translate, (5, 6))
    assert np.allclose(probabilities.translate, (0, 5, 6))


def test_of_two_classes_one_map_is_added(viewer, dock, run, photograph):
    viewer.add_image(photograph, rgb=True, name="eye")
    dock.probabilities.setChecked(True)
    run(dock)
    assert viewer.layers["eye · tiny-fundus · probabilities"].data.shape == photograph.shape[:2]


def test_maps_of_one_slice_lie_on_the_volume(viewer, dock, run, volume):
    viewer.add_image(volume, name="cube")
    choose_modality(dock.images, Modality.OCT)
    viewer.dims.set_point(0, 1)
    dock.images.this_slice.setChecked(True)
    dock.probabilities.setChecked(True)
    run(dock)
    probabilities = viewer.layers["cube · tiny-oct · slice 1 · probabilities"]
    assert probabilities.data.shape == (8, 1, *volume.shape[1:])
    assert np.allclose(probabilities.data_to_world((3, 0, 4, 5)), (3, 1, 4, 5))


def test_blank_slices_are_skipped_and_named(viewer, dock, run, masks, volume):
    holed = volume.copy()
    holed[2] = 0
    viewer.add_image(holed, name="cube")
    choose_modality(dock.images, Modality.OCT)
    dock.images.whole.setChecked(True)
    assert run(dock).status is JobStatus.SUCCEEDED
    (mask,) = masks()
    assert not mask.data[2].any()
    assert mask.data[[0, 1, 3, 4]].any(axis=(1, 2)).all()
    assert "1 of 5 slices show nothing" in dock.status.text()


def test_only_images_are_offered(viewer, dock, run, bscan):
    viewer.add_labels(np.ones((8, 8), int), name="cells")
    viewer.add_points(np.zeros((1, 2)))
    assert dock.images.layer is None
    assert not dock.button.isEnabled()
    assert dock.button.toolTip() == "Open an image, or select an image layer."
    viewer.add_image(bscan, name="scan")
    dock.uncertainty.setChecked(True)
    run(dock)
    assert dock.images._box.count() == 1


def test_the_dock_follows_the_selected_image(viewer, dock, bscan, photograph):
    first = viewer.add_image(bscan, name="scan")
    second = viewer.add_image(photograph, rgb=True, name="eye")
    assert dock.images.layer == second
    assert dock.models.names == ["tiny-fundus"]
    viewer.layers.selection.active = first
    assert dock.images.layer == first
    assert dock.models.names == ["tiny-oct"]
    viewer.layers.remove(first)
    assert dock.images.layer == second


def test_a_renamed_layer_is_offered_by_its_new_name(viewer, dock, bscan):
    viewer.add_image(bscan, name="scan").name = "left eye"
    assert dock.images._box.currentText() == "left eye"


def test_an_unknown_kind_is_asked_for(viewer, dock, run):
    rng = np.random.default_rng(0)
    viewer.add_image(rng.integers(0, 255, (64, 64), np.uint8), name="fog")
    assert dock.images.modality is Modality.UNKNOWN
    assert "Is 'fog' an OCT scan or a fundus photograph?" in dock.images._question.text()
    assert not dock.button.isEnabled()
    choose_modality(dock.images, Modality.OCT)
    assert dock.images._question.isHidden()
    assert run(dock).status is JobStatus.SUCCEEDED


def test_a_single_image_has_no_slices_to_choose(viewer, dock, bscan, volume):
    viewer.add_image(bscan)
    assert not dock.images.whole.isEnabled()
    assert "single image" in dock.images.whole.toolTip()
    viewer.add_image(volume)
    assert dock.images.whole.isEnabled()


def failing(viewer, dock, run, pixels, modality, **options):
    viewer.add_image(pixels, name="bad", **options)
    choose_modality(dock.images, modality)
    outcome = run(dock)
    assert outcome.status is JobStatus.FAILED
    assert dock.status.result is JobStatus.FAILED
    assert dock.status.text().startswith("✖ Failed: ")
    assert outcome.message.endswith(".")
    assert "\n" not in outcome.message
    assert [layer.name for layer in viewer.layers] == ["bad"]
    return outcome.message


@pytest.mark.parametrize("modality", [Modality.OCT, Modality.FUNDUS])
def test_nothing_to_segment_is_a_sentence(viewer, dock, run, modality):
    for pixels, word in (
        (np.zeros((64, 64), np.uint8), "everywhere"),
        (np.full((64, 64), np.nan), "NaN"),
        (np.full((1, 1), 7, np.uint8), "1 × 1 px"),
    ):
        assert word in failing(viewer, dock, run, pixels, modality)
        viewer.layers.clear()


def test_colours_given_to_an_oct_model_are_a_sentence(viewer, dock, run, photograph):
    assert "colour" in failing(viewer, dock, run, photograph, Modality.OCT, rgb=True)


def test_an_altered_model_is_a_sentence(viewer, dock, run, qtbot, bscan, model_folders, tmp_path):
    folder = tmp_path / "mine"
    shutil.copytree(model_folders[0], folder)
    spec = (folder / "spec.json").read_text().replace('"tiny-oct"', '"mine"')
    (folder / "spec.json").write_text(spec)
    dock.models.add(folder)
    viewer.add_image(bscan, name="bad")
    choose(dock.models.box, "mine")
    qtbot.waitUntil(is_idle, timeout=60_000)
    with (folder / WEIGHTS_FILE).open("r+b") as file:
        file.truncate(1000)
    outcome = run(dock)
    assert outcome.status is JobStatus.FAILED
    assert "altered" in outcome.message


def test_a_folder_without_a_model_is_a_sentence(dock, tmp_path):
    dock.models.add(tmp_path)
    assert dock.status.result is JobStatus.FAILED
    assert f"'{tmp_path}' is not a model folder" in dock.status.text()


def test_a_model_that_is_added_is_offered_with_its_card(
    viewer, dock, bscan, model_folders, tmp_path
):
    folder = tmp_path / "mine"
    shutil.copytree(model_folders[0], folder)
    spec = (folder / "spec.json").read_text().replace('"tiny-oct"', '"mine"')
    (folder / "spec.json").write_text(spec)
    viewer.add_image(bscan)
    dock.models.add(folder)
    assert dock.models.model.name == "mine"
    assert "BSD-3-Clause" in dock.models._card.text()
    assert find_model("mine").path == folder


def test_cancelling_leaves_nothing_behind(viewer, dock, qtbot, bscan):
    viewer.add_image(np.stack([bscan] * 400), name="cube")
    choose_modality(dock.images, Modality.OCT)
    dock.images.whole.setChecked(True)
    with qtbot.waitSignal(dock.finished, timeout=60_000) as end:
        qtbot.mouseClick(dock.button, Qt.MouseButton.LeftButton)
        assert dock.is_running
        assert not dock.button.isEnabled()
        assert not dock.work.cancel_button.isHidden()
        qtbot.mouseClick(dock.work.cancel_button, Qt.MouseButton.LeftButton)
    assert end.args[0].status is JobStatus.CANCELLED
    assert dock.status.text().startswith("■ Cancelled")
    assert [layer.name for layer in viewer.layers] == ["cube"]
    assert dock.button.isEnabled()
    assert dock.work.cancel_button.isHidden()


def test_a_second_click_while_the_first_is_being_prepared_starts_nothing(
    viewer, dock, qtbot, masks, bscan
):
    """napari handles queued clicks while it shows a job's bar."""
    viewer.add_image(bscan, name="scan")
    clicked = []
    QTimer.singleShot(0, lambda: clicked.append(dock.segment()))
    with qtbot.waitSignal(dock.finished, timeout=60_000):
        dock.segment()
        qtbot.waitUntil(lambda: len(clicked) == 1)
    qtbot.waitUntil(is_idle, timeout=60_000)
    assert len(masks()) == 1


def test_an_image_that_is_removed_meanwhile_still_gets_its_mask(viewer, dock, qtbot, masks, volume):
    image = viewer.add_image(volume, name="cube", scale=(3, 1, 1))
    choose_modality(dock.images, Modality.OCT)
    dock.images.whole.setChecked(True)
    with qtbot.waitSignal(dock.finished, timeout=60_000) as end:
        dock.button.click()
        viewer.layers.remove(image)
    assert end.args[0].status is JobStatus.SUCCEEDED
    (mask,) = masks()
    assert np.allclose(mask.scale, (3, 1, 1))
    assert "'cube' was removed meanwhile" in dock.status.text()


def test_the_status_says_device_precision_and_seconds(viewer, dock, run, photograph):
    viewer.add_image(photograph, rgb=True)
    run(dock)
    assert dock.status.result is JobStatus.SUCCEEDED
    for word in ("✔ Done", " segmented by tiny-fundus in ", " s on the "):
        assert word in dock.status.text()


def test_the_seconds_are_those_that_a_person_waited(viewer, dock, bscan):
    target = ImagePart(viewer.add_image(bscan, name="scan"), Position(), True)
    made = Provenance("", "m", "", "1", "CPU", "float32", 3.8)
    labels = np.zeros(bscan.shape, np.uint8)
    drawn = Segmentation(labels, scheme=OCT_LAYERS, provenance=made)
    for waited, said in (
        (80.0, "80.0 s on the CPU (model loaded in 76.2 s)."),
        (4.1, "4.1 s on the CPU."),
    ):
        result = SegmentResult(JobStatus.SUCCEEDED, segmentation=drawn)
        assert add_layers(viewer, result, target, waited).message.endswith(
            f"segmented by m in {said}"
        )


def test_closing_the_dock_stops_the_work(viewer, qtbot, bscan):
    widget_dock, dock = viewer.window.add_plugin_dock_widget("napari-retina-seg", "Segment")
    viewer.add_image(np.stack([bscan] * 400), name="cube")
    choose_modality(dock.images, Modality.OCT)
    dock.images.whole.setChecked(True)
    dock.button.click()
    viewer.window.remove_dock_widget(widget_dock)
    qtbot.waitUntil(is_idle, timeout=60_000)
    viewer.add_image(bscan)
    assert [layer.name for layer in viewer.layers] == ["cube", "bscan"]


def test_closing_the_viewer_stops_the_work(make_napari_viewer, qtbot, bscan):
    viewer = make_napari_viewer()
    _, dock = viewer.window.add_plugin_dock_widget("napari-retina-seg", "Segment")
    viewer.add_image(np.stack([bscan] * 400), name="cube")
    choose_modality(dock.images, Modality.OCT)
    dock.images.whole.setChecked(True)
    ended = []
    dock.finished.connect(ended.append)
    dock.button.click()
    steps = []
    dock.work.progressed.connect(lambda step: steps.append(step.done))
    qtbot.waitUntil(lambda: bool(steps), timeout=60_000)
    viewer.close()
    qtbot.waitUntil(is_idle, timeout=60_000)
    assert max(steps) < 400
    assert not ended or ended[0].status is JobStatus.CANCELLED


def test_what_was_chosen_is_remembered(viewer, dock, run, bscan, model_folders, tmp_path):
    folder = tmp_path / "mine"
    shutil.copytree(model_folders[0], folder)
    spec = (folder / "spec.json").read_text().replace('"tiny-oct"', '"mine"')
    (folder / "spec.json").write_text(spec)
    add_model(folder)
    viewer.add_image(bscan)
    choose_modality(dock.images, Modality.OCT)
    choose(dock.models.box, "mine")
    dock.uncertainty.setChecked(True)
    viewer.window.remove_dock_widget("all")
    _, again = viewer.window.add_plugin_dock_widget("napari-retina-seg", "Segment")
    assert again.models.model.name == "mine"
    assert again.uncertainty.isChecked()
    assert not again.probabilities.isChecked()


def test_the_dock_fits_into_340_px(dock):
    assert dock.minimumSizeHint().width() <= 340
    assert dock.minimumWidth() <= 340


def test_this_slice_is_the_one_on_the_screen_however_the_axes_are_rolled(
    viewer, dock, run, masks, volume
):
    """Rolled, the screen shows a cut across the slices; transposed, still a slice."""
    viewer.add_image(volume, name="cube")
    viewer.dims.set_point(0, 3)
    assert dock.button.isEnabled()
    for _ in range(2):
        viewer.dims.roll()
        assert not dock.button.isEnabled()
        assert "a cut across the slices" in dock.button.toolTip()
        assert dock.button.toolTip() in dock.status.text()
        dock.segment()
        assert not dock.is_running
    dock.images.whole.setChecked(True)
    assert dock.button.isEnabled()
    dock.images.this_slice.setChecked(True)
    assert not dock.button.isEnabled()
    viewer.dims.roll()
    viewer.dims.transpose()
    assert tuple(viewer.dims.displayed) == (2, 1)
    run(dock)
    drawn = masks()[-1].data
    assert drawn[3].any()
    assert not drawn[[0, 1, 2, 4]].any()
    viewer.dims.ndisplay = 3
    assert not dock.button.isEnabled()
    assert "3D view shows all slices" in dock.button.toolTip()
    viewer.dims.ndisplay = 2
    assert dock.button.isEnabled()


def test_a_single_image_has_no_slice_to_be_on_the_screen(viewer, dock, bscan):
    viewer.add_image(bscan, name="scan")
    viewer.dims.transpose()
    assert dock.button.isEnabled()


@pytest.fixture
def doubting(model_folders):
    """Give the tiny model limits such that whatever it draws is doubtful."""
    model = find_model("tiny-oct")
    limits = {"uncertainty": (None, 0.0)}
    record = LimitsRecord(weights_sha256=model.spec.weights_sha256, images="none", limits=limits)
    write_limits(model, record)
    yield
    (model.path / LIMITS_FILE).unlink(missing_ok=True)


def test_a_doubtful_result_is_no_green_success(viewer, dock, run, masks, bscan, doubting):
    viewer.add_image(bscan, name="scan")
    choose_modality(dock.images, Modality.OCT)
    outcome = run(dock)
    assert (outcome.status, outcome.doubtful) == (JobStatus.SUCCEEDED, True)
    assert AMBER in dock.status.styleSheet()
    assert dock.status.text().startswith("⚠ Done, with a warning: This does not look like what")
    assert "unsure" in dock.status.text()
    (mask,) = masks()
    assert [check.name for check in mask.metadata[KEY].checks] == ["uncertainty"]


def test_the_warning_comes_back_with_its_mask_and_its_image(
    viewer, dock, run, masks, bscan, photograph, model_folders, doubting
):
    def is_warned():
        said = dock.status.text()
        assert ("This does not look like" in said) == (AMBER in dock.status.styleSheet())
        return "'scan · tiny-oct': This does not look like" in said and "unsure" in said

    def select(layer):
        viewer.layers.selection.active = layer

    scan = viewer.add_image(bscan, name="scan")
    choose_modality(dock.images, Modality.OCT)
    run(dock)
    (doubtful,) = masks()
    select(scan)
    assert "Done, with a warning" in dock.status.text()  # it stands, being about this image
    eye = viewer.add_image(photograph, rgb=True, name="eye")
    assert dock.status.text() == ""
    for layer in (doubtful, scan):
        select(layer)
        assert is_warned()
        select(eye)
        assert dock.status.text() == ""
    (model_folders[0] / LIMITS_FILE).unlink()
    select(scan)
    assert is_warned()
    viewer.dims.ndisplay = 3
    viewer.dims.ndisplay = 2
    assert is_warned()
    run(dock)
    fine = masks()[-1]
    assert "'scan' segmented by tiny-oct in " in dock.status.text()
    assert "This does not look like" not in dock.status.text()
    select(doubtful)
    assert is_warned()
    select(fine)
    assert dock.status.text() == ""
    select(scan)
    assert is_warned()
    viewer.layers.remove(doubtful)
    select(fine)
    select(scan)
    assert dock.status.text() == ""


def test_the_wheel_scrolls_and_changes_no_choice_that_has_no_focus(viewer, dock, qtbot, bscan):
    viewer.add_image(bscan, name="scan")
    boxes = [box for box in dock.findChildren(QComboBox) if box.count() > 1]
    assert boxes
    for box in boxes:
        before = box.currentIndex()
        for notch in (120, -120):
            middle = QPointF(box.rect().center())
            event = QWheelEvent(
                middle,
                QPointF(box.mapToGlobal(middle.toPoint())),
                QPoint(),
                QPoint(0, notch),
                Qt.MouseButton.NoButton,
                Qt.KeyboardModifier.NoModifier,
                Qt.ScrollPhase.NoScrollPhase,
                False,
            )
            QApplication.sendEvent(box, event)
        assert box.currentIndex() == before
        assert box.focusPolicy() == Qt.FocusPolicy.StrongFocus
