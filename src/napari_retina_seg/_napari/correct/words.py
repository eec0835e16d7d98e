"""How the dock says what it did."""

from __future__ import annotations

from napari_retina_seg._napari.masks.edits import Change


def changed(what: str, change: Change) -> str:
    """Say in a sentence what became of a change."""
    if not change.pixels and not change.kept:
        return f"{what}: nothing had to change."
    kept = f"; {change.kept:,} px of locked classes were kept" if change.kept else ""
    return f"{what}: {change.pixels:,} px changed{kept}."
