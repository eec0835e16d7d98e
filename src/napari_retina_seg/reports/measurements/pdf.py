"""The page of an eye on a sheet of A4."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from math import ceil
from typing import TYPE_CHECKING, Any

from napari_retina_seg.reports.measurements.content import Sheet
from napari_retina_seg.reports.measurements.pictures import Picture

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_PAGE = 8.27, 11.69  # inches, as all lengths below
_MARGIN, _GAP = 0.5, 0.15
_WIDTH = _PAGE[0] - 2 * _MARGIN
_LINE = 0.132  # of text
_SIZE = 7.0  # of letters in points
_LETTERS = 19.0  # on an inch
_SPACE = 2.5  # letters between columns
_LEAST, _MOST = 1.5, 3.3  # height of a picture
_BAR = 0.55  # beside a picture, for a colour bar
_SCALES = 0.45, 0.35  # left of and below a picture with numbers at its axes


class PdfPage:
    """A page that is filled from top to bottom.

    Parameters
    ----------
    title : str
        At its top.
    """

    def __init__(self, title: str) -> None:
        from matplotlib.figure import Figure

        self.figure: Figure = Figure(figsize=_PAGE, facecolor="white")
        self._y = _PAGE[1] - _MARGIN - 0.2
        self._write(_MARGIN, title, fontsize=13)
        self._y -= 0.08

    def has_room(self, height: float) -> bool:
        """Whether something of a height in inches fits below, at most into half the margin."""
        return self._y - height >= _MARGIN / 2

    def paragraphs(self, sentences: Sequence[str], **style: Any) -> None:
        """Add running text."""
        for line in _wrapped(sentences):
            self._y -= _LINE
            self._write(_MARGIN, line, **style)
        self._y -= _GAP / 2

    def pictures(self, listed: Sequence[Picture], below: float) -> None:
        """Add pictures, two in a row, as high as what comes below them allows.

        Parameters
        ----------
        listed : sequence of Picture
            What to draw.
        below : float
            Height in inches that is needed below them.
        """
        beside = min(2, len(listed))
        width = (_WIDTH - (beside - 1) * _GAP) / beside
        rows = ceil(len(listed) / beside)
        captions = [_wrapped([one.caption], width - _BAR) for one in listed]
        text = _LINE * max(map(len, captions)) + _GAP
        room = (self._y - _MARGIN - below) / rows - text
        height = min(max(room, _LEAST), _MOST)
        for start in range(0, len(listed), beside):
            row = slice(start, start + beside)
            lower = min(height, max(_natural_height(one, width - _BAR) for one in listed[row]))
            self._y -= lower + _GAP / 2
            for column, (one, lines) in enumerate(zip(listed[row], captions[row], strict=True)):
                left = _MARGIN + column * (width + _GAP)
                self._draw(one, left, width - _BAR, lower)
                for number, line in enumerate(lines, 1):
                    self._write(left, line, down=number * _LINE + 0.1, color="0.35")
            self._y -= text

    def sheets(self, listed: Sequence[Sheet]) -> None:
        """Add tables, narrow ones side by side."""
        for row in _in_rows(listed):
            left = _MARGIN
            for sheet in row:
                self._table(sheet, left)
                left += _width(sheet) + 2 * _GAP
            self._y -= max(map(_table_height, row))

    def _draw(self, picture: Picture, left: float, width: float, height: float) -> None:
        bottom = self._y
        if picture.has_scales:
            left, bottom = left + _SCALES[0], bottom + _SCALES[1]
            width, height = width - _SCALES[0], height - _SCALES[1]
        width = min(width, height / picture.tallness)
        height = width * picture.tallness
        share = (left / _PAGE[0], bottom / _PAGE[1], width / _PAGE[0], height / _PAGE[1])
        picture.draw(self.figure.add_axes(share))

    def _table(self, sheet: Sheet, left: float) -> None:
        """Write a table; if it is wider than the page, its columns move together."""
        self._write(left, sheet.caption, down=_LINE, color="0.35")
        widths = _widths(sheet)
        squeeze = min(1.0, _WIDTH / sum(widths))
        for number, cells in enumerate((sheet.header, *sheet.rows), 2):
            x = left
            for column, (cell, width) in enumerate(zip(cells, widths, strict=True)):
                x += width * squeeze
                at, side = (x, "right") if column else (left, "left")
                self._write(at, cell, down=number * _LINE, ha=side)
        self._rule(left, sum(widths) * squeeze, 2 * _LINE + 0.02)

    def _rule(self, left: float, width: float, down: float) -> None:
        from matplotlib.lines import Line2D

        ends, y = (left / _PAGE[0], (left + width) / _PAGE[0]), (self._y - down) / _PAGE[1]
        self.figure.add_artist(Line2D(ends, (y, y), color="0.7", linewidth=0.5))

    def _write(self, x: float, text: str, down: float = 0, **options: Any) -> None:
        options = {"fontsize": _SIZE, "va": "bottom", "parse_math": False, **options}
        self.figure.text(x / _PAGE[0], (self._y - down) / _PAGE[1], text, **options)


def height_of(sheets: Sequence[Sheet], texts: Sequence[Sequence[str]]) -> float:
    """Return the height in inches of tables and running texts."""
    tables = sum(max(map(_table_height, row)) for row in _in_rows(sheets))
    return tables + sum(_LINE * len(_wrapped(text)) + _GAP / 2 for text in texts)


def _natural_height(picture: Picture, width: float) -> float:
    """Return how high a picture is that is as wide as it may be."""
    if not picture.has_scales:
        return width * picture.tallness
    return (width - _SCALES[0]) * picture.tallness + _SCALES[1]


def _table_height(sheet: Sheet) -> float:
    return _LINE * (len(sheet.rows) + 2) + _GAP


def _in_rows(sheets: Sequence[Sheet]) -> list[list[Sheet]]:
    """Put tables beside each other that fit so."""
    rows: list[list[Sheet]] = []
    for sheet in sheets:
        if rows and sum(map(_width, [*rows[-1], sheet])) + 2 * _GAP * len(rows[-1]) <= _WIDTH:
            rows[-1].append(sheet)
        else:
            rows.append([sheet])
    return rows


def _width(sheet: Sheet) -> float:
    return max(sum(_widths(sheet)), len(sheet.caption) / _LETTERS)


def _widths(sheet: Sheet) -> list[float]:
    """Return the width of each column, with the space before it."""
    columns = zip(sheet.header, *sheet.rows, strict=True)
    return [(max(map(len, column)) + _SPACE) / _LETTERS for column in columns]


def _wrapped(sentences: Sequence[str], width: float = _WIDTH) -> list[str]:
    letters = int(width * _LETTERS)
    return [line for text in sentences for line in textwrap.wrap(text, letters)]
