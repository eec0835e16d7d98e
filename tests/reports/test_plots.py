import subprocess
import sys
from io import BytesIO
from xml.etree import ElementTree as ET

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from hostile import HOSTILE, hidden_in
from napari_retina_seg.reports._plots import figure_file, figure_png, picture_png
from napari_retina_seg.types.errors import ImageError
from napari_retina_seg.types.text import displayed

_SVG = "http://www.w3.org/2000/svg"


def test_a_figure_is_drawn_and_always_the_same() -> None:
    def draw() -> bytes:
        figure = Figure(figsize=(3, 2))
        figure.subplots().plot([0, 1], [0, 1])
        return figure_png(figure)

    png = draw()
    assert Image.open(BytesIO(png)).size == (330, 220)
    assert np.asarray(Image.open(BytesIO(png)).convert("L")).min() < 100
    assert draw() == png


def test_names_in_figures_are_no_formulas_and_hold_no_codes(monkeypatch) -> None:
    """In titles, labels, legends, annotations and names of bars; numbers may be formulas."""
    monkeypatch.setitem(mpl.rcParams, "svg.fonttype", "none")
    figure = Figure(figsize=(9, 9))
    axes = figure.subplots()
    for place, text in enumerate(HOSTILE):
        axes.barh(place, 1000, label=f"{text} legend")
        axes.annotate(f"{text} note", (100, place))
    axes.set_yticks(range(len(HOSTILE)), [f"{text} tick" for text in HOSTILE])
    axes.set_xscale("log")
    axes.set_title(f"{HOSTILE[-2]} title")
    axes.set_ylabel(f"{HOSTILE[0]} label")
    axes.legend()
    svg = figure_file(figure, "svg", 50).decode()
    assert not hidden_in(svg)
    root = ET.fromstring(svg)  # noqa: S314 - our own
    said = {" ".join("".join(one.itertext()).split()) for one in root.iter(f"{{{_SVG}}}text")}
    for text in HOSTILE:
        for what in ("legend", "note"):
            *_, last = displayed(f"{text} {what}", lines=True).split("\n")
            assert " ".join(last.split()) in said
        assert " ".join(displayed(f"{text} tick").split()) in said
    assert f"{HOSTILE[-2]} title" in said
    assert f"{displayed(HOSTILE[0])} label" in said


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
