import numpy as np
import pytest
from napari._app_model import get_app_model
from qtpy.QtGui import QKeySequence

from napari_retina_seg._napari.explain.widget import ExplainWidget
from napari_retina_seg._napari.job import End
from napari_retina_seg._napari.keys import EXPLAIN, SEGMENT, bind
from napari_retina_seg._napari.segment_widget import SegmentWidget
from napari_retina_seg._napari.tasks import is_idle


@pytest.fixture
def press(make_napari_viewer, qtbot):
    """Return a viewer and a function that presses the shortcut in its window."""
    bind()
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
    assert widget.status.end is End.FAILED
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


def test_keys_that_somebody_bound_are_left_alone(monkeypatch):
    import napari

    def theirs(viewer):
        pass

    monkeypatch.setattr(napari.Viewer, "class_keymap", {})
    napari.Viewer.bind_key(SEGMENT.keys, theirs)
    bind()
    assert next(iter(napari.Viewer.class_keymap.values())) is theirs
