import subprocess
import sys
from io import BytesIO

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from napari_retina_seg.reports._plots import figure_png, picture_png
from napari_retina_seg.types.errors import ImageError


def test_a_figure_is_drawn_and_always_the_same() -> None:
    def draw() -> bytes:
        figure = Figure(figsize=(3, 2))
        figure.subplots().plot([0, 1], [0, 1])
        return figure_png(figure)

    png = draw()
    assert Image.open(BytesIO(png)).size == (330, 220)
    assert np.asarray(Image.open(BytesIO(png)).convert("L")).min() < 100
    assert draw() == png


def test_a_picture_comes_back_as_it_was() -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)
    np.testing.assert_array_equal(np.asarray(Image.open(BytesIO(picture_png(rgb)))), rgb)


@pytest.mark.parametrize(
    "pixels", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3)), np.zeros((0, 4, 3), np.uint8)]
)
def test_what_is_no_picture_is_refused(pixels: np.ndarray) -> None:
    with pytest.raises(ImageError, match="received"):
        picture_png(pixels)


def test_drawing_leaves_no_global_state() -> None:
    code = (
        "import sys; from matplotlib.figure import Figure;"
        " from napari_retina_seg.reports._plots import figure_png; figure_png(Figure());"
        " sys.exit('matplotlib.pyplot' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
