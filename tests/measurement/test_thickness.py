"""Thickness on phantoms whose thickness is known."""

import numpy as np
import pytest

from napari_retina_seg.imaging.phantom import phantom_bscan
from napari_retina_seg.imaging.surfaces import to_labels
from napari_retina_seg.measurement.bands import find_bands
from napari_retina_seg.measurement.thickness import boundary_sd, measure_thickness
from napari_retina_seg.measurement.units import MeasureError
from napari_retina_seg.types.annotation import Annotation
from napari_retina_seg.types.image import Spacing
from napari_retina_seg.types.labels import (
    DUKE_LAYERS,
    FUNDUS_VESSELS,
    OCT_LAYERS,
    OCTID_LAYERS,
    LabelScheme,
)

ROWS, COLUMNS = 96, 40
STEPS = np.array([10.25, 18.5, 25.0, 31.75, 38.0, 47.5, 55.0, 62.25], np.float32)
AXIAL = Spacing.from_um(axial=3.9)


def flat(**parts) -> Annotation:
    """Return a B-scan whose layers have the same thickness everywhere, with its lines."""
    heights = np.repeat(STEPS[:, None], COLUMNS, axis=1)
    return Annotation(**({"labels": to_labels(heights, ROWS), "boundaries": heights} | parts))


def mean(mask: Annotation, band: str, spacing: Spacing | None = None) -> float:
    found = measure_thickness(mask, OCT_LAYERS, spacing)
    return found.summary(found.index(band), 0).mean


@pytest.mark.parametrize(
    ("band", "upper", "lower"),
    [("RNFL", 0, 1), ("INL", 2, 3), ("RPE", 6, 7), ("GCC", 0, 2), ("ILM–IS/OS", 0, 5),
     ("ILM–RPE", 0, 6), ("ILM–BM", 0, 7)],
)  # fmt: skip
def test_every_layer_and_total_has_its_known_thickness(band, upper, lower):
    pixels = STEPS[lower] - STEPS[upper]
    assert mean(flat(), band) == pytest.approx(pixels, abs=1e-4)
    assert mean(flat(), band, AXIAL) == pytest.approx(3.9 * pixels, abs=1e-3)
    without_lines = mean(flat(boundaries=None), band)
    assert without_lines == round(STEPS[lower]) - round(STEPS[upper])


def test_thickness_is_in_micrometres_only_if_the_axial_size_is_known():
    assert measure_thickness(flat(), OCT_LAYERS, AXIAL).unit == "µm"
    lateral_only = Spacing.from_um(lateral=11.7, slice=120.0)
    for unknown in (None, Spacing(), lateral_only):
        assert measure_thickness(flat(), OCT_LAYERS, unknown).unit == "px"


def test_codes_are_those_of_dicom():
    codes = {band.abbreviation: band.code for band in find_bands(OCT_LAYERS)}
    assert codes["RNFL"] == "DCM:111925"
    assert codes["INL"] is None
    totals = ["GCC", "ILM–IS/OS", "ILM–RPE", "ILM–BM"]
    assert [codes[name] for name in totals] == [f"DCM:11192{digit}" for digit in (6, 7, 8, 9)]
    # Outer segments and RPE are one layer there: the upper edge of the RPE is not drawn.
    assert "ILM–RPE" not in [band.abbreviation for band in find_bands(DUKE_LAYERS)]
    octid = {band.abbreviation: band for band in find_bands(OCTID_LAYERS)}
    assert octid["ILM–BM"].between == "ILM to RPE-BM"
    assert not find_bands(FUNDUS_VESSELS)


def test_ignored_and_empty_columns_are_not_zero():
    ignore = np.zeros((ROWS, COLUMNS), bool)
    ignore[:, :5] = True
    ignore[28, 10] = True  # within INL: layers above it are still known
    mask = flat(ignore=ignore)
    found = measure_thickness(mask, OCT_LAYERS)
    inl, rnfl, total = (found.values[found.index(name), 0] for name in ("INL", "RNFL", "ILM–BM"))
    assert np.isnan(inl[:5]).all()
    assert np.isnan([inl[10], total[10]]).all()
    assert rnfl[10] == pytest.approx(8.25)
    assert found.summary(found.index("INL"), 0).measured == pytest.approx(34 / 40)
    assert "left out" in found.notes[0]
    blank = flat().labels.copy()
    blank[:, 3] = 0
    found = measure_thickness(Annotation(blank), OCT_LAYERS)
    assert np.isnan(found.values[:, 0, 3]).all()
    assert np.isfinite(found.values[:, 0, 4]).all()


