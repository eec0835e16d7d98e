"""Two cells, two channels: every method can be worked out by hand."""

import numpy as np
import pytest

from napari_retina_seg.imaging.cam import Method, combine

ACTIVATIONS = np.array([[[1, 2], [3, 0]]], np.float32)  # (1, 2, 2)
GRADIENT = np.array([[[2, -1], [4, 3]]], np.float32)


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        # mean gradients 3 and 1: 1·3 + 2·1, 3·3 + 0·1
        (Method.GRAD_CAM, [5, 9]),
        # 1·2 + 2·(-1), 3·4 + 0·3
        (Method.HIRES_CAM, [0, 12]),
        # 1·2 + 2·0, 3·4 + 0·3
        (Method.LAYER_CAM, [2, 12]),
        # channel 0, ΣA = 4: 4/(8 + 32)·2 + 16/(32 + 256)·4; channel 1, ΣA = 2: 9/(18 + 54)·3
        (Method.GRAD_CAM_PLUS_PLUS, [1 * 19 / 45 + 2 * 3 / 8, 3 * 19 / 45]),
    ],
)
def test_maps_as_their_papers_define_them(method, expected) -> None:
    np.testing.assert_allclose(combine(ACTIVATIONS, GRADIENT, method), [expected], rtol=1e-6)


@pytest.mark.parametrize("method", Method)
def test_tiny_gradients_give_the_same_map_in_another_unit(method) -> None:
    tiny = combine(ACTIVATIONS, GRADIENT * 1e-12, method)
    assert tiny.any()
    np.testing.assert_allclose(
        combine(ACTIVATIONS, GRADIENT * 1e-10, method), 100 * tiny, rtol=1e-5
    )


@pytest.mark.parametrize("method", Method)
def test_no_gradient_is_no_evidence(method) -> None:
    assert not combine(ACTIVATIONS, np.zeros_like(GRADIENT), method).any()
