"""What a measurement is given: a snapshot of the mask, its origin, and the marks of its image."""

from dataclasses import replace

import numpy as np
import pytest
from napari.layers import Labels, Layer

from napari_retina_seg._napari.correct.between_scans import human_scans
from napari_retina_seg._napari.correct.mask_lines import MaskLines
from napari_retina_seg._napari.layers import KEY, Position, image_fields, image_layers
from napari_retina_seg._napari.masks.linked_layers import show_questionable
from napari_retina_seg._napari.measure.job import make_other_task, make_task, measure
from napari_retina_seg._napari.measure.mark_tool import MarkTool
from napari_retina_seg._napari.measure.marks import marks_of
from napari_retina_seg._napari.results import (
    ImagePart,
    MapInfo,
    MaskInfo,
    mask_layer,
    mask_options,
)
from napari_retina_seg.imaging.phantom import phantom_volume
from napari_retina_seg.types.image import Spacing
from napari_retina_seg.types.labels import FUNDUS_VESSELS, OCT_LAYERS, OCT_LESIONS
from napari_retina_seg.types.patient import patient_token
from napari_retina_seg.types.progress import CancelToken, finish
from napari_retina_seg.types.segmentation import Provenance, Segmentation
from napari_retina_seg.workflows.measured import Marks
from napari_retina_seg.workflows.measuring import MeasureOptions

VOLUME = phantom_volume(slices=3, rows=64, columns=64)
MADE = Provenance("", "tiny", "0", "scan", "CPU", "float32", 0.1)


@pytest.fixture
def mask(windowless):
    """Return the mask of a volume as a model drew it, with its probabilities."""
    image = windowless.add_layer(Layer.create(*image_layers(VOLUME.image)[0]))
    drawn = VOLUME.labels.copy()
    drawn.flags.writeable = False
    info = MaskInfo(scheme=OCT_LAYERS, provenance=MADE, prediction=drawn, boundaries=VOLUME.heights,
                    predicted_boundaries=VOLUME.heights, **image_fields(image))  # fmt: skip
    shares = np.full((len(OCT_LAYERS), *drawn.shape), 0.125, np.float16)
    known = MapInfo(image.name, MADE, "probabilities")
    windowless.add_image(shares, metadata={KEY: known}, visible=False)
    return windowless.add_layer(
        Labels(drawn.copy(), name="mask", scale=image.scale, units=image.units,
               **mask_options(info))
    )  # fmt: skip


def task_of(viewer, mask, image=None):
    return make_task(viewer, mask, image, MeasureOptions())


def test_a_line_moved_by_less_than_a_pixel_is_no_longer_the_model_s(windowless, mask):
    task = task_of(windowless, mask)
    assert task.origin == "model"
    assert task.annotation().probabilities is not None
    lines, nearest = MaskLines(mask), np.rint(VOLUME.heights[1])
    down = np.where(np.abs(VOLUME.heights[1] - nearest) < 0.3, np.float32(0.1), 0)
    lines.edit((1,), lambda heights: heights + down)
    np.testing.assert_array_equal(mask.data, VOLUME.labels)
    task = task_of(windowless, mask)
    assert task.origin == "model, corrected by hand"
    assert task.annotation().probabilities is None
    np.testing.assert_array_equal(human_scans(mask), [False, True, False])
    lines.edit((1,), lambda _: VOLUME.heights[1])  # and back
    assert task_of(windowless, mask).origin == "model"


def test_what_a_model_s_card_warns_of_is_said_beside_the_measurements(windowless):
    picture = replace(VOLUME.image, pixels=VOLUME.image.pixels[1], spacing=Spacing())
    image = windowless.add_layer(Layer.create(*image_layers(picture)[0]))
    warning = "Not segmented for lack of examples: 'SRF'."
    drawn = Segmentation(np.ones((64, 64), np.uint8), scheme=OCT_LESIONS, provenance=MADE,
                         model_warnings=(warning,))  # fmt: skip
    mask = windowless.add_layer(mask_layer(drawn, ImagePart(image, Position(), True)))
    result = finish(measure(task_of(windowless, mask, image), None, CancelToken()), None)
    assert result.found.warnings[0] == warning
    assert (warning in result.message, result.doubtful) == (True, True)


