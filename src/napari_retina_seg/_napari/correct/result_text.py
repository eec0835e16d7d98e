"""Wording of the Correct dock's results."""

from __future__ import annotations

from napari_retina_seg._napari.masks.edits import EditResult


def describe_change(what: str, change: EditResult) -> str:
    """Describe a change in one sentence."""
    if not change.pixels and not change.kept:
        return f"{what}: nothing to change."
    kept = f"; {change.kept:,} px of locked classes were kept" if change.kept else ""
    return f"{what}: {change.pixels:,} px changed{kept}."
