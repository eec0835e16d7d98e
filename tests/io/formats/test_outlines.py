import subprocess
import sys

import cv2
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image, ImageDraw
from pycocotools import mask
from scipy import ndimage
from skimage.measure import points_in_poly

from napari_retina_seg.io.formats.outlines import fill, trace

shapes = hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=24)


def as_coco_fills(polygons, shape):
    if not polygons:
        return np.zeros(shape, bool)
    parts = mask.frPyObjects([line.ravel().tolist() for line in polygons], *shape)
    return mask.decode(mask.merge(parts)).astype(bool)


def as_opencv_fills(polygons, shape):
    region = np.zeros(shape, np.uint8)
    for line in polygons:
        cv2.fillPoly(region, [line.astype(np.int32)], 1)
    return region.astype(bool)


def as_pillow_fills(polygons, shape):
    picture = Image.new("L", shape[::-1])
    for line in polygons:
        ImageDraw.Draw(picture).polygon([tuple(point) for point in line.tolist()], fill=1)
    return np.asarray(picture).astype(bool)


ALL = (fill, as_coco_fills, as_opencv_fills, as_pillow_fills)


@settings(max_examples=200)
@given(region=hnp.arrays(bool, shapes))
def test_a_region_comes_back_from_its_outlines_here_and_elsewhere(region):
    polygons = trace(region)
    assert len(polygons) == ndimage.label(region)[1]
    for fills in ALL:
        np.testing.assert_array_equal(fills(polygons, region.shape), region, fills.__name__)


@settings(max_examples=40)
@given(seed=st.integers(0, 10_000), width=st.floats(0.3, 2), share=st.floats(0, 1))
def test_smooth_regions_within_one_another_come_back_everywhere(seed, width, share):
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).random((40, 50)), width)
    region = noise < np.quantile(noise, share)
    for fills in ALL:
        np.testing.assert_array_equal(fills(trace(region), region.shape), region, fills.__name__)


def test_rings_within_rings():
    rows, columns = np.indices((60, 70))
    rings = (np.hypot(rows - 30, columns - 35) // 4).astype(int) % 2 == 0
    for fills in ALL:
        np.testing.assert_array_equal(fills(trace(rings), rings.shape), rings, fills.__name__)


def test_many_holes_hang_on_one_another():
    sieve = np.ones((41, 61), bool)
    sieve[1::2, 1::2] = False
    (line,) = trace(sieve)
    np.testing.assert_array_equal(fill([line], sieve.shape), sieve)


def test_straight_lines_have_no_points_between():
    region = np.zeros((9, 9), bool)
    region[2:7, 3:8] = True
    (line,) = trace(region)
    np.testing.assert_allclose(line.min(axis=0), (3.1, 2.1))
    np.testing.assert_allclose(line.max(axis=0), (7.9, 6.9))
    assert len(line) == 4


@given(points=hnp.arrays(np.float64, (5, 2), elements=st.floats(-4.25, 24.25)))
def test_a_pixel_is_of_a_polygon_if_its_centre_is(points):
    points += np.array([0.123, 0.0456])  # no centre lies on a line
    rows, columns = np.indices((20, 20))
    centres = np.column_stack([columns.ravel(), rows.ravel()]) + 0.5
    expected = points_in_poly(centres, points).reshape(20, 20)
    found = fill([points], (20, 20))
    # The lines of both differ by rounding where they all but meet a centre.
    assert (found != expected).sum() <= 1


def test_the_libraries_of_a_format_are_imported_when_it_is_asked_for():
    code = (
        "import pkgutil, sys, importlib, napari_retina_seg.io.formats as exchange\n"
        "for module in pkgutil.iter_modules(exchange.__path__):\n"
        "    importlib.import_module(f'{exchange.__name__}.{module.name}')\n"
        "heavy = {'highdicom', 'nibabel', 'pycocotools', 'tensorflow', 'qtpy', 'skimage.measure'}\n"
        "print(*sorted(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
