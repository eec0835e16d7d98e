"""The plugin's keyboard shortcuts, all of them; bound when the plugin is first used."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import napari

PLUGIN = "napari-retina-seg"
SEGMENT_WIDGET = "Segment"
EXPLAIN_WIDGET = "Explain"


@dataclass(frozen=True)
class Shortcut:
    """Keys, what they do in words, and the function that gets the viewer."""

    keys: str
    description: str
    action: Callable[[Any], None]


def segment_current(viewer: napari.Viewer) -> None:
    """Segment the selected layer, opening the dock if it is not there."""
    from napari_retina_seg._napari.segment_widget import SegmentWidget

    _dock(viewer, SegmentWidget, SEGMENT_WIDGET).segment_selected()


def explain_current(viewer: napari.Viewer) -> None:
    """Explain what is chosen in the Explain dock, opening it if it is not there."""
    from napari_retina_seg._napari.explain_widget import ExplainWidget

    _dock(viewer, ExplainWidget, EXPLAIN_WIDGET).explain()


def _dock(viewer: napari.Viewer, kind: type, name: str) -> Any:
    docked = viewer.window.dock_widgets.values()
    widget = next((each for each in docked if isinstance(each, kind)), None)
    if widget is None:  # napari's menus and this call would not find each other's dock
        _, widget = viewer.window.add_plugin_dock_widget(PLUGIN, name)
    widget.parent().show()
    widget.parent().raise_()
    return widget


SEGMENT = Shortcut("Ctrl+Shift+M", "Segment the selected image layer", segment_current)
EXPLAIN = Shortcut("Ctrl+Shift+E", "Explain what the model draws", explain_current)
SHORTCUTS = (SEGMENT, EXPLAIN)


def bind(context: object = None) -> None:  # noqa: ARG001 - npe2 hands its context over
    """Bind the shortcuts in every viewer; keys that somebody else bound are left alone."""
    for shortcut in SHORTCUTS:
        try:
            napari.Viewer.bind_key(shortcut.keys, shortcut.action)
        except ValueError:
            continue
