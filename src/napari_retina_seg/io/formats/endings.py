"""Notice tables that were cut short, by their last line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from napari_retina_seg.types.errors import ReadError


def check_ending(path: Path, text: str, *, ends_lines: bool) -> None:
    """Refuse a table of numbers whose last line was cut, be it in the middle of a number.

    A table that was cut at the end of a line lacks rows, which its image has.

    Parameters
    ----------
    path : Path
        The file, for the message.
    text : str
        What it holds: a header, and a line of numbers for each row.
    ends_lines : bool
        Whether the program that wrote it ends every line. If that is unknown, a last line without
        an end is cut if its last cell alone is empty, or has fewer decimals than any other.

    Raises
    ------
    ReadError
        If it was cut.
    """
    if not text or text.endswith(("\n", "\r")):
        return
    header, *rows = text.splitlines()
    cells = [cell.strip() for row in rows for cell in row.split(",")]
    is_ragged = not rows or rows[-1].count(",") != header.count(",")
    is_blank = bool(rows) and not rows[-1].replace(",", "").strip()
    is_shorter = not is_blank and _is_shorter(cells[-1], cells[:-1])
    if ends_lines or is_ragged or is_shorter:
        raise ReadError(
            f"'{path}' was cut short: its last line does not end. Write or copy it again; if it is"
            " whole, add a line break at its end."
        )


def _is_shorter(cell: str, others: Sequence[str]) -> bool:
    decimals = min((_decimals(other) for other in others if other), default=0)
    return not cell or _decimals(cell) < decimals


def _decimals(cell: str) -> int:
    return len(cell.partition(".")[2])
