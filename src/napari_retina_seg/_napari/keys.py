"""The plugin's keyboard shortcuts, all of them; bound when the plugin is first used."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import napari

PLUGIN = "napari-retina-seg"
SEGMENT_WIDGET = "Segment"
EXPLAIN_WIDGET = "Explain"
REVIEW_WIDGET = "Review"
CORRECT_WIDGET = "Correct"


@dataclass(frozen=True)
class Shortcut:
    """Keys, what they do in words, the function that gets the viewer, and whose key it is."""

    keys: str
    description: str
    action: Callable[[Any], None]
    dock: str = ""

    @property
    def native(self) -> str:
        """The keys as this system writes them."""
        from qtpy.QtGui import QKeySequence

        return QKeySequence(self.keys).toString(QKeySequence.SequenceFormat.NativeText)


def segment_current(viewer: napari.Viewer) -> None:
    """Segment the selected layer, opening the dock if it is not there."""
    from napari_retina_seg._napari.segment_widget import SegmentWidget

    show_dock(viewer, SegmentWidget, SEGMENT_WIDGET).segment_selected()


def explain_current(viewer: napari.Viewer) -> None:
    """Explain what is chosen in the Explain dock, opening it if it is not there."""
    from napari_retina_seg._napari.explain.widget import ExplainWidget

    show_dock(viewer, ExplainWidget, EXPLAIN_WIDGET).explain()


def correct_current(viewer: napari.Viewer) -> None:
    """Take the brush for the selected mask, opening the Correct dock if it is not there."""
    from napari_retina_seg._napari.correct.correct_widget import CorrectWidget

    show_dock(viewer, CorrectWidget, CORRECT_WIDGET).paint()


def blink_difference(viewer: napari.Viewer) -> None:
    """Show or hide where the selected mask differs from what it is compared with."""
    from napari_retina_seg._napari.masks.compare import blink

    blink(viewer)


def _choose_class(value: int) -> Callable[[Any], None]:
    def act(viewer: napari.Viewer) -> None:
        from napari_retina_seg._napari.correct.class_list import choose_class

        choose_class(viewer, value)

    return act


def _in_review(deed: str) -> Callable[[Any], None]:
    """Return what does something in the Review dock, if it is there: a letter opens no dock."""

    def act(viewer: napari.Viewer) -> None:
        from napari_retina_seg._napari.review.widget import ReviewWidget

        widget = _find_dock(viewer, ReviewWidget)
        if widget is not None:
            getattr(widget, deed)()

    return act


def _in_lines(deed: str, *given: object) -> Callable[[Any], None]:
    """Return what does something to boundary lines, if the Correct dock is there."""

    def act(viewer: napari.Viewer) -> None:
        from napari_retina_seg._napari.correct.correct_widget import CorrectWidget

        widget = _find_dock(viewer, CorrectWidget)
        if widget is not None:
            getattr(widget.lines, deed)(*given)

    return act


def _find_dock(viewer: napari.Viewer, kind: type) -> Any:
    docked = viewer.window.dock_widgets.values()
    return next((each for each in docked if isinstance(each, kind)), None)


def show_dock(viewer: napari.Viewer, kind: type, name: str) -> Any:
    """Return a dock of the plugin, which is brought to the front and opened if it must be."""
    widget = _find_dock(viewer, kind)
    if widget is None:  # napari's menus and this call would not find each other's dock
        _, widget = viewer.window.add_plugin_dock_widget(PLUGIN, name)
    widget.parent().show()
    widget.parent().raise_()
    return widget


SEGMENT = Shortcut(
    "Ctrl+Shift+M", "Segment the selected image layer", segment_current, SEGMENT_WIDGET
)
EXPLAIN = Shortcut("Ctrl+Shift+E", "Explain what the model draws", explain_current, EXPLAIN_WIDGET)


def _review(keys: str, description: str, deed: str) -> Shortcut:
    return Shortcut(keys, description, _in_review(deed), REVIEW_WIDGET)


NEXT = _review("N", "Save, and open the next image", "open_next")
PREVIOUS = _review("Shift+N", "Save, and open the previous image", "open_previous")
ACCEPT = _review("G", "Accept the prediction: it is good", "accept")
FINISH = _review("W", "Save as corrected, as second read or as adjudicated", "finish")
REFUSE = _review("U", "Call the image ungradable, with a reason", "refuse")
REOPEN = _review("Shift+R", "Reopen the image, in a new version", "reopen")
SAVE = _review("Shift+S", "Save as work in progress", "save")
COMMENT = _review("Shift+C", "Write a comment, kept with the next version", "comment")
ASSIGN = _review("Shift+D", "Choose the second reader", "assign")
# The most used first: the table of keys shows them in this order.
REVIEW_KEYS = (NEXT, PREVIOUS, ACCEPT, FINISH, REFUSE, SAVE, COMMENT, REOPEN, ASSIGN)

CORRECT = Shortcut("Ctrl+Shift+D", "Paint the selected mask", correct_current, CORRECT_WIDGET)
BLINK = Shortcut("K", "Blink the difference to the prediction", blink_difference, CORRECT_WIDGET)
# napari's own number keys are its tools.
CLASS_KEYS = tuple(
    Shortcut(f"Ctrl+{value}", f"Choose class {value}", _choose_class(value), CORRECT_WIDGET)
    for value in range(10)
)


def _line(keys: str, description: str, deed: str, *given: object) -> Shortcut:
    return Shortcut(keys, description, _in_lines(deed, *given), CORRECT_WIDGET)


LINE_KEYS = (
    _line("D", "Pull boundary lines", "take", "Pull"),
    _line("A", "Draw a boundary line anew, by hand", "take", "Draw anew"),
    _line("S", "Snap a boundary line to the edge between two clicks", "take", "Snap"),
    _line("Q", "Smooth a stretch of a boundary line", "take", "Smooth"),
    _line("Shift+Up", "Choose the boundary line above", "step", -1),
    _line("Shift+Down", "Choose the boundary line below", "step", 1),
    _line("H", "Show or hide the boundary lines", "toggle"),
)

SHORTCUTS = (SEGMENT, EXPLAIN, *REVIEW_KEYS, CORRECT, BLINK, *CLASS_KEYS, *LINE_KEYS)


def bind(context: object = None) -> None:  # noqa: ARG001 - npe2 hands its context over
    """Bind the shortcuts in every viewer; keys that somebody else bound are left alone."""
    for shortcut in SHORTCUTS:
        try:
            napari.Viewer.bind_key(shortcut.keys, shortcut.action)
        except ValueError:
            continue
