import time

import numpy as np
import pytest
from scipy import ndimage

from napari_retina_seg.imaging.phantom import phantom_bscan, phantom_volume
from napari_retina_seg.imaging.surfaces import connect, from_labels, to_labels
from napari_retina_seg.types.errors import ImageError
from napari_retina_seg.types.image import Laterality, Modality, Origin
from napari_retina_seg.types.labels import OCT_LAYERS

GRIDS = [(496, 768), (496, 512), (256, 301), (64, 64), (1024, 200)]


def test_the_default_scan_is_what_a_spectralis_would_state():
    phantom = phantom_bscan()
    assert phantom.image.pixels.shape == (496, 768)
    assert phantom.image.pixels.dtype == np.uint8
    assert phantom.image.modality is Modality.OCT
    assert phantom.image.laterality is Laterality.RIGHT
    assert phantom.image.spacing.axial.um == pytest.approx(3.87, abs=0.01)
    assert phantom.image.spacing.lateral.um == 11.7
    assert phantom.image.spacing.lateral.origin is Origin.FILE
    assert phantom.image.spacing.slice.um is None
    assert "synthetic" in phantom.image.name
    assert phantom.image.source == "synthetic phantom, seed 0"


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("seed", [0, 1, 7])
def test_the_truth_is_ordered_and_complete_at_any_size(grid, seed):
    phantom = phantom_bscan(seed, *grid)
    assert phantom.heights.shape == (len(OCT_LAYERS.surfaces), grid[1])
    assert phantom.heights.dtype == np.float32
    assert (np.diff(phantom.heights, axis=0) >= 0.99).all()
    assert phantom.heights.min() >= 3
    assert phantom.heights.max() < grid[0] - 3
    np.testing.assert_array_equal(phantom.labels, to_labels(phantom.heights, grid[0]))
    np.testing.assert_allclose(from_labels(phantom.labels, 8), np.rint(phantom.heights))


def test_each_layer_is_one_band():
    phantom = phantom_bscan(3)
    for value in range(1, len(OCT_LAYERS)):
        _, pieces = ndimage.label(phantom.labels == value, np.ones((3, 3)))
        assert pieces == 1
    assert np.abs(connect(phantom.heights, 496) - phantom.heights).max() <= 1


def test_the_same_seed_gives_the_same_scan_and_another_one_another():
    first, again, other = phantom_bscan(4), phantom_bscan(4), phantom_bscan(5)
    np.testing.assert_array_equal(first.image.pixels, again.image.pixels)
    np.testing.assert_array_equal(first.heights, again.heights)
    assert (first.image.pixels != other.image.pixels).any()
    assert (first.heights != other.heights).any()


@pytest.mark.parametrize("seed", range(5))
def test_layers_are_as_bright_and_as_thick_as_real_ones(seed):
    phantom = phantom_bscan(seed)
    means = [phantom.image.pixels[phantom.labels == value].mean() for value in range(1, 8)]
    rnfl, gcl, inl, opl, onl, ez, rpe = means
    assert min(ez, rpe) > rnfl > gcl > opl > inl > onl
    above = np.arange(496)[:, np.newaxis] < phantom.heights[0] - 5
    assert phantom.image.pixels[above].mean() < 15
    thickness = phantom.heights[-1] - phantom.heights[0]
    assert 50 < thickness.min() < 65
    assert 80 < thickness.max() < 100


def test_the_inner_layers_give_way_in_the_pit():
    phantom = phantom_bscan()
    thickness = np.diff(phantom.heights, axis=0)
    pit = int(thickness.sum(axis=0).argmin())
    assert abs(pit - 384) < 20
    beside = thickness[:, pit + 90]
    assert (thickness[:4, pit] < beside[:4] / 2).all()
    assert thickness[4, pit] > beside[4]
    assert phantom.heights[0, pit] > phantom.heights[0, pit - 90] + 5
    assert phantom.heights[0, pit] > phantom.heights[0, pit + 90] + 5
    assert thickness[0, pit + 250] > thickness[0, pit - 250] + 3


def test_vessels_leave_shadows_below_the_nerve_fibres_but_not_in_the_pit():
    phantom = phantom_bscan()
    outer = np.isin(phantom.labels, (5, 6, 7))
    column = (phantom.image.pixels * outer).sum(axis=0) / outer.sum(axis=0)
    relative = column / ndimage.median_filter(column, 81, mode="nearest")
    assert (relative < 0.75).sum() >= 4
    pit = int((phantom.heights[-1] - phantom.heights[0]).argmin())
    assert relative[pit - 15 : pit + 15].min() > 0.85


def test_speckle_is_correlated_over_about_a_pixel():
    phantom = phantom_bscan()
    inside = ndimage.binary_erosion(phantom.labels == 2, iterations=3)
    pixels = phantom.image.pixels.astype(float)
    noise = np.where(inside, pixels - pixels[inside].mean(), 0)
    variance = (noise[inside] ** 2).mean()
    down = (noise[1:] * noise[:-1])[inside[1:] & inside[:-1]].mean() / variance
    far = (noise[5:] * noise[:-5])[inside[5:] & inside[:-5]].mean() / variance
    assert down > 0.5
    assert abs(far) < 0.35


def test_a_volume_has_its_pit_in_the_middle_and_changes_little_from_slice_to_slice():
    phantom = phantom_volume(slices=9, columns=256)
    assert phantom.image.pixels.shape == phantom.labels.shape == (9, 496, 256)
    assert phantom.heights.shape == (9, 8, 256)
    assert phantom.image.spacing.slice.um == 240
    thickness = phantom.heights[:, -1] - phantom.heights[:, 0]
    assert thickness.min(axis=1).argmin() == 4
    assert np.abs(np.diff(phantom.heights, axis=0)).max() < 20
    assert (phantom.image.pixels[3] != phantom.image.pixels[4]).any()
    for labels, heights in zip(phantom.labels, phantom.heights, strict=True):
        np.testing.assert_array_equal(labels, to_labels(heights, 496))


def test_one_slice_makes_a_volume_and_none_does_not():
    assert phantom_volume(slices=1, columns=64).image.is_volume
    with pytest.raises(ImageError, match="at least one slice: received 0"):
        phantom_volume(slices=0)


@pytest.mark.parametrize("grid", [(63, 200), (200, 63)])
def test_too_small_a_phantom_is_refused(grid):
    with pytest.raises(ImageError, match="at least 64 × 64 px"):
        phantom_bscan(0, *grid)


def test_a_slice_is_drawn_in_little_time():
    phantom_volume(slices=1)
    started = time.process_time()
    phantom_volume(slices=10)
    assert (time.process_time() - started) / 10 < 0.2
