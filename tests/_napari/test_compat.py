"""What stands beyond napari's public ways is there, is named where it isn't, and is set back."""

import ast
import gc
import logging
import os
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import napari
import numpy as np
import pytest
from napari._vispy.overlays import base
from napari._vispy.utils import visual
from napari.components import ViewerModel
from napari.components.overlays import SceneOverlay
from napari.layers import Labels

import napari_retina_seg._napari as window
from napari_retina_seg._napari import _compat
from napari_retina_seg._napari.masks.edits import UndoTracker, lock, locked
from napari_retina_seg.types.errors import RetinaSegError

SOURCES = sorted(Path(window.__file__).parent.rglob("*.py"))
PRIVATE = re.compile(r"_[A-Za-z]\w*")


@pytest.fixture
def mask() -> Labels:
    return Labels(np.zeros((3, 8, 8), np.uint8), name="mask")


@pytest.fixture
def sentence(caplog: pytest.LogCaptureFixture) -> Iterator[Callable[[], str]]:
    """Return a function that returns the one sentence that was logged."""
    _compat._warn.cache_clear()
    caplog.set_level(logging.WARNING)

    def only() -> str:
        (record,) = caplog.records
        return record.getMessage()

    yield only
    _compat._warn.cache_clear()


@pytest.mark.parametrize(
    "is_there",
    [
        lambda: callable(Labels._apply_mask_to_data),
        lambda: len(Labels(np.zeros((2, 2), int))._undo_history) == 0,
        lambda: len(Labels(np.zeros((2, 2), int))._redo_history) == 0,
        lambda: hasattr(ViewerModel().canvas.overlays["_brush_circle"], "box"),
        lambda: isinstance(base.ViewerOverlayMixin, type),
        lambda: isinstance(base.VispySceneOverlay, type),
        lambda: isinstance(visual.overlay_to_visual, dict),
    ],
    ids=["paint", "undo", "redo", "brush", "mixin", "overlay", "visuals"],
)
def test_the_installed_napari_has_the_private_names(is_there):
    assert is_there()


def test_classes_that_this_napari_cannot_lock_are_refused(mask, monkeypatch):
    monkeypatch.delattr(Labels, "_apply_mask_to_data")
    with pytest.raises(RetinaSegError, match=rf"^napari {re.escape(napari.__version__)} has no "):
        lock(mask, [1])
    assert locked(mask) == frozenset()
    lock(mask, [])  # no class: nothing is asked of napari


def test_a_painter_is_taken_out_again(mask):
    lock(mask, [2])
    assert locked(mask) == {2}
    lock(mask, [])
    assert "_apply_mask_to_data" not in vars(mask)


def test_without_histories_undo_is_not_announced(mask, sentence):
    tracker, seen = UndoTracker(), []
    tracker.stepped.connect(lambda *step: seen.append(step))
    del mask._undo_history
    for _ in range(2):
        tracker.track(mask)
    assert seen == []
    assert sentence().startswith(f"napari {napari.__version__} has no Labels._undo_history, so ")


def test_the_brush_has_no_box(sentence):
    viewer = ViewerModel()
    viewer.canvas.overlays["_brush_circle"].box = True
    _compat.hide_brush_box(viewer)
    assert not viewer.canvas.overlays["_brush_circle"].box
    del viewer.canvas.overlays["_brush_circle"]
    _compat.hide_brush_box(viewer)
    assert f"napari {napari.__version__} has no canvas.overlays" in sentence()


@pytest.mark.parametrize(
    ("module", "name"), [(base, "VispySceneOverlay"), (visual, "overlay_to_visual")]
)
def test_overlays_that_this_napari_cannot_draw_are_left_out(module, name, monkeypatch, sentence):
    class Overlay(SceneOverlay):
        pass

    monkeypatch.delattr(module, name)
    assert not _compat.draw_overlay(Overlay, object, print)
    assert f"napari {napari.__version__} has no napari._vispy" in sentence()


class _Names(ast.NodeVisitor):
    """Private names that a module defines, and those that it asks of others."""

    def __init__(self, tree: ast.Module) -> None:
        self.defined: set[str] = set()
        self.asked: dict[str, int] = {}
        self.visit(tree)

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.ClassDef) -> None:
        self.defined.add(node.name)
        self.generic_visit(node)

    visit_ClassDef = visit_FunctionDef  # noqa: N815

    def visit_Name(self, node: ast.Name) -> None:
        if isinstance(node.ctx, ast.Store):
            self.defined.add(node.id)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        own = isinstance(node.value, ast.Name) and node.value.id in {"self", "cls"}
        if own and isinstance(node.ctx, ast.Store):
            self.defined.add(node.attr)
        elif PRIVATE.fullmatch(node.attr):
            self.asked[node.attr] = node.lineno
        self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> None:
        if isinstance(node.value, str) and PRIVATE.fullmatch(node.value):
            self.asked[repr(node.value)] = node.lineno

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        parts = (node.module or "").split(".")
        if parts[0] != "napari_retina_seg":
            for name in (*parts, *(alias.name for alias in node.names)):
                if PRIVATE.fullmatch(name):
                    self.asked[f"from {name}"] = node.lineno

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            if "._" in alias.name and not alias.name.startswith("napari_retina_seg."):
                self.asked[f"import {alias.name}"] = node.lineno


