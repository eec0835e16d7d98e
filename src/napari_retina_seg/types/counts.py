"""Counts with singular and plural nouns."""

from __future__ import annotations


def count(number: int, noun: str) -> str:
    """Format a count with its noun, e.g. ``1 image``, ``2 images`` and ``3 classes``."""
    if number == 1:
        return f"1 {noun}"
    return f"{number} {noun}{'es' if noun.endswith('s') else 's'}"
