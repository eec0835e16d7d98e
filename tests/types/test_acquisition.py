"""Where B-scans lie on an en-face image, and values that do not fit."""

import math
from dataclasses import replace

import numpy as np
import pytest

from napari_retina_seg.types.acquisition import (
    Acquisition,
    CirclePath,
    DeviceLines,
    EnFace,
    LinePath,
    ScanPattern,
)
from napari_retina_seg.types.errors import ImageError
from napari_retina_seg.types.image import RetinaImage

FACE = np.zeros((40, 60), np.uint8)
HEIGHTS = np.zeros((2, 3, 8), np.float32)


def test_columns_are_the_middles_of_equal_parts_of_a_line():
    path = LinePath(start=(2.0, -0.5), end=(6.0, 7.5))
    assert np.allclose(path.points(4), [(2.5, 0.5), (3.5, 2.5), (4.5, 4.5), (5.5, 6.5)])


@pytest.mark.parametrize(("clockwise", "quarter"), [(True, (10.0, 30.0)), (False, (30.0, 30.0))])
def test_a_circle_runs_the_way_it_says(clockwise, quarter):
    """From the left, clockwise is over the top: towards smaller rows."""
    path = CirclePath(start=(20.0, 20.0), center=(20.0, 30.0), clockwise=clockwise)
    points = path.points(4000)
    assert np.allclose(np.hypot(*(points - path.center).T), 10)
    assert np.allclose(points[0], path.start, atol=0.01)
    assert np.allclose(points[1000], quarter, atol=0.01)
    steps = np.hypot(*np.diff(points, axis=0).T)
    assert math.isclose(steps.sum() * 4000 / 3999, 2 * math.pi * 10, rel_tol=1e-6)


def test_the_nearest_a_scan_is_found():
    paths = tuple(LinePath((row, -0.5), (row, 59.5)) for row in (30.0, 20.0, 10.0))
    face = EnFace(FACE, paths=paths)
    assert face.nearest(11.0, 6.2, columns=30) == (2, 3, pytest.approx(math.hypot(1, 0.3)))
    with pytest.raises(ImageError, match="not known where"):
        EnFace(FACE).nearest(1, 1, columns=30)


@pytest.mark.parametrize("shape", [(4,), (0, 5), (4, 5, 4)])
def test_an_en_face_image_is_grey_or_rgb(shape):
    with pytest.raises(ImageError, match="en-face image is"):
        EnFace(np.zeros(shape, np.uint8))


def test_lines_have_names_and_are_real():
    with pytest.raises(ImageError, match="3 lines, but 2 names"):
        DeviceLines(("ILM", "BM"), HEIGHTS)
    with pytest.raises(ImageError, match="received float64"):
        DeviceLines(("ILM", "RNFL", "BM"), HEIGHTS.astype(float))


LINES = DeviceLines(("ILM", "RNFL", "BM"), HEIGHTS)
PATHS = (LinePath((1, 1), (1, 9)),) * 2
WHOLE = Acquisition(ScanPattern.RASTER, "", EnFace(FACE, paths=PATHS), LINES, (20.0, None))


def test_an_acquisition_has_a_value_for_each_b_scan_or_none():
    image = RetinaImage(np.zeros((2, 5, 8), np.uint8), acquisition=WHOLE)
    assert image.acquisition is WHOLE
    for pixels in (np.zeros((3, 5, 8), np.uint8), np.zeros((5, 8), np.uint8)):
        with pytest.raises(ImageError, match="B-scans, but 2 positions"):
            replace(image, pixels=pixels)
    with pytest.raises(ImageError, match="1 quality values"):
        replace(image, acquisition=replace(WHOLE, quality=(1.0,)))
    with pytest.raises(ImageError, match="lines are of the shape"):
        replace(image, pixels=np.zeros((2, 5, 9), np.uint8))


def test_a_pattern_is_one_of_those_known():
    assert Acquisition("circle").pattern is ScanPattern.CIRCLE  # type: ignore[arg-type]
    with pytest.raises(ImageError, match="scan pattern"):
        Acquisition("spiral")  # type: ignore[arg-type]
