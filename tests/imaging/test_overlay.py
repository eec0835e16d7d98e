import warnings

import numpy as np
import pytest

from napari_retina_seg.imaging.overlay import display, draw_overlay
from napari_retina_seg.types.errors import ImageError
from napari_retina_seg.types.labels import FUNDUS_VESSELS, OCT_LAYERS

RAMP = np.linspace(0, 1, 64 * 64).reshape(64, 64)
EMPTY = np.zeros((64, 64), np.uint8)


@pytest.fixture
def band():
    labels = EMPTY.copy()
    labels[20:30] = 3
    labels[30:40] = 4
    return labels


def test_layers_have_crisp_lines_in_their_color(band):
    drawn = draw_overlay(np.full((64, 64), 100, np.uint8), band, OCT_LAYERS)
    assert drawn.dtype == np.uint8
    assert drawn.shape == (64, 64, 3)
    for row, value in ((20, 3), (30, 4), (39, 4)):
        assert (drawn[row] == OCT_LAYERS.classes[value].rgb).all()


def test_the_image_shows_through_a_layer(band):
    drawn = draw_overlay(RAMP.astype(np.float32), band, OCT_LAYERS)
    inside = drawn[25]
    assert not (inside == OCT_LAYERS.classes[3].rgb).all(axis=-1).any()
    assert (np.diff(drawn[32].astype(int).sum(axis=-1)) >= 0).all()
    assert len(np.unique(drawn[22:29].reshape(-1, 3), axis=0)) > 10


def test_outside_the_classes_the_image_is_as_it_was():
    colors = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    labels = EMPTY.copy()
    labels[5, 5] = 1
    drawn = draw_overlay(colors, labels, FUNDUS_VESSELS)
    np.testing.assert_array_equal(drawn[labels == 0], colors[labels == 0])
    expected = 0.4 * colors[5, 5] + 0.6 * np.array(FUNDUS_VESSELS.classes[1].rgb)
    np.testing.assert_allclose(drawn[5, 5], expected, atol=1)


@pytest.mark.parametrize(
    "plane",
    [
        RAMP.astype(np.float32),
        RAMP * 1e-6,
        (RAMP * 4095).astype(np.uint16),
        (RAMP * 2000 - 1000).astype(np.int16),
        RAMP > 0.5,
        np.dstack([(RAMP * 65535).astype(np.uint16)] * 3),
    ],
    ids=lambda plane: f"{plane.dtype}-{plane.ndim}",
)
def test_any_range_is_shown_from_black_to_white(plane):
    drawn = draw_overlay(plane, EMPTY, OCT_LAYERS)
    assert drawn.min() == 0
    assert drawn.max() == 255
    assert (np.diff(drawn[..., 0].ravel().astype(int)) >= 0).all()


def test_nan_is_black_and_does_not_spoil_the_rest():
    plane = RAMP.copy()
    plane[:10] = np.nan
    plane[10] = -np.inf
    plane[11] = np.inf
    drawn = draw_overlay(plane, EMPTY, OCT_LAYERS)
    assert (drawn[:11] == 0).all()
    assert (drawn[11] == 255).all()
    assert drawn[12:].min() < 20


@pytest.mark.parametrize("value", [0, 7, np.nan, np.inf])
def test_a_constant_image_is_drawn(value):
    plane = np.full((64, 64), value, np.float32)
    assert len(np.unique(draw_overlay(plane, EMPTY, OCT_LAYERS))) == 1


def test_the_largest_float_is_a_marker_and_no_overflow():
    plane = np.linspace(0, 40, 64, dtype=np.float32).reshape(8, 8)
    plane[:, :2] = np.finfo(np.float32).max
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert display(plane)[0, 2:, 0].max() < 60


def test_alpha_is_left_out():
    plane = np.full((64, 64, 4), 9, np.uint8)
    assert (draw_overlay(plane, EMPTY, FUNDUS_VESSELS) == 9).all()


def test_the_inputs_stay_as_they_are(band):
    plane = np.full((64, 64, 3), 100, np.uint8)
    before = band.copy()
    draw_overlay(plane, band, OCT_LAYERS)
    assert (plane == 100).all()
    np.testing.assert_array_equal(band, before)


def test_a_mask_of_another_size_is_refused():
    with pytest.raises(ImageError, match=r"\(64, 64\)"):
        draw_overlay(np.zeros((64, 65)), EMPTY, OCT_LAYERS)


def test_a_value_that_is_no_class_is_refused(band):
    with pytest.raises(ImageError, match="value 4"):
        draw_overlay(np.zeros((64, 64)), band, FUNDUS_VESSELS)
