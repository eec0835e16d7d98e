"""Pictures of one image side by side, with titles, colour bars and a caption."""

from __future__ import annotations

import textwrap
from math import ceil, floor, log, log10
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_WIDTH = 11.0  # inches, as all lengths below
_MARGIN = 0.12
_TITLE = 0.42
_BAR = 0.66  # for a colour bar and its numbers
_LINE = 0.15  # of the caption
_PROPORTION = 0.65  # height by width that a figure should have
_TALLNESS = (0.2, 2.5)  # of a picture; what is longer than that is squeezed
_TITLE_TEXT, _CAPTION_TEXT = 15.0, 16.5  # characters on an inch, wide ones among them
_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


class _Grid(NamedTuple):
    """How panels are arranged, and the size of their pictures in inches."""

    columns: int
    rows: int
    width: float
    height: float


def _arrange(count: int, tallness: float) -> _Grid:
    """Find the arrangement that leaves little empty and is neither a strip nor a tower."""

    def grid(columns: int) -> _Grid:
        width = (_WIDTH - 2 * _MARGIN) / columns - _BAR
        return _Grid(columns, ceil(count / columns), width, width * tallness)

    def cost(one: _Grid) -> float:
        proportion = one.rows * (one.height + _TITLE) / _WIDTH
        return abs(log(proportion / _PROPORTION)) + 0.2 * (one.rows * one.columns - count)

    return grid(count) if count <= 3 else min(map(grid, range(2, 6)), key=cost)


class Panels:
    """A figure with a grid of pictures, each with room for a title and a colour bar."""

    def __init__(self, count: int, shape: tuple[int, int], caption: str) -> None:
        from matplotlib.figure import Figure

        self.shape = shape
        self._grid = _arrange(count, float(np.clip(shape[0] / shape[1], *_TALLNESS)))
        lines = textwrap.wrap(caption, int((_WIDTH - 2 * _MARGIN) * _CAPTION_TEXT))
        below = _LINE * len(lines) + 2 * _MARGIN
        self._height = self._grid.rows * (self._grid.height + _TITLE) + below
        self.figure: Figure = Figure(figsize=(_WIDTH, self._height), facecolor="white")
        self._write(_MARGIN, _MARGIN, "\n".join(lines), linespacing=1.3)
        self._count = 0

    def add(self, picture: npt.NDArray[Any], title: str, color: str | None = None) -> Any:
        """Show a picture in the next place; return its axes, in pixels of the image."""
        left, bottom = self._place(self._count)
        axes = self._axes(left, bottom, self._grid.width)
        axes.set(xticks=[], yticks=[])
        self.show(axes, picture, cmap="gray", vmin=0, vmax=255)
        room = int(self._grid.width * _TITLE_TEXT) - 3 * bool(color)
        name = title if len(title) <= 2 * room else f"{title[: 2 * room - 4]}…"
        lines = textwrap.wrap(name, room, max_lines=2, placeholder=" …", break_on_hyphens=False)
        top = bottom + self._grid.height + 0.05
        if color:
            self._write(left, top, "■", color=color)
        self._write(left + 0.16 * bool(color), top, "\n".join(lines))
        self._count += 1
        return axes

    def show(self, axes: Any, picture: npt.NDArray[Any], **options: Any) -> None:
        """Show a picture, shrunk or not, in the place of the whole image."""
        rows, columns = self.shape
        extent = (-0.5, columns - 0.5, rows - 0.5, -0.5)
        axes.imshow(picture, extent=extent, aspect="auto", **options)

    def add_bar(self, top: float, cmap: Any) -> None:
        """Draw a colour bar from 0 to `top` beside the picture that was added last."""
        from matplotlib.ticker import MaxNLocator

        left, bottom = self._place(self._count - 1)
        axes = self._axes(left + self._grid.width + 0.05, bottom, 0.1)
        power = floor(log10(top))
        ramp = np.linspace(0, 1, 256)[:, np.newaxis]
        axes.set_facecolor("0.3")  # the maps fade into an image, which is neither black nor white
        axes.imshow(
            ramp, cmap=cmap, extent=(0, 1, 0, top / 10**power), aspect="auto", origin="lower"
        )
        axes.set_xticks([])
        axes.yaxis.tick_right()
        axes.yaxis.set_major_locator(MaxNLocator(4))
        axes.tick_params(labelsize=6.5, length=2, pad=1.5)
        if power:
            over = bottom + self._grid.height + 0.05
            unit = f"× 10{str(power).translate(_RAISED)}"
            self._write(left + self._grid.width + 0.05, over, unit, fontsize=6.5)

    def _place(self, number: int) -> tuple[float, float]:
        row, column = divmod(number, self._grid.columns)
        left = _MARGIN + column * (self._grid.width + _BAR)
        return left, self._height - (row + 1) * (self._grid.height + _TITLE)

    def _axes(self, left: float, bottom: float, width: float) -> Any:
        size = (width / _WIDTH, self._grid.height / self._height)
        return self.figure.add_axes((left / _WIDTH, bottom / self._height, *size))

    def _write(self, x: float, y: float, text: str, **options: Any) -> None:
        options = {"fontsize": 8, "va": "bottom", "parse_math": False, **options}
        self.figure.text(x / _WIDTH, y / self._height, text, **options)
