"""One table of all keys, at ``?``; and none of them is napari's."""

import re
from html import escape

import napari
import pytest
from napari.layers import Image, Labels
from napari.utils.key_bindings import coerce_keybinding
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication

from napari_retina_seg._napari.key_table import KeyTable
from napari_retina_seg._napari.shortcuts import ASSIGN, CLASS_KEYS, NEXT, SHORTCUTS


def tables():
    return [each for each in QApplication.topLevelWidgets() if isinstance(each, KeyTable)]


@pytest.fixture
def shown(make_napari_viewer, qtbot):
    """Return a viewer with a dock of ours, and a function that presses ``?`` over something."""
    viewer = make_napari_viewer(show=True)
    viewer.window.add_plugin_dock_widget("napari-retina-seg", "Review")
    main = viewer.window._qt_window
    main.activateWindow()
    qtbot.waitUntil(main.isActiveWindow, timeout=10_000)
    del main  # napari looks for whoever holds its window

    def press(over):
        over.setFocus()
        qtbot.keyClick(over, Qt.Key.Key_Question, Qt.KeyboardModifier.ShiftModifier)

    yield viewer, press
    for table in tables():
        table.close()
    for dock in viewer.window.dock_widgets.values():
        dock.cleanup()
    qtbot.waitUntil(lambda: not tables())


def test_a_question_mark_over_the_image_shows_all_keys(shown, qtbot):
    viewer, press = shown
    press(viewer.window._qt_viewer.canvas.native)
    qtbot.waitUntil(lambda: len(tables()) == 1)
    (dialog,) = tables()
    with qtbot.waitExposed(dialog):
        pass
    left, right = (column.text() for column in dialog.columns)
    for shortcut in SHORTCUTS:
        if shortcut not in CLASS_KEYS:
            row = f"{escape(shortcut.native)}</td><td>{escape(shortcut.description)}</td>"
            assert row in left + right
    assert f"{CLASS_KEYS[1].native} … {CLASS_KEYS[9].native}" in left
    for keys, words in (("2 or P", "Brush"), ("Ctrl+Z", "Undo"), ("Mouse wheel", "Zoom")):
        assert f"{keys}</td><td>{words}</td>" in right
    # What is done most comes first, and all of it fits on a laptop.
    titles = re.findall(r"<b>(.*?)</b>", left + right)
    assert titles[:3] == ["Review", "Correct", "Boundary lines"]
    assert titles[3:5] == ["Arteries and veins, while the tool is in use", "Paint"]
    assert left.index(NEXT.description) < left.index(ASSIGN.description)
    assert dialog.frameGeometry().height() < 768
    for column in dialog.columns:
        assert column.height() >= column.heightForWidth(column.width())
        assert column.visibleRegion().boundingRect().height() == column.height()
    dialog.activateWindow()
    qtbot.waitUntil(dialog.isActiveWindow)
    press(dialog)
    qtbot.waitUntil(lambda: not tables())


def test_one_table_closes_again_while_the_keys_still_go_to_the_image(shown, qtbot):
    viewer, press = shown
    canvas = viewer.window._qt_viewer.canvas.native
    for key in (Qt.Key.Key_Question, Qt.Key.Key_Escape):
        canvas.window().activateWindow()
        press(canvas)
        qtbot.waitUntil(lambda: len(tables()) == 1)
        canvas.window().activateWindow()
        qtbot.waitUntil(canvas.window().isActiveWindow)
        if key == Qt.Key.Key_Question:
            press(canvas)
        else:
            qtbot.keyClick(canvas, key)
        qtbot.waitUntil(lambda: not tables())


def test_every_shortcut_belongs_to_a_dock_and_takes_no_key_of_masks_and_images(
    monkeypatch, make_napari_viewer
):
    monkeypatch.setattr(napari.Viewer, "class_keymap", {})
    make_napari_viewer()
    providers = (napari.Viewer, Labels, Image)
    theirs = {str(key) for provider in providers for key in provider.class_keymap}
    assert {"P", "Ctrl+Z"} <= theirs
    for shortcut in SHORTCUTS:
        assert shortcut.dock, shortcut
        assert str(coerce_keybinding(shortcut.keys)) not in theirs, shortcut


def test_no_key_is_bound_twice():
    keys = [str(coerce_keybinding(shortcut.keys)) for shortcut in SHORTCUTS]
    assert len(set(keys)) == len(keys)
