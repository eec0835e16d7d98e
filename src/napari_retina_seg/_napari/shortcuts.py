"""Keyboard shortcuts of the plugin, as data: keys and descriptions."""

from __future__ import annotations

from dataclasses import dataclass

PLUGIN = "napari-retina-seg"
SEGMENT_WIDGET = "Segment"
EXPLAIN_WIDGET = "Explain"
REVIEW_WIDGET = "Review"
CORRECT_WIDGET = "Correct"
IMPROVE_WIDGET = "Improve"
MEASURE_WIDGET = "Measure"


@dataclass(frozen=True)
class Shortcut:
    """A keyboard shortcut.

    Attributes
    ----------
    keys : str
        The keys in napari's and Qt's notation: ``"Ctrl+Shift+M"``.
    description : str
        What the shortcut does.
    dock : str
        The dock that it belongs to.
    """

    keys: str
    description: str
    dock: str

    @property
    def native(self) -> str:
        """The keys in the platform's notation."""
        from qtpy.QtGui import QKeySequence

        return QKeySequence(self.keys).toString(QKeySequence.SequenceFormat.NativeText)


# These open their dock, and work in every viewer once the plugin is active.
SEGMENT = Shortcut("Ctrl+Shift+M", "Segment the selected image layer", SEGMENT_WIDGET)
EXPLAIN = Shortcut("Ctrl+Shift+E", "Explain the model's prediction", EXPLAIN_WIDGET)
CORRECT = Shortcut("Ctrl+Shift+D", "Paint the selected mask", CORRECT_WIDGET)
MEASURE = Shortcut("Ctrl+Shift+U", "Measure the selected mask", MEASURE_WIDGET)
VIEWER_KEYS = (SEGMENT, EXPLAIN, CORRECT, MEASURE)

# These work in a viewer while their dock is open in it.
NEXT = Shortcut("N", "Save, and open the next image", REVIEW_WIDGET)
PREVIOUS = Shortcut("Shift+N", "Save, and open the previous image", REVIEW_WIDGET)
ACCEPT = Shortcut("G", "Accept the prediction: it is good", REVIEW_WIDGET)
FINISH = Shortcut("W", "Save as corrected, second grading or adjudicated", REVIEW_WIDGET)
REFUSE = Shortcut("U", "Mark the image ungradable, with a reason", REVIEW_WIDGET)
REOPEN = Shortcut("Shift+R", "Reopen the image, in a new version", REVIEW_WIDGET)
SAVE = Shortcut("Shift+S", "Save as work in progress", REVIEW_WIDGET)
COMMENT = Shortcut("Shift+C", "Write a comment, saved with the next version", REVIEW_WIDGET)
ASSIGN = Shortcut("Shift+D", "Choose the second grader", REVIEW_WIDGET)
# The most used first: the table of keys shows them in this order.
REVIEW_KEYS = (NEXT, PREVIOUS, ACCEPT, FINISH, REFUSE, SAVE, COMMENT, REOPEN, ASSIGN)

BLINK = Shortcut("K", "Blink the difference to the prediction", CORRECT_WIDGET)
# Plain number keys are napari's tools, and Ctrl+0 is its zoom.
BACKGROUND = Shortcut("Shift+B", "Choose background", CORRECT_WIDGET)
CLASS_KEYS = (
    BACKGROUND,
    *(Shortcut(f"Ctrl+{value}", f"Choose class {value}", CORRECT_WIDGET) for value in range(1, 10)),
)

PULL = Shortcut("D", "Pull boundary lines", CORRECT_WIDGET)
REDRAW = Shortcut("A", "Redraw a boundary line by hand", CORRECT_WIDGET)
SNAP = Shortcut("S", "Snap a boundary line to the edge between two clicks", CORRECT_WIDGET)
SMOOTH = Shortcut("Q", "Smooth a segment of a boundary line", CORRECT_WIDGET)
LINE_ABOVE = Shortcut("Shift+Up", "Choose the boundary line above", CORRECT_WIDGET)
LINE_BELOW = Shortcut("Shift+Down", "Choose the boundary line below", CORRECT_WIDGET)
SHOW_LINES = Shortcut("H", "Show or hide the boundary lines", CORRECT_WIDGET)
LINES_ONLY = Shortcut("Shift+H", "Hide the mask, or show it: lines only", CORRECT_WIDGET)
NEXT_PLACE = Shortcut("Shift+P", "Show the next open place of the mask", CORRECT_WIDGET)
LINE_KEYS = (
    *(PULL, REDRAW, SNAP, SMOOTH, LINE_ABOVE, LINE_BELOW, SHOW_LINES),
    *(LINES_ONLY, NEXT_PLACE),
)

# These work while vessels are clicked to be arteries or veins, before all others.
ARTERY = Shortcut("A", "Make the vessels that are clicked arteries", CORRECT_WIDGET)
VEIN = Shortcut("V", "Make them veins", CORRECT_WIDGET)
UNDECIDED = Shortcut("U", "Leave them undecided", CORRECT_WIDGET)
VESSEL_KEYS = (ARTERY, VEIN, UNDECIDED)

SHORTCUTS = (*VIEWER_KEYS, *REVIEW_KEYS, BLINK, *CLASS_KEYS, *LINE_KEYS)
