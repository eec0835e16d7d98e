"""Base class of the plugin's docks, which are restored when a window opens again."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import napari
from napari.utils.key_bindings import KeyBinding, coerce_keybinding
from qtpy.QtCore import QEvent, QObject, Qt, QTimer
from qtpy.QtOpenGLWidgets import QOpenGLWidget
from qtpy.QtWidgets import QDockWidget, QLabel, QLayout, QMainWindow, QTabBar, QWidget

from napari_retina_seg._napari import settings as remembered
from napari_retina_seg._napari._compat import engine_freeze, hide_brush_box
from napari_retina_seg._napari.key_table import offer_key_table
from napari_retina_seg._napari.save_mask import ask_on_close
from napari_retina_seg._napari.settings import Settings
from napari_retina_seg._napari.shortcuts import PLUGIN, Shortcut
from napari_retina_seg._napari.view_fit import is_fitted, keep_fitted
from napari_retina_seg._napari.widgets import scrolling, stack

_WIDTH = 330  # px
_MOVIE_SPEED = 6  # %: napari's sign of work in progress then moves twice a second
_SUFFIX = f" ({PLUGIN})"  # as napari names docks of plugins


class Dock(QWidget):
    """Scrollable dock, tabbed with the plugin's other docks, that disconnects on close."""

    _viewer: napari.Viewer

    def __init__(self) -> None:
        super().__init__()
        self._joined = False
        self._is_view_fitted = False  # before the dock takes room from the canvas
        self._bound: dict[KeyBinding, Callable[[napari.Viewer], None]] = {}

    def lay_out(self, *rows: QWidget | QLayout) -> None:
        """Set the scrollable content of the dock, rows below each other."""
        inner = QWidget()
        column = stack(*rows, margins=(6, 4, 6, 4))
        column.addStretch(1)
        inner.setLayout(column)
        self._area = scrolling(inner)
        self.setLayout(stack(self._area))
        self.setMinimumWidth(_WIDTH)
        self._column = column

    def show_row(self, row: QWidget) -> None:
        """Scroll to a row of the dock."""
        self._area.ensureWidgetVisible(row)

    def give_height(self, row: QWidget) -> None:
        """Let a row of the dock use all height that the others leave."""
        self._column.setStretch(self._column.count() - 1, 0)
        self._column.setStretchFactor(row, 1)

    def cleanup(self) -> None:
        """Stop all work and disconnect: the dock is closing."""
        raise NotImplementedError

    def reload(self) -> None:
        """Reload: the dock became visible, or another dock changed shared state."""

    def notify_other_docks(self) -> None:
        """Reload the plugin's other visible docks."""
        for dock in self._viewer.window.dock_widgets.values():
            if isinstance(dock, Dock) and dock is not self and dock.isVisible():
                dock.reload()

    def bring_to_front(self) -> None:
        """Show the dock in front of those that share its place, if the window is shown."""
        frame = self.parent()
        if isinstance(frame, QWidget) and self.window().isVisible():
            frame.show()
            frame.raise_()

    def warn(self, sentence: str) -> None:
        """Show a warning of another dock, which is behind this one."""

    def warn_in_front(self, sentence: str) -> None:
        """Show a warning in the plugin's docks that are seen, for one that is behind them."""
        for dock in self._viewer.window.dock_widgets.values():
            if isinstance(dock, Dock) and dock is not self and not dock.visibleRegion().isEmpty():
                dock.warn(sentence)

    def key_actions(self) -> Mapping[Shortcut, Callable[[], object]]:
        """Return the shortcuts that work while this dock is open, with their actions."""
        return {}

    def event(self, event: QEvent) -> bool:
        """Join the other docks when shown; clean up when napari removes the widget."""
        if event.type() == QEvent.Type.ParentChange and self.parent() is None:
            self._end_use()
            self.cleanup()
        elif event.type() == QEvent.Type.ParentChange and not self._joined:
            self._is_view_fitted = self._is_view_fitted or is_fitted(self._viewer)
        if event.type() == QEvent.Type.Show:
            self._join()
            self._bind_keys()
            engine_freeze.acquire(self)
        # A dock behind another tab, or in a minimised window, does not count as hidden.
        if event.type() == QEvent.Type.Hide and not event.spontaneous():
            self._end_use()
        return super().event(event)

    def _bind_keys(self) -> None:
        """Bind the dock's keys in its viewer, except keys that are bound already."""
        for shortcut, action in self.key_actions().items():
            binding = coerce_keybinding(shortcut.keys)
            if binding not in self._viewer.keymap and binding not in self._viewer.class_keymap:
                self._bound[binding] = _calling(action)
                self._viewer.bind_key(binding, self._bound[binding])

    def _end_use(self) -> None:
        self._unbind_keys()
        engine_freeze.release(self)

    def _unbind_keys(self) -> None:
        for binding, own in self._bound.items():
            if self._viewer.keymap.get(binding) is own:  # not bound again by others meanwhile
                self._viewer.keymap.pop(binding)
        self._bound.clear()

    def _join(self) -> None:
        """Become a tab next to another dock of the plugin: stacked, both would be too small."""
        main, own = self.window(), _frame(self)
        if self._joined or not isinstance(main, QMainWindow) or own is None:
            return
        self._joined = True  # from now on the user decides its place
        own.visibilityChanged.connect(self._on_visibility)  # tabs in the back are not hidden
        offer_key_table(main)
        apply_canvas_workarounds(main, self._viewer)
        keep_fitted(main, self._viewer, self._is_view_fitted)
        ask_on_close(main, self._viewer)
        sibling = next(self._siblings(main), None)
        if sibling is not None:
            main.tabifyDockWidget(sibling, own)
            own.raise_()
        _name_tabs(main, own)
        restore_docks(main, self._viewer, own)

    def _siblings(self, main: QMainWindow) -> Iterator[QDockWidget]:
        """Iterate over the plugin's docks in the same area."""
        area = main.dockWidgetArea(_frame(self))
        for other in main.findChildren(Dock):
            frame = _frame(other)
            if other is self or not other._joined or frame is None or frame.isFloating():
                continue
            if main.dockWidgetArea(frame) == area:
                yield frame

    def _on_visibility(self, on: bool) -> None:
        if on:
            self.reload()


