"""Actions of the viewer's shortcuts. They open docks, so no other module imports this one."""

from __future__ import annotations

import napari

from napari_retina_seg._napari._compat import prefer_writers
from napari_retina_seg._napari.correct.correct_widget import CorrectWidget
from napari_retina_seg._napari.dock import show_dock
from napari_retina_seg._napari.explain.widget import ExplainWidget
from napari_retina_seg._napari.measure.measure_widget import MeasureWidget
from napari_retina_seg._napari.segment_widget import SegmentWidget
from napari_retina_seg._napari.shortcuts import CORRECT, EXPLAIN, MEASURE, PLUGIN, SEGMENT


def segment_current(viewer: napari.Viewer) -> None:
    """Segment the selected layer, opening the dock if needed."""
    show_dock(viewer, SegmentWidget, SEGMENT.dock).segment_selected()


def explain_current(viewer: napari.Viewer) -> None:
    """Explain with the options of the Explain dock, opening it if needed."""
    show_dock(viewer, ExplainWidget, EXPLAIN.dock).explain()


def correct_current(viewer: napari.Viewer) -> None:
    """Select the brush for the selected mask, opening the Correct dock if needed."""
    show_dock(viewer, CorrectWidget, CORRECT.dock).paint()


def measure_current(viewer: napari.Viewer) -> None:
    """Measure the selected mask, opening the Measure dock if needed."""
    show_dock(viewer, MeasureWidget, MEASURE.dock).measure()


ACTIONS = {
    SEGMENT: segment_current,
    EXPLAIN: explain_current,
    CORRECT: correct_current,
    MEASURE: measure_current,
}


def on_activate(context: object) -> None:  # noqa: ARG001 - passed by npe2
    """Bind the viewer's shortcuts, except keys that are bound already; offer our writer first."""
    prefer_writers(PLUGIN)
    for shortcut, action in ACTIONS.items():
        try:
            napari.Viewer.bind_key(shortcut.keys, action)
        except ValueError:
            continue
