"""Disease, an optic disc and other devices are drawn into image and mask alike."""

import numpy as np
import pytest

from napari_retina_seg.imaging.pathology import KINDS, apply
from napari_retina_seg.imaging.phantom import phantom_bscan
from napari_retina_seg.imaging.scan import EZ, RPE, Scan, shift_columns
from napari_retina_seg.types.annotation import IGNORE


@pytest.fixture(scope="module")
def healthy() -> Scan:
    phantom = phantom_bscan(4, 248, 256)
    return Scan.of(phantom.image.plane(), phantom.heights)


def changed(scan: Scan, kind: str, seed: int = 0) -> Scan:
    return apply(scan, [kind], np.random.default_rng(seed))


def thickness(scan: Scan) -> np.ndarray:
    return np.diff(scan.heights, axis=0)


@pytest.mark.parametrize("kind", KINDS)
def test_a_changed_scan_is_whole_and_its_layers_are_in_order(healthy, kind) -> None:
    for seed in range(2):
        scan = changed(healthy, kind, seed)
        assert scan.light.shape == scan.ignore.shape
        assert scan.heights.shape == (8, scan.light.shape[1])
        assert np.isfinite(scan.light).all()
        assert (np.nan_to_num(thickness(scan)) >= -1e-3).all()
        assert set(np.unique(scan.labels)) <= {*range(8), IGNORE}
        assert (scan.labels[scan.ignore] == IGNORE).all()
        assert not np.array_equal(scan.pixels, healthy.pixels)


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_seed_makes_the_same_scan(healthy, kind) -> None:
    first, second = changed(healthy, kind, 3), changed(healthy, kind, 3)
    np.testing.assert_array_equal(first.pixels, second.pixels)
    np.testing.assert_array_equal(first.labels, second.labels)


def test_shifted_columns_keep_image_and_mask_together(healthy) -> None:
    shift = np.full(256, 7, np.float32)
    scan = shift_columns(healthy, shift)
    np.testing.assert_array_equal(scan.pixels[7:], healthy.pixels[:-7])
    np.testing.assert_array_equal(scan.labels[7:], healthy.labels[:-7])


def test_drusen_lift_the_pigment_epithelium_off_bruchs_membrane(healthy) -> None:
    scan = changed(healthy, "drusen")
    lift = thickness(scan)[RPE] - thickness(healthy)[RPE]
    assert lift.max() > 3
    assert lift.min() > -0.01
    np.testing.assert_allclose(thickness(scan)[EZ], thickness(healthy)[EZ], atol=0.01)


def test_a_detachment_is_dark_and_belongs_to_the_photoreceptors(healthy) -> None:
    scan = changed(healthy, "detachment", 1)
    gap = thickness(scan)[EZ] - thickness(healthy)[EZ]
    column = int(gap.argmax())
    middle = int(scan.heights[RPE, column] - gap[column] / 2)
    assert gap[column] > 7
    assert scan.labels[middle, column] == EZ + 1
    assert scan.light[middle, column] < 60
    np.testing.assert_allclose(thickness(scan)[RPE], thickness(healthy)[RPE], atol=0.01)


def test_layers_go_on_through_cysts(healthy) -> None:
    scan = changed(healthy, "cysts", 2)
    assert not np.isnan(scan.heights).any()
    assert (thickness(scan) - thickness(healthy)).max() > 2


def test_there_are_no_layers_in_a_disc(healthy) -> None:
    scan = changed(healthy, "disc", 5)
    inside = np.isnan(scan.heights[0])
    assert 20 < inside.sum() < 200
    assert not scan.labels[:, inside].any()
    assert (scan.labels[:, ~inside] > 0).any(axis=0).all()


def test_nothing_is_known_in_margins(healthy) -> None:
    scan = changed(healthy, "margins", 1)
    assert 0.01 < scan.ignore.mean() < 0.4
    assert set(np.unique(scan.light[scan.ignore])) <= {0.0, 255.0}
