import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_retina_seg.imaging.fov import FieldOfView
from napari_retina_seg.imaging.preprocess import Geometry
from napari_retina_seg.imaging.target import Point, Region, WholeClass, check_target, weigh
from napari_retina_seg.types.errors import ImageError

HALVED = Geometry(grid=(10, 20), box=(0, 0, 10, 20), working=(5, 10))


def test_a_point_is_one_pixel_of_the_input() -> None:
    weights = weigh(Point(7, 13), HALVED)
    assert weights.sum() == weights[3, 6] == 1


def test_a_region_counts_its_pixels_where_they_lie() -> None:
    mask = np.zeros((10, 20), bool)
    mask[4:6, 8:11] = True
    weights = weigh(Region(mask), HALVED)
    assert weights[2, 4] == 4
    assert weights[2, 5] == 2
    assert weights.sum() == 6


def test_a_volume_takes_the_regions_own_slice() -> None:
    mask = np.zeros((2, 10, 20), bool)
    mask[1, 0, 0] = True
    assert weigh(Region(mask), HALVED, index=1)[0, 0] == 1
    with pytest.raises(ImageError, match="empty here: paint or draw something first"):
        weigh(Region(mask), HALVED, index=0)


@given(st.integers(3, 40), st.integers(3, 40), st.integers(2, 50), st.integers(2, 50), st.randoms())
def test_no_pixel_of_a_region_is_lost(rows, columns, to_rows, to_columns, random) -> None:
    geometry = Geometry((rows, columns), (0, 0, rows, columns), (to_rows, to_columns))
    mask = np.array([[random.random() < 0.1 for _ in range(columns)] for _ in range(rows)])
    mask[random.randrange(rows), random.randrange(columns)] = True
    assert weigh(Region(mask), geometry).sum() == mask.sum()


def test_what_lies_outside_is_reported() -> None:
    with pytest.raises(ImageError, match=r"row 10, column 3 lies outside the image of 10 × 20 px"):
        weigh(Point(10, 3), HALVED)
    boxed = Geometry(grid=(10, 20), box=(2, 2, 8, 8), working=(6, 6))
    with pytest.raises(ImageError, match="outside the field of view"):
        weigh(Point(1, 1), boxed)
    there = np.zeros((10, 20), bool)
    there[3:8, 3:8] = True
    field = FieldOfView.given(there)
    seen = Geometry(grid=(10, 20), box=(2, 2, 8, 8), working=(6, 6), field=field)
    with pytest.raises(ImageError, match="outside the field of view"):
        weigh(Point(2, 2), seen)
    with pytest.raises(ImageError, match=r"'the sketch' has 4 × 4 px, but the image 10 × 20"):
        weigh(Region(np.ones((4, 4), bool), "'the sketch'"), HALVED)


def test_a_target_is_looked_at_before_the_work() -> None:
    there = np.ones((3, 10, 20), bool)
    for target in (WholeClass(), Point(9, 19), Region(there), Region(there[0])):
        check_target(target, (10, 20), 3)
    for target, sentence in (
        (Point(-1, 0), "lies outside the image of 10 × 20 px"),
        (Region(there[:, :4]), "has 4 × 20 px, but the image 10 × 20"),
        (Region(there[:2]), "has 2 slices, but the image 3"),
        (Region(~there), "A region is empty: paint or draw something"),
    ):
        with pytest.raises(ImageError, match=sentence):
            check_target(target, (10, 20), 3)
