import napari
import numpy as np
import pytest
from napari._app_model import get_app_model
from napari.utils.key_bindings import coerce_keybinding
from qtpy.QtGui import QKeySequence

from napari_retina_seg._napari.actions import on_activate
from napari_retina_seg._napari.explain.widget import ExplainWidget
from napari_retina_seg._napari.job import JobStatus
from napari_retina_seg._napari.segment_widget import SegmentWidget
from napari_retina_seg._napari.shortcuts import (
    ACCEPT,
    CLASS_KEYS,
    EXPLAIN,
    FINISH,
    LINE_KEYS,
    NEXT,
    REVIEW_KEYS,
    SEGMENT,
    SHORTCUTS,
)
from napari_retina_seg._napari.tasks import is_idle


@pytest.fixture
def press(make_napari_viewer, qtbot):
    """Return a viewer and a function that presses the shortcut in its window."""
    on_activate(None)
    viewer = make_napari_viewer()

    def keys(shortcut=SEGMENT, kind=SegmentWidget):
        (combination,) = [QKeySequence(shortcut.keys)[0]]
        qtbot.keyClick(
            viewer.window._qt_viewer.canvas.native,
            combination.key(),
            combination.keyboardModifiers(),
        )
        docks = [w for w in viewer.window.dock_widgets.values() if isinstance(w, kind)]
        assert len(docks) == 1
        return docks[0]

    yield viewer, keys
    qtbot.waitUntil(is_idle, timeout=60_000)


def test_the_shortcut_opens_the_dock_and_segments(press, qtbot, bscan):
    viewer, keys = press
    viewer.add_image(bscan, name="scan")
    widget = keys()
    assert widget.is_running
    with qtbot.waitSignal(widget.finished, timeout=60_000):
        pass
    assert viewer.layers[-1].name == "scan · tiny-oct"


def test_the_shortcut_opens_the_other_dock_and_explains(press, qtbot, bscan):
    viewer, keys = press
    viewer.add_image(bscan, name="scan")
    widget = keys(EXPLAIN, ExplainWidget)
    with qtbot.waitSignal(widget.finished, timeout=60_000):
        pass
    assert viewer.layers[-1].name == "scan · tiny-oct · Grad-CAM RNFL, bottleneck"


def test_the_shortcut_refuses_a_label_layer(press):
    viewer, keys = press
    viewer.add_labels(np.ones((64, 64), int), name="cells")
    widget = keys()
    assert not widget.is_running
    assert widget.status.result is JobStatus.FAILED
    assert "'cells' is a Labels layer: select an image layer" in widget.status.text()


def test_the_shortcut_uses_the_dock_that_the_menu_opened(press, qtbot, bscan):
    viewer, keys = press
    get_app_model().commands.execute_command("napari-retina-seg.segment")
    viewer.add_image(bscan, name="scan")
    with qtbot.waitSignal(keys().finished, timeout=60_000):
        pass
    assert viewer.layers[-1].name == "scan · tiny-oct"


def test_the_button_names_the_shortcut(press, bscan):
    viewer, _ = press
    _, widget = viewer.window.add_plugin_dock_widget("napari-retina-seg", "Segment")
    viewer.add_image(bscan)
    native = QKeySequence(SEGMENT.keys).toString(QKeySequence.SequenceFormat.NativeText)
    assert native in widget.button.toolTip()


def test_keys_bound_by_others_are_left_alone(monkeypatch):
    def theirs(viewer):
        pass

    monkeypatch.setattr(napari.Viewer, "class_keymap", {})
    napari.Viewer.bind_key(SEGMENT.keys, theirs)
    on_activate(None)
    assert next(iter(napari.Viewer.class_keymap.values())) is theirs


def test_keys_of_a_dock_work_only_while_it_is_open(make_napari_viewer, qtbot):
    viewer, other = make_napari_viewer(show=True), make_napari_viewer()
    before = set(viewer.keymap)
    menus = {each.keybinding for each in get_app_model().keybindings}
    assert coerce_keybinding("Ctrl+0") in menus  # napari's zoom, which comes before the canvas
    assert not menus & {coerce_keybinding(shortcut.keys) for shortcut in SHORTCUTS}
    letters = {coerce_keybinding(each.keys) for each in (*REVIEW_KEYS, *LINE_KEYS, *CLASS_KEYS)}
    _, review = viewer.window.add_plugin_dock_widget("napari-retina-seg", "Review")
    _, correct = viewer.window.add_plugin_dock_widget("napari-retina-seg", "Correct")
    qtbot.waitUntil(lambda: letters <= set(viewer.keymap))  # one is behind the tab of the other
    assert not letters & (set(other.keymap) | set(napari.Viewer.class_keymap))
    review.parent().hide()
    assert coerce_keybinding(NEXT.keys) not in viewer.keymap
    review.parent().show()
    assert coerce_keybinding(NEXT.keys) in viewer.keymap
    for dock in (review, correct):
        viewer.window.remove_dock_widget(dock)
    assert set(viewer.keymap) == before


def test_a_dock_does_not_rebind_keys_bound_by_others(make_napari_viewer, qtbot):
    viewer = make_napari_viewer(show=True)

    def theirs(viewer):
        pass

    viewer.bind_key(NEXT.keys, theirs)
    _, review = viewer.window.add_plugin_dock_widget("napari-retina-seg", "Review")
    qtbot.waitUntil(lambda: coerce_keybinding(ACCEPT.keys) in viewer.keymap)
    viewer.bind_key(FINISH.keys, theirs, overwrite=True)
    viewer.window.remove_dock_widget(review)
    for shortcut in (NEXT, FINISH):
        assert viewer.keymap[coerce_keybinding(shortcut.keys)] is theirs
    assert coerce_keybinding(ACCEPT.keys) not in viewer.keymap
