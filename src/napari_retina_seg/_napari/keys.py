"""The plugin's keyboard shortcuts, all of them; bound when the plugin is first used."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import napari

PLUGIN = "napari-retina-seg"
SEGMENT_WIDGET = "Segment"


@dataclass(frozen=True)
class Shortcut:
    """Keys, what they do in words, and the function that gets the viewer."""

    keys: str
    description: str
    action: Callable[[Any], None]


def segment_current(viewer: napari.Viewer) -> None:
    """Segment the selected layer, opening the dock if it is not there."""
    from napari_retina_seg._napari.segment_widget import SegmentWidget

    docked = viewer.window.dock_widgets.values()
    widget = next((each for each in docked if isinstance(each, SegmentWidget)), None)
    if widget is None:  # napari's menus and this call would not find each other's dock
        _, widget = viewer.window.add_plugin_dock_widget(PLUGIN, SEGMENT_WIDGET)
    widget.parent().show()
    widget.parent().raise_()
    widget.segment_selected()


SEGMENT = Shortcut("Ctrl+Shift+M", "Segment the selected image layer", segment_current)
SHORTCUTS = (SEGMENT,)


def bind(context: object = None) -> None:  # noqa: ARG001 - npe2 hands its context over
    """Bind the shortcuts in every viewer; keys that somebody else bound are left alone."""
    for shortcut in SHORTCUTS:
        try:
            napari.Viewer.bind_key(shortcut.keys, shortcut.action)
        except ValueError:
            continue
