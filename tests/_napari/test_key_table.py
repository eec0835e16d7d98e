"""One table of all keys, at ``?``; and none of them is napari's."""

import napari
import pytest
from napari.layers import Image, Labels
from napari.utils.key_bindings import coerce_keybinding
from napari.utils.shortcuts import default_shortcuts
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication

from napari_retina_seg._napari.key_table import KeyTable
from napari_retina_seg._napari.keys import SHORTCUTS


def tables():
    return [each for each in QApplication.topLevelWidgets() if isinstance(each, KeyTable)]


@pytest.fixture
def shown(make_napari_viewer, qtbot):
    """Return a viewer with a dock of ours, and a function that presses ``?`` over something."""
    viewer = make_napari_viewer(show=True)
    viewer.window.add_plugin_dock_widget("napari-retina-seg", "Review")
    viewer.window._qt_window.activateWindow()
    qtbot.wait(50)

    def press(over):
        over.setFocus()
        qtbot.keyClick(over, Qt.Key.Key_Question, Qt.KeyboardModifier.ShiftModifier)
        qtbot.wait(50)

    yield viewer, press
    for table in tables():
        table.close()
    for dock in viewer.window.dock_widgets.values():
        dock.close_down()


def test_a_question_mark_over_the_image_shows_all_keys(shown, qtbot):
    viewer, press = shown
    press(viewer.window._qt_viewer.canvas.native)
    (dialog,) = tables()
    rows = range(dialog.table.rowCount())
    cells = {tuple(dialog.table.item(row, column).text() for column in range(3)) for row in rows}
    for shortcut in SHORTCUTS:
        assert (shortcut.dock, shortcut.native, shortcut.description) in cells
    assert any(where == "napari" and what == "Brush" for where, _, what in cells)
    dialog.activateWindow()
    qtbot.wait(50)
    press(dialog)
    qtbot.waitUntil(lambda: not tables())


def test_every_shortcut_belongs_to_a_dock_and_is_napari_s_nowhere():
    theirs = {str(key) for keys in default_shortcuts.values() for key in keys}
    for provider in (napari.Viewer, Labels, Image):
        bound = provider.class_keymap.items()
        theirs |= {str(key) for key, act in bound if "retina" not in str(act.__module__)}
    for shortcut in SHORTCUTS:
        assert shortcut.dock, shortcut
        assert str(coerce_keybinding(shortcut.keys)) not in theirs, shortcut


def test_no_key_is_bound_twice():
    keys = [str(coerce_keybinding(shortcut.keys)) for shortcut in SHORTCUTS]
    assert len(set(keys)) == len(keys)
