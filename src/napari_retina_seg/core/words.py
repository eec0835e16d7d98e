"""Numbers in sentences."""

from __future__ import annotations


def count(number: int, noun: str) -> str:
    """Say how many there are, e.g. ``1 image``, ``2 images`` and ``3 classes``."""
    if number == 1:
        return f"1 {noun}"
    return f"{number} {noun}{'es' if noun.endswith('s') else 's'}"
