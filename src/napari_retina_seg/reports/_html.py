"""`Page`: a report in one HTML file that needs nothing beside it."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterable, Sequence
from html import escape

from napari_retina_seg.types.text import displayed

_NUMBER = re.compile(r"[+\-−±<>≤≥]?\s?\d")

_STYLE = """
:root { color-scheme: light dark; --text: #1c1c1c; --quiet: #5c5c5c; --paper: #ffffff;
  --line: #d8d8d8; --head: #f3f3f3; }
@media (prefers-color-scheme: dark) {
  :root { --text: #e6e6e6; --quiet: #a3a3a3; --paper: #17181a; --line: #3a3b3e; --head: #232427; } }
body { color: var(--text); background: var(--paper); font: 16px/1.5 system-ui, sans-serif;
  max-width: 72rem; margin: 0 auto; padding: 1.5rem; }
h1 { font-size: 1.7rem; } h2 { font-size: 1.3rem; margin-top: 2.2rem; }
h3 { font-size: 1.1rem; margin-top: 1.6rem; }
p { max-width: 48rem; }
.wide { overflow-x: auto; margin: 1rem 0; }
table { border-collapse: collapse; font-size: 0.9rem; font-variant-numeric: tabular-nums; }
caption, figcaption { text-align: left; color: var(--quiet); padding: 0.3rem 0; }
th, td { border-bottom: 1px solid var(--line); padding: 0.3rem 0.8rem; text-align: left;
  white-space: nowrap; }
th { background: var(--head); }
.number { text-align: right; }
figure { margin: 1rem 0; }
img { max-width: 100%; height: auto; background: #ffffff; }
@media print { .page { break-before: page; } body { font-size: 12px; padding: 0; } }
""".strip()


class Page:
    """One self-contained page, written from top to bottom; every text is escaped.

    Parameters
    ----------
    title : str
        Stands in the browser's tab and as the heading at the top.
    """

    def __init__(self, title: str) -> None:
        self._title = title
        self._parts: list[str] = []

    def heading(self, text: str, level: int = 2, *, new_page: bool = False) -> None:
        """Begin a section, in print on a new page if asked; the title is level 1."""
        if not 2 <= level <= 6:
            raise ValueError(f"A heading below the title has a level from 2 to 6, not {level}.")
        page = ' class="page"' if new_page else ""
        self._parts.append(f"<h{level}{page}>{_as_html(text)}</h{level}>")

    def paragraph(self, text: str) -> None:
        """Add running text."""
        self._parts.append(f"<p>{_as_html(text)}</p>")

    def table(
        self, header: Sequence[str], rows: Iterable[Sequence[object]], caption: str = ""
    ) -> None:
        """Add a table; columns of which every cell is a number or empty are aligned right.

        Parameters
        ----------
        header : sequence of str
            Names of the columns.
        rows : iterable of sequences
            As many cells in each as there are columns; what is no text is shown by ``str``.
        caption : str
            What the table shows.

        Raises
        ------
        ValueError
            If a row has more or fewer cells than the header.
        """
        cells = [[str(cell) for cell in row] for row in rows]
        columns = list(zip(header, *cells, strict=True))
        classes = [' class="number"' if _is_numeric(column[1:]) else "" for column in columns]
        head = "".join(
            f'<th scope="col"{cls}>{_as_html(name)}</th>'
            for name, cls in zip(header, classes, strict=True)
        )
        body = "".join(
            "<tr>"
            + "".join(
                f"<td{cls}>{_as_html(cell)}</td>" for cell, cls in zip(row, classes, strict=True)
            )
            + "</tr>\n"
            for row in cells
        )
        title = f"<caption>{_as_html(caption)}</caption>" if caption else ""
        self._parts.append(
            f'<div class="wide"><table>{title}<thead><tr>{head}</tr></thead>\n'
            f"<tbody>{body}</tbody></table></div>"
        )

    def figure(self, png: bytes, caption: str) -> None:
        """Add a picture, which becomes part of the page.

        Parameters
        ----------
        png : bytes
            A whole PNG file.
        caption : str
            What is to be seen; also what is read to those who don't see it.
        """
        data = b64encode(png).decode("ascii")
        self._parts.append(
            f'<figure><img alt="{_as_html(caption)}" src="data:image/png;base64,{data}">'
            f"<figcaption>{_as_html(caption)}</figcaption></figure>"
        )

    def html(self) -> str:
        """Return the whole document."""
        title, content = _as_html(self._title), "\n".join(self._parts)
        return (
            '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
            f"<title>{title}</title>\n<style>\n{_STYLE}\n</style>\n</head>\n"
            f"<body>\n<h1>{title}</h1>\n{content}\n</body>\n</html>\n"
        )


def _as_html(text: str) -> str:
    """Return text as a browser shows it sign by sign."""
    return escape(displayed(text, lines=True))


def _is_numeric(cells: Sequence[str]) -> bool:
    return any(cells) and all(not cell or _NUMBER.match(cell) for cell in cells)
