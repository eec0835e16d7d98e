"""Restore the docks that were open when the window was last closed."""

from __future__ import annotations

import contextlib

import napari
from qtpy.QtCore import QEvent, QObject, Qt, QTimer
from qtpy.QtWidgets import QDockWidget, QMainWindow

from napari_retina_seg._napari import settings as remembered
from napari_retina_seg._napari.settings import Settings
from napari_retina_seg._napari.shortcuts import PLUGIN

_SUFFIX = f" ({PLUGIN})"  # as napari names docks of plugins


def restore_docks(main: QMainWindow, viewer: napari.Viewer, first: QDockWidget) -> None:
    """Reopen the docks of the last session next to the first one, once per window."""
    if main.findChild(DockMemory) is None:
        DockMemory(main, viewer, first)


class DockMemory(QObject):
    """Saves a window's docks and their width when it is closed."""

    def __init__(self, main: QMainWindow, viewer: napari.Viewer, first: QDockWidget) -> None:
        super().__init__(main)
        self._viewer, self._settings, self._first = viewer, Settings(), first
        main.installEventFilter(self)
        # Deferred: napari has not placed the first dock yet.
        QTimer.singleShot(0, self._open)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802 - Qt's
        """Save the docks before napari removes them."""
        if event.type() == QEvent.Type.Close:
            self._save()
        return super().eventFilter(watched, event)

    def _open(self) -> None:
        names = self._settings.choice(remembered.DOCKS, "").split("\n")
        there = self._viewer.window.dock_widgets
        missing = [name for name in names if name and name + _SUFFIX not in there]
        for name in missing:
            with contextlib.suppress(ValueError):  # a dock of another plugin version
                self._viewer.window.add_plugin_dock_widget(PLUGIN, name)
        if missing:
            QTimer.singleShot(0, self._first.raise_)  # new docks come to the front
        width = int(self._settings.number(remembered.DOCK_WIDTH, 0))
        if width:
            self.parent().resizeDocks([self._first], [width], Qt.Orientation.Horizontal)

    def _save(self) -> None:
        open_ones = [
            frame
            for frame in self.parent().findChildren(QDockWidget)
            if frame.objectName().endswith(_SUFFIX) and frame.toggleViewAction().isChecked()
        ]
        names = [frame.objectName().removesuffix(_SUFFIX) for frame in open_ones]
        self._settings.remember_choice(remembered.DOCKS, "\n".join(names))
        in_front = [frame.width() for frame in open_ones if frame.isVisible()]
        if in_front:
            self._settings.remember_number(remembered.DOCK_WIDTH, in_front[0])