@pytest.mark.parametrize("edit", ["gap", "order"])
def test_columns_whose_mask_is_no_stack_of_layers_are_left_out(edit):
    labels = flat().labels.copy()
    labels[28, 7] = 0 if edit == "gap" else 6
    found = measure_thickness(flat(labels=labels), OCT_LAYERS)
    assert np.isnan(found.values[:, 0, 7]).all()
    assert np.isfinite(found.values[:, 0, 8]).all()


def test_lines_that_do_not_draw_the_mask_are_not_measured():
    deeper = flat().boundaries.copy()
    deeper[1:, 5:9] += 4
    found = measure_thickness(flat(boundaries=deeper), OCT_LAYERS)
    assert found.values[0, 0, 6] == round(STEPS[1]) - round(STEPS[0])


def test_a_retina_cut_by_the_edge_has_no_total():
    heights = np.repeat((STEPS - 10.25)[:, None], COLUMNS, axis=1)
    found = measure_thickness(Annotation(to_labels(heights, ROWS), heights), OCT_LAYERS)
    assert np.isnan(found.values[found.index("ILM–BM")]).all()
    assert np.isfinite(found.values[found.index("INL")]).all()


def test_a_mask_of_one_class_measures_that_class_alone():
    labels = np.where(flat().labels == 1, 1, 0).astype(np.uint8)
    found = measure_thickness(Annotation(labels), OCT_LAYERS)
    measured = [band.abbreviation for k, band in enumerate(found.bands)
                if np.isfinite(found.values[k]).any()]  # fmt: skip
    assert measured == ["RNFL"]
    assert "INL, OPL, ONL, EZ, RPE are nowhere drawn" in found.notes[0]


def test_a_volume_is_measured_slice_by_slice():
    scan = phantom_bscan(rows=160, columns=64)
    thicker = scan.heights + np.linspace(0, 3, 8, dtype=np.float32)[:, None]
    heights = np.stack([scan.heights, thicker])
    labels = np.stack([to_labels(lines, 160) for lines in heights])
    found = measure_thickness(Annotation(labels, heights), OCT_LAYERS)
    expected = heights[:, 7] - heights[:, 0]
    np.testing.assert_allclose(found.values[found.index("ILM–BM")], expected, atol=1e-4)


@pytest.mark.parametrize(
    ("mask", "scheme", "message"),
    [
        (Annotation(np.zeros((8, 8), np.uint8)), OCT_LAYERS, "The mask is empty"),
        (Annotation(np.full((8, 8), 255, np.uint8)), OCT_LAYERS, "The mask is empty"),
        (Annotation(np.ones((8, 8), np.uint8)), FUNDUS_VESSELS, "has no surfaces"),
        (Annotation(np.full((8, 8), 9, np.uint8)), OCT_LAYERS, "holds the value 9"),
    ],
)
def test_what_cannot_be_measured_is_one_sentence(mask, scheme: LabelScheme, message):
    with pytest.raises(MeasureError, match=message):
        measure_thickness(mask, scheme)


def blurred(sigma: float) -> np.ndarray:
    """Return probabilities whose boundaries are normally distributed around the known ones."""
    from scipy.stats import norm

    rows = np.arange(ROWS)[:, None] + 0.5
    below = norm.cdf((rows - STEPS) / sigma)  # (rows, boundaries)
    layers = below[:, :-1] - below[:, 1:]
    background = 1 - layers.sum(axis=1, keepdims=True)
    stack = np.concatenate([background, layers], axis=1).T[:, :, None]
    return np.repeat(stack, COLUMNS, axis=2).astype(np.float16)


@pytest.mark.parametrize("sigma", [1.5, 2.5])
def test_the_spread_of_a_boundary_is_that_of_its_probabilities(sigma):
    spread = boundary_sd(blurred(sigma), flat().boundaries)
    np.testing.assert_allclose(spread, sigma, rtol=0.08)
    found = measure_thickness(flat(probabilities=blurred(sigma)), OCT_LAYERS, AXIAL)
    summary = found.summary(found.index("ILM–BM"), 0)
    assert summary.uncertainty == pytest.approx(3.9 * sigma * 2**0.5, rel=0.08)


def test_without_probabilities_there_is_no_uncertainty():
    found = measure_thickness(flat(), OCT_LAYERS)
    assert found.uncertainty is None
    assert np.isnan(found.summary(0, 0).uncertainty)