def find_dock(viewer: napari.Viewer, kind: type[Dock]) -> Any:
    """Return a viewer's dock of a type, or None."""
    docked = viewer.window.dock_widgets.values()
    return next((each for each in docked if isinstance(each, kind)), None)


def show_dock(viewer: napari.Viewer, kind: type[Dock], name: str) -> Any:
    """Return a dock of the plugin in front of the others, opening it if needed."""
    widget = find_dock(viewer, kind)
    if widget is None:  # through napari, so that its menus find the same dock
        _, widget = viewer.window.add_plugin_dock_widget(PLUGIN, name)
    widget.parent().show()
    widget.parent().raise_()
    return widget


def open_dock(viewer: napari.Viewer, name: str) -> None:
    """Show a dock of the plugin, by its name in the menu, in front of the others."""
    if name + _SUFFIX not in viewer.window.dock_widgets:
        viewer.window.add_plugin_dock_widget(PLUGIN, name)
    frame = viewer.window.dock_widgets[name + _SUFFIX].parent()
    frame.show()
    frame.raise_()


def _calling(action: Callable[[], object]) -> Callable[[napari.Viewer], None]:
    """Return the callback that napari calls with the viewer on a key press."""

    def call(viewer: napari.Viewer) -> None:  # noqa: ARG001 - the dock knows its viewer
        action()

    return call


def _name_tabs(main: QMainWindow, frame: QDockWidget) -> None:
    """Shorten the tabs of the plugin's docks to one word, so that all are visible."""
    entry = frame.toggleViewAction()
    in_menu = entry.text()
    name = frame.windowTitle().split()[0]
    frame.setWindowTitle(name)
    entry.setText(in_menu)  # the full name, next to docks of other plugins
    for bar in main.findChildren(QTabBar, options=Qt.FindChildOption.FindDirectChildrenOnly):
        if name not in (bar.tabText(index) for index in range(bar.count())):
            continue  # of other docks
        bar.setElideMode(Qt.TextElideMode.ElideNone)
        bar.setUsesScrollButtons(True)
        bar.setStyleSheet("QTabBar::tab { padding: 3px 2px; }")


def _frame(widget: QWidget) -> QDockWidget | None:
    while widget is not None and not isinstance(widget, QDockWidget):
        widget = widget.parent()
    return widget


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


def apply_canvas_workarounds(main: QMainWindow, viewer: napari.Viewer) -> None:
    """Work around what napari does to its canvas; once per window.

    Layers are removed in the canvas's own context, and the brush's box is hidden. Animations slow
    down: each of their frames repaints the whole window, and with it the canvas, which without a
    graphics card takes two thirds of two cores from the job that the animation is about.
    """
    if main.findChild(CanvasContext) is None:
        CanvasContext(main, viewer)
        hide_brush_box(viewer)
        for label in main.findChildren(QLabel):
            if label.movie() is not None:
                label.movie().setSpeed(_MOVIE_SPEED)


class CanvasContext(QObject):
    """Makes the canvas's context current; owned by the window, as layers outlive the docks."""

    def __init__(self, main: QMainWindow, viewer: napari.Viewer) -> None:
        super().__init__(main)
        # Not "removed", in which napari flushes: its own listeners are called first.
        viewer.layers.events.removing.connect(self._make_current)

    def _make_current(self) -> None:
        # Not in the whole window: napari's histogram is another canvas with its own context.
        canvas = self.parent().centralWidget().findChild(QOpenGLWidget)
        if canvas is not None:
            canvas.makeCurrent()