def test_a_slice_that_a_model_drew_is_the_model_s(windowless, mask):
    alone = np.zeros_like(mask.data)
    alone[1] = VOLUME.labels[1]
    mask.data = alone
    mask.metadata[KEY] = replace(
        mask.metadata[KEY], index=1, prediction=VOLUME.labels[1],
        boundaries=VOLUME.heights[1], predicted_boundaries=VOLUME.heights[1],
    )  # fmt: skip
    assert task_of(windowless, mask).origin == "model"
    mask.data[0, 3, 3] = 1
    assert task_of(windowless, mask).origin == "model, corrected by hand"


def test_what_is_edited_meanwhile_is_not_measured(windowless, mask):
    region = np.zeros(mask.data.shape, bool)
    region[0, 2:4] = True
    marks = show_questionable(windowless, mask, region)
    task = task_of(windowless, mask)
    mask.data[:] = 0
    marks.data[:] = 0
    found = task.annotation()
    np.testing.assert_array_equal(found.labels, VOLUME.labels)
    np.testing.assert_array_equal(found.ignore, region)
    assert task.origin == "model"


def test_that_files_state_different_patients_is_a_doubt(windowless):
    pair = []
    for name in ("now", "earlier"):
        picture = replace(VOLUME.image, name=name, patient=patient_token(name))
        image = windowless.add_layer(Layer.create(*image_layers(picture)[0]))
        info = MaskInfo(scheme=OCT_LAYERS, boundaries=VOLUME.heights, **image_fields(image))
        mask = windowless.add_layer(Labels(VOLUME.labels.copy(), **mask_options(info)))
        marks_of(image).set(Marks(fovea=(1.0, 32.0)))
        pair.append(make_other_task(windowless, mask, "follow-up", None))
    result = finish(measure(pair[0], (pair[1], "follow-up"), CancelToken()), None)
    assert "The files state different patients: make sure that 'now' and 'ear" in result.message
    assert result.doubtful


def test_marks_belong_to_one_volume_of_a_series(windowless):
    image = windowless.add_image(np.zeros((2, 3, 64, 64)), name="visits")
    tool, drawn = MarkTool(windowless), []
    for visit in range(2):
        info = MaskInfo(scheme=OCT_LAYERS, **image_fields(image))
        labels = VOLUME.labels[np.newaxis].copy()
        drawn.append(Labels(labels, translate=(visit, 0, 0, 0), **mask_options(info)))
        windowless.add_layer(drawn[-1])
    tool.show_mask(drawn[0], image)
    tool.history.set(Marks(fovea=(1.0, 5.0)))
    tool.show_mask(drawn[1], image)
    assert tool.history.now == Marks()
    windowless.dims.set_current_step(0, 0)  # the other visit is on the screen
    assert tool.history is marks_of(image, (1,))
    tool.cleanup()


def test_marks_belong_to_one_photograph_of_a_stack(windowless):
    image = windowless.add_image(np.full((2, 60, 60, 3), 150, np.uint8), rgb=True, name="eyes")
    labels = np.zeros((2, 60, 60), np.uint8)
    labels[:, 30] = 1
    info = MaskInfo(scheme=FUNDUS_VESSELS, **image_fields(image))
    mask = windowless.add_layer(Labels(labels, name="mask", **mask_options(info)))
    windowless.dims.set_current_step(0, 0)
    tool, heard = MarkTool(windowless), []
    tool.changed.connect(lambda: heard.append(tool.history.now))
    tool.show_mask(mask, image)
    tool.history.set(Marks(disc=(20.0, 20.0, 10.0)))
    tool.redraw()
    assert len(windowless.layers["mask · marks"].data) == 1
    windowless.dims.set_current_step(0, 1)
    assert heard == [Marks()]
    assert not len(windowless.layers["mask · marks"].data)
    assert tool.by_slice() == {0: Marks(disc=(20.0, 20.0, 10.0)), 1: Marks()}
    tool.cleanup()
