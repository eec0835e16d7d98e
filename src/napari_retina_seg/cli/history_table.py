"""The history of an image as a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from napari_retina_seg.cli.console import as_cell, echo

if TYPE_CHECKING:
    from napari_retina_seg.project.values import ProjectImage, Removal, Version


def print_history(
    image: ProjectImage, versions: Sequence[Version], removals: Sequence[Removal]
) -> None:
    """Print the versions of an image, and when it was removed and restored."""
    from rich.console import Console
    from rich.table import Table

    echo(f"'{image.name}' (#{image.id}) is {image.state}.")
    names = ("", "made", "by", "state", "from", "time", "changed px", "Dice", "comment")
    table = Table(*names, box=None, pad_edge=False)
    for version in versions:
        change = version.change
        cells = (
            str(version.number) + ("!" if version.conflict else ""),
            f"{version.created_at.astimezone():%Y-%m-%d %H:%M}",
            version.author or version.model or "",
            version.state if version.author else version.kind,
            "" if version.parent is None else str(version.parent),
            f"{version.seconds:.0f} s",
            "" if change is None else str(sum(change.pixels) // 2),
            "" if change is None else _mean_dice(change.dice[1:]),
            " ".join(filter(None, (version.reason, version.comment))),
        )
        table.add_row(*(as_cell(cell) for cell in cells))
    Console().print(table)
    for removal in removals:
        echo(_describe_removal(removal))


def _describe_removal(removal: Removal) -> str:
    reason = f": {removal.reason}" if removal.reason else ""
    restored = (
        ""
        if removal.restored_at is None
        else (f"; restored by {removal.restored_by} on {removal.restored_at:%Y-%m-%d}")
    )
    return f"Removed by {removal.removed_by} on {removal.removed_at:%Y-%m-%d}{reason}{restored}."


def _mean_dice(dice: Sequence[float | None]) -> str:
    known = [value for value in dice if value is not None]
    return f"{sum(known) / len(known):.3f}" if known else ""
