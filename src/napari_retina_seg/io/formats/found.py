"""Items found in a file with masks: masks, problems, notes and images without annotation."""

from __future__ import annotations

from dataclasses import dataclass

from napari_retina_seg.io.formats.record import MaskRecord


@dataclass(frozen=True)
class Problem:
    """A message about an entry that was skipped."""

    sentence: str


@dataclass(frozen=True)
class Note:
    """A message about an entry that was imported, but should be checked."""

    sentence: str


@dataclass(frozen=True)
class Unannotated:
    """An image that a file lists without a mask: not annotated, rather than annotated as empty."""

    name: str


Found = MaskRecord | Problem | Note | Unannotated
