"""Area and volume of drawn classes."""

import numpy as np
import pytest

from napari_retina_seg.measurement.lesions import measure_lesions
from napari_retina_seg.measurement.units import MeasureError
from napari_retina_seg.types.annotation import Annotation
from napari_retina_seg.types.image import Modality, Spacing
from napari_retina_seg.types.labels import OCT_LAYERS, OCT_LESIONS, LabelClass, LabelScheme

SCHEME = LabelScheme("drusen", (
    LabelClass(0, "Background", "BG", "#000000"),
    LabelClass(1, "Drusen", "Drusen", "#ff0000"),
    LabelClass(2, "Fluid", "Fluid", "#00ff00"),
))  # fmt: skip
SPACING = Spacing.from_um(axial=4, lateral=10, slice=100)


def drawn() -> Annotation:
    labels = np.zeros((3, 20, 30), np.uint8)
    labels[1, 5:10, 5:15] = 1
    ignore = np.zeros(labels.shape, bool)
    ignore[1, 5:10, 5:8] = True
    return Annotation(labels, ignore=ignore)


def test_ignored_pixels_do_not_count_and_are_stated():
    drusen, fluid = measure_lesions(drawn(), SCHEME, SPACING)
    assert (drusen.pixels, drusen.area_unit) == (35, "mm²")
    assert drusen.area == pytest.approx(35 * 40e-6)
    assert drusen.volume == pytest.approx(35 * 40e-6 * 0.1)
    assert drusen.ignored == pytest.approx(15 / 1800)
    # Somebody looked, and there was none.
    assert (fluid.pixels, fluid.area, fluid.volume) == (0, 0, 0)


@pytest.mark.parametrize(
    ("spacing", "modality", "unit", "has_volume"),
    [
        (Spacing(), Modality.OCT, "px²", False),
        (Spacing.from_um(axial=4, lateral=10), Modality.OCT, "mm²", False),
        (Spacing.from_um(axial=4, slice=100), Modality.OCT, "px²", False),
        (SPACING, Modality.FUNDUS, "mm²", False),  # a stack of photographs is no volume
        (SPACING, Modality.OCT, "mm²", True),
    ],
)
def test_no_size_is_made_of_pixels_that_are_not_known(spacing, modality, unit, has_volume):
    size = measure_lesions(drawn(), SCHEME, spacing, modality)[0]
    assert (size.area_unit, size.volume is not None) == (unit, has_volume)


def test_all_kinds_of_fluid_are_added_up():
    labels = np.zeros((4, 10), np.uint8)
    for row, name in enumerate(("IRC", "NSD", "SRF", "Drusen")):
        labels[row, : row + 2] = OCT_LESIONS.find(name).value
    sizes = {size.name: size.pixels for size in measure_lesions(Annotation(labels), OCT_LESIONS)}
    assert (sizes["Intraretinal cyst"], sizes["Fluid"], sizes["Drusen"]) == (2, 2 + 3 + 4, 5)
    assert list(sizes)[-1] == "Fluid"


def test_layers_and_masks_that_are_wholly_ignored_are_refused():
    with pytest.raises(MeasureError, match="has layers only"):
        measure_lesions(drawn(), OCT_LAYERS)
    mask = Annotation(np.zeros((4, 4), np.uint8), ignore=np.ones((4, 4), bool))
    with pytest.raises(MeasureError, match="is ignored"):
        measure_lesions(mask, SCHEME)
