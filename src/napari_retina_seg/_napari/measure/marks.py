"""What the user states about an image: fovea and optic disc, with undo, and which eye."""

from __future__ import annotations

from dataclasses import dataclass, field
from weakref import WeakKeyDictionary

from napari.layers import Layer

from napari_retina_seg._napari.layers import unwrap_proxy
from napari_retina_seg.types.image import Laterality


@dataclass(frozen=True)
class Marks:
    """What was marked on one image.

    Attributes
    ----------
    fovea : tuple of float or None
        Slice and column; of a photograph row and column, in px.
    disc : tuple of float or None
        Row, column and diameter in px.
    """

    fovea: tuple[float, float] | None = None
    disc: tuple[float, float, float] | None = None


@dataclass
class MarkHistory:
    """The marks of one image, and those before and after; which eye it shows, if stated."""

    now: Marks = field(default_factory=Marks)
    eye: Laterality | None = None
    _before: list[Marks] = field(default_factory=list)
    _after: list[Marks] = field(default_factory=list)

    def set(self, marks: Marks) -> None:
        """Take other marks, as one step."""
        if marks != self.now:
            self._before.append(self.now)
            self._after.clear()
            self.now = marks

    def undo(self) -> None:
        """Go back a step, if there is one."""
        if self._before:
            self._after.append(self.now)
            self.now = self._before.pop()

    def redo(self) -> None:
        """Repeat the step that was taken back last, if there is one."""
        if self._after:
            self._before.append(self.now)
            self.now = self._after.pop()


_KNOWN: WeakKeyDictionary[Layer, MarkHistory] = WeakKeyDictionary()


def marks_of(layer: Layer) -> MarkHistory:
    """Return the marks of an image, which are remembered as long as its layer is open."""
    return _KNOWN.setdefault(unwrap_proxy(layer), MarkHistory())