def foreign_names(files: dict[str, str]) -> list[str]:
    """Return the private names of others that modules use, as ``file:line name``."""
    found = {file: _Names(ast.parse(text)) for file, text in files.items()}
    own = set().union(*(names.defined for names in found.values()))
    return [
        f"{file}:{line} {name}"
        for file, names in found.items()
        for name, line in names.asked.items()
        if name not in own
    ]


def test_private_names_of_napari_stand_in_one_module():
    files = {
        str(path): path.read_text(encoding="utf-8") for path in SOURCES if path.name != "_compat.py"
    }
    assert len(files) > 50
    assert foreign_names(files) == []


@pytest.mark.parametrize(
    "line",
    [
        "from napari._vispy.overlays import base",
        "from napari.layers.labels import _labels_constants",
        "import napari._vispy.canvas as canvas",
        "viewer.window._qt_viewer.canvas",
        "self._mask._undo_history",
        "Labels._apply_mask_to_data(layer)",
        "getattr(layer, '_redo_history')",
        "viewer.canvas.overlays['_brush_circle'].box = False",
        "layer._slice_input = None",
        "class A(Dock):\n    def f(self):\n        self._mask = self._on_visible_change()",
    ],
)
def test_private_names_elsewhere_would_be_found(line):
    own = "class B:\n    def f(self):\n        self._mask = None\n        self._mask.size"
    assert foreign_names({"b.py": own}) == []
    assert len(foreign_names({"b.py": own, "a.py": line})) == 1


@pytest.mark.skipif(not hasattr(os, "RTLD_DEEPBIND"), reason="only glibc looks symbols up so")
@pytest.mark.parametrize("failing", [False, True], ids=["loaded", "failed"])
def test_the_ways_of_loading_libraries_are_set_back(failing, monkeypatch):
    exporter = "tensorflow.python.pywrap_dlopen_global_flags"
    monkeypatch.delitem(sys.modules, exporter, raising=False)
    before = sys.getdlopenflags()
    try:
        with _compat.isolated_dlopen():
            assert sys.getdlopenflags() & os.RTLD_DEEPBIND
            assert not sys.getdlopenflags() & os.RTLD_GLOBAL
            with pytest.raises(ImportError):
                __import__(exporter)
            if failing:
                raise ImportError("no TensorFlow")
    except ImportError:
        assert failing
    assert sys.getdlopenflags() == before
    assert exporter not in sys.modules


def test_importing_tensorflow_left_the_ways_of_loading_libraries():
    assert "tensorflow" in sys.modules  # by the conftest's load_engine
    assert "tensorflow.python.pywrap_dlopen_global_flags" not in sys.modules
    assert not sys.getdlopenflags() & getattr(os, "RTLD_DEEPBIND", 0)


class _User:
    pass


@pytest.fixture
def collector() -> Iterator[_compat.EngineFreeze]:
    """Return a freeze of its own in a process without frozen objects, as napari starts."""
    gc.unfreeze()
    yield _compat.EngineFreeze()
    gc.freeze()  # as the conftest left it


def test_the_collector_is_frozen_while_the_engine_is_in_use(collector):
    first, second = _User(), _User()
    collector.acquire(first)
    assert gc.get_freeze_count() == 0  # TensorFlow isn't there yet
    collector.on_engine_loaded()
    assert gc.get_freeze_count() > 0
    collector.acquire(second)
    collector.acquire(first)  # shown again
    collector.release(first)
    assert gc.get_freeze_count() > 0
    collector.release(second)
    collector.release(second)
    assert gc.get_freeze_count() == 0
    collector.acquire(first)
    assert gc.get_freeze_count() > 0
    collector.release(first)


def test_without_a_user_nothing_is_frozen(collector):
    collector.on_engine_loaded()
    assert gc.get_freeze_count() == 0


def test_a_freeze_by_another_program_is_left_alone(collector):
    user = _User()
    gc.freeze()
    collector.on_engine_loaded()
    collector.acquire(user)
    collector.release(user)
    assert gc.get_freeze_count() > 0


@pytest.mark.gui
def test_docks_use_the_engine_while_they_are_shown(make_napari_viewer, qtbot, monkeypatch):
    freeze = _compat.EngineFreeze()
    monkeypatch.setattr("napari_retina_seg._napari.dock.engine_freeze", freeze)
    viewer = make_napari_viewer(show=True)
    frame, widget = viewer.window.add_plugin_dock_widget("napari-retina-seg", "Segment")
    for end in (frame.hide, lambda: viewer.window.remove_dock_widget(frame)):
        frame.show()
        qtbot.waitUntil(lambda: set(freeze._users) == {widget})
        end()
        assert not freeze._users
    _, widget = viewer.window.add_plugin_dock_widget("napari-retina-seg", "Segment")
    qtbot.waitUntil(lambda: set(freeze._users) == {widget})
    viewer.close()
    assert not freeze._users
