"""Pixels that hold no data: found, filled and left out, and saturation is none of them."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from napari_retina_seg.imaging.invalid_pixels import (
    combine_valid,
    fill_invalid,
    find_invalid,
    valid_range,
)
from napari_retina_seg.imaging.phantom import phantom_bscan
from napari_retina_seg.types.image import Modality, RetinaImage

FLT_MAX = float(np.finfo(np.float32).max)


def scan(dtype: type = np.uint8) -> np.ndarray:
    """Return a B-scan of 8 bits in which a few pixels are saturated and the darkest are 1."""
    grey = np.asarray(phantom_bscan(rows=200, columns=300).image.pixels).astype(np.float32)
    grey = 1 + 254 * (grey - grey.min()) / (np.percentile(grey, 99.5) - grey.min())
    levels = np.clip(np.rint(grey), 1, 255)
    return levels.astype(dtype)


MARKERS = [
    (np.float32, np.nan),
    (np.float32, np.inf),
    (np.float32, -np.inf),
    (np.float32, FLT_MAX),
    (np.float32, -FLT_MAX),
    (np.float64, 1e300),
    (np.float32, 1e20),
    (np.float32, -9999),
    (np.float32, -1),
    (np.float16, np.nan),
    (np.int16, -9999),
    (np.int16, -32768),
    (np.int16, 32767),
    (np.int16, -1),
    (np.int32, -9999),
    (np.int32, 2**31 - 1),
    (np.uint16, 65535),
    (np.uint16, 63536),
    (np.uint16, 4095),
    (np.uint32, 2**32 - 1),
]


@pytest.mark.parametrize(("dtype", "marker"), MARKERS, ids=str)
@pytest.mark.parametrize("is_bscan", [True, False])
@pytest.mark.parametrize("area", [np.s_[:, :40], np.s_[:, 7:9], np.s_[150:190, 10:110]])
def test_markers_are_found_by_the_pixels_alone(dtype, marker, area, is_bscan) -> None:
    plane, expected = scan(dtype), np.zeros((200, 300), bool)
    plane[area], expected[area] = marker, True

    invalid = find_invalid(plane, is_bscan=is_bscan)

    np.testing.assert_array_equal(invalid, expected)


def test_several_markers_are_found_together() -> None:
    plane = scan(np.float32)
    plane[:, :5], plane[:, 5:10], plane[:, 10:12], plane[:20, 40:60] = np.nan, FLT_MAX, -9999, 65535

    invalid = find_invalid(plane)

    assert invalid is not None
    assert invalid.sum() == 12 * 200 + 400
    assert invalid[:, :12].all()
    assert invalid[:20, 40:60].all()


def saturated() -> np.ndarray:
    return np.minimum(scan(np.uint16) * 2, 255).astype(np.uint8)


def twelve_bits_saturated() -> np.ndarray:
    return np.minimum(scan(np.uint16) * np.uint16(32), 4095)


def one_hot_pixel() -> np.ndarray:
    plane = scan(np.uint16)
    plane[60, 60] = 65535
    return plane


def signed_values() -> np.ndarray:
    return (scan(np.float32) - 128).round()


def binary() -> np.ndarray:
    plane = np.zeros((64, 64), np.uint8)
    plane[20:40, 20:40] = 255
    return plane


def wide_range() -> np.ndarray:
    # raw reflectivity spans many powers of ten, and its brightest pixels lie far apart
    return np.random.default_rng(0).exponential(1, (200, 300)).astype(np.float32) ** 6


@pytest.mark.parametrize(
    "make",
    [scan, saturated, twelve_bits_saturated, one_hot_pixel, signed_values, binary, wide_range],
)
@pytest.mark.parametrize("is_bscan", [True, False])
def test_saturation_and_wide_ranges_are_data(make, is_bscan) -> None:
    assert find_invalid(make(), is_bscan=is_bscan) is None


def test_the_black_surround_of_a_photograph_is_data_and_that_of_a_scan_is_not() -> None:
    plane = np.clip(scan(np.uint8), 60, 255)
    plane[:, :30] = 0

    assert find_invalid(plane) is None
    np.testing.assert_array_equal(
        find_invalid(plane, is_bscan=True).all(axis=0), [True] * 30 + [False] * 270
    )


@pytest.mark.parametrize("threshold", [25, 40, 60, 90])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_a_background_that_was_cut_off_at_a_threshold_is_data(threshold, dtype) -> None:
    plane = scan(dtype)
    plane[plane < threshold] = 0

    assert find_invalid(plane, is_bscan=True) is None


def test_a_wedge_of_zeros_beside_a_turned_scan_holds_no_data() -> None:
    plane = np.clip(scan(np.uint16), 60, 255)
    wedge = np.add.outer(np.arange(200), np.arange(300)) < 80
    plane[wedge] = 0

    np.testing.assert_array_equal(find_invalid(plane, is_bscan=True), wedge)


@pytest.mark.parametrize("value", [0, 128, 255])
def test_columns_of_one_value_hold_no_data_in_a_scan(value) -> None:
    plane = scan()
    plane[:, -25:] = value

    invalid = find_invalid(plane, is_bscan=True)

    assert invalid is not None
    assert invalid[:, -25:].all()
    assert not invalid[:, :-34].any()


@pytest.mark.parametrize("area", [np.s_[:30], np.s_[-30:], np.s_[185:190, 20:120]], ids=str)
def test_white_margins_and_bars_are_found_in_a_scan(area) -> None:
    plane, marked = scan(), np.zeros((200, 300), bool)
    plane[area], marked[area] = 255, True

    invalid = find_invalid(plane, is_bscan=True)

    assert invalid is not None
    assert invalid[marked].all()
    assert invalid[~marked].mean() < 0.01


def test_a_white_wedge_is_found_with_what_compression_left_of_its_edge() -> None:
    plane = scan()
    wedge = np.add.outer(np.arange(200), np.arange(300)) < 80
    plane[wedge] = 255
    noise = np.random.default_rng(0).integers(0, 6, wedge.sum())
    near = np.flatnonzero(wedge)
    rows, columns = np.unravel_index(near, wedge.shape)
    edge = rows + columns > 76
    plane.ravel()[near[edge]] = 255 - noise[edge]

    invalid = find_invalid(plane, is_bscan=True)

    assert invalid is not None
    assert invalid[wedge].mean() > 0.99


def compressed(plane: np.ndarray, quality: int) -> np.ndarray:
    encoded = cv2.imencode(".jpg", plane, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return cv2.imdecode(encoded, cv2.IMREAD_GRAYSCALE)


DOWN, ACROSS = np.mgrid[:200, :300]
DRAWN = {
    "two columns at the right": ACROSS >= 298,
    "three columns at the left": ACROSS < 3,
    "five columns at the right": ACROSS >= 295,
    "a sloping line at the right": ACROSS >= 296 - DOWN // 50,
    "a wedge at the bottom": DOWN - ACROSS / 40 > 192,
    "a wedge in a corner": DOWN + ACROSS < 60,
    "a curved margin": DOWN + (ACROSS - 150) ** 2 / 2000 < 9,
    "a bar within": (abs(DOWN - 185) < 4) & (abs(ACROSS - 70) < 50),
}


@pytest.mark.parametrize("quality", [60, 75, 95])
@pytest.mark.parametrize("drawn", DRAWN.values(), ids=DRAWN.keys())
def test_what_is_drawn_in_white_is_found_after_lossy_compression(drawn, quality) -> None:
    plane = compressed(np.where(drawn, 255, scan() // 2).astype(np.uint8), quality)

    invalid = find_invalid(plane, is_bscan=True)

    assert invalid is not None
    assert invalid[drawn].mean() > 0.95
    assert invalid[~drawn].mean() < 0.005


@pytest.mark.parametrize("quality", [60, 75, 95])
@pytest.mark.parametrize("gain", [1, 1.5, 2, 3])
def test_saturated_tissue_is_data_after_lossy_compression(gain, quality) -> None:
    plane = np.clip(gain * scan(np.float32), 0, 255).astype(np.uint8)

    assert find_invalid(compressed(plane, quality), is_bscan=True) is None


@pytest.mark.parametrize("marker", [np.nan, -9999.0, 65535.0])
def test_coloured_pixels_are_invalid_where_their_channels_are(marker) -> None:
    colors = np.random.default_rng(0).random((64, 80, 3)).astype(np.float32)
    colors[:, :9] = marker

    invalid = find_invalid(colors)

    assert invalid is not None
    assert invalid[:, :9].all()
    assert not invalid[:, 9:].any()


def test_what_the_file_says_is_joined_with_what_is_found() -> None:
    plane = scan(np.float32)
    plane[:, 7] = np.nan
    stated = np.ones(plane.shape, bool)
    stated[:, 3] = False

    valid = combine_valid(plane, stated)

    assert valid is not None
    assert np.flatnonzero(~valid.all(axis=0)).tolist() == [3, 7]
    assert combine_valid(scan(), np.ones((200, 300), bool)) is None


def test_a_marker_that_the_file_states_does_not_hide_another() -> None:
    plane = scan(np.float32)
    plane[:, 3], plane[:, 7] = 1e9, 1e6
    stated = plane != 1e9

    valid = combine_valid(plane, stated)

    assert valid is not None
    assert np.flatnonzero(~valid.all(axis=0)).tolist() == [3, 7]


def test_invalid_pixels_get_the_value_of_the_nearest_valid_one() -> None:
    plane = np.arange(24, dtype=np.float32).reshape(4, 6)
    valid = np.ones(plane.shape, bool)
    valid[:, :2] = False

    filled = fill_invalid(np.where(valid, plane, np.nan), valid)

    np.testing.assert_array_equal(filled[:, 0], plane[:, 2])
    np.testing.assert_array_equal(filled[:, 2:], plane[:, 2:])
    assert fill_invalid(plane, None) is plane


def test_the_range_of_a_volume_leaves_markers_out() -> None:
    volume = np.stack([scan(np.float32)] * 3)
    volume[1, :, 5:9] = FLT_MAX
    volume[2] = np.nan
    image = RetinaImage(volume, modality=Modality.OCT)

    assert valid_range(image) == (1, 255)
    assert valid_range(RetinaImage(scan(np.float32))) is None
