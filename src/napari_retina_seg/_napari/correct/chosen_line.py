"""The boundary line at hand: one state for box, canvas, pointer and every line tool."""

from __future__ import annotations

from qtpy.QtCore import QObject, Signal

from napari_retina_seg.types.labels import LabelScheme

_LAST = "#ffffff"  # the lowest line has no layer below it


class ChosenLine(QObject):
    """The boundary that the line tools act on; all that shows or edits it reads it from here.

    It stays the same, by name, from one mask to the next.

    Signals
    -------
    changed : ()
        Another boundary was chosen, or other boundaries are offered.
    """

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._scheme: LabelScheme | None = None
        self._name = ""

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the boundaries that are offered, from the uppermost."""
        return () if self._scheme is None else tuple(each.name for each in self._scheme.surfaces)

    @property
    def colors(self) -> tuple[str, ...]:
        """Colours of these boundaries."""
        return () if self._scheme is None else tuple(line_colors(self._scheme))

    @property
    def index(self) -> int:
        """Which boundary, 0 for the uppermost."""
        return self.names.index(self._name) if self._name in self.names else 0

    @property
    def name(self) -> str:
        """Its name; empty without boundaries."""
        return self.names[self.index] if self.names else ""

    @property
    def color(self) -> str:
        """Its colour."""
        return self.colors[self.index] if self.colors else _LAST

    def offer(self, scheme: LabelScheme | None) -> None:
        """Offer the boundaries of a scheme; None for no boundaries."""
        has_lines = scheme is not None and bool(scheme.surfaces)
        self._scheme = scheme if has_lines else None
        self.changed.emit()

    def choose(self, index: int) -> None:
        """Choose a boundary; one that does not exist is left alone."""
        if 0 <= index < len(self.names):
            self._name = self.names[index]
            self.changed.emit()


def line_colors(scheme: LabelScheme) -> list[str]:
    """Return the colour of each line, which is that of the layer below it."""
    return [label.color for label in scheme.classes[1:]] + [_LAST]
