import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.data import retina

from napari_retina_seg.core.fov import detect_fov


def photograph(rows: int, columns: int, center: tuple[float, float], radius: float) -> np.ndarray:
    """Draw a disc with darker and brighter parts, noise and a notch on its rim."""
    rng = np.random.default_rng(0)
    image = rng.integers(0, 6, (rows, columns, 3)).astype(np.uint8)
    disc = np.zeros((rows, columns), np.uint8)
    row, column = np.ogrid[:rows, :columns]
    disc[np.hypot(row - center[0], column - center[1]) < radius] = 1
    notch = (round(center[1] + radius * 0.7), round(center[0] - radius * 0.7))
    cv2.circle(disc, notch, round(radius * 0.06), 1, -1)
    shade = np.linspace(90, 220, columns)[None, :, None] * np.array([1.0, 0.5, 0.3])
    image[disc > 0] = np.broadcast_to(shade, image.shape)[disc > 0].astype(np.uint8)
    return image


@settings(max_examples=25)
@given(
    rows=st.integers(160, 900),
    radius=st.floats(0.42, 0.62),
    shift=st.floats(-0.04, 0.04),
)
def test_a_disc_is_found_whole_or_cut(rows, radius, shift) -> None:
    """Radii over half the height are cut at top and bottom."""
    columns = round(rows * 1.4)
    center = (rows * (0.5 + shift), columns * 0.5)
    fov = detect_fov(photograph(rows, columns, center, radius * rows))
    assert fov.found
    assert fov.diameter == pytest.approx(2 * radius * rows, rel=0.015, abs=3)
    assert fov.center == pytest.approx(center, abs=0.01 * rows)


def test_the_photograph_that_ships_with_scikit_image() -> None:
    fov = detect_fov(retina())
    assert fov.found
    assert fov.diameter == pytest.approx(1397, abs=8)  # measured by eye on the picture
    assert fov.mask()[703, 703]
    assert not fov.mask()[5, 5]
    assert not fov.mask()[120, 1290]  # the notch is no part of the field


@settings(max_examples=60)
@given(
    size=st.integers(280, 900),
    across=st.floats(0, 1),
    down=st.floats(0, 1),
)
def test_a_cut_out_has_no_disc(size, across, down) -> None:
    """Whatever part of the field it shows: there is no dark frame around it."""
    top, left = round(250 + down * (900 - size)), round(250 + across * (900 - size))
    fov = detect_fov(retina()[top : top + size, left : left + size])
    assert not fov.found
    assert fov.mask().all()


def test_the_field_of_real_photographs(shared_data) -> None:
    for name, diameter in (("chase_db1/Image_01L.jpg", 922), ("hrf/01_h.jpg", 1637)):
        image = cv2.imread(str(shared_data / name))
        assert detect_fov(image).diameter == pytest.approx(diameter, rel=0.01)
