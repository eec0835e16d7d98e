"""Workarounds that need private APIs of napari, or change process-wide state.

Only this module uses napari's private names. If a napari release lacks one, a message names the
release, and the dependent feature is refused or left out. Process-wide settings are changed here
only, and restored.
"""

from __future__ import annotations

import gc
import logging
import os
import sys
import threading
import weakref
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from napari_retina_seg.types.errors import RetinaSegError

if TYPE_CHECKING:
    from napari import Viewer
    from napari.components.overlays import SceneOverlay
    from napari.layers import Labels

log = logging.getLogger(__name__)

_PAINT = "_apply_mask_to_data"
_BRUSH_CIRCLE = "_brush_circle"
_TENSORFLOW_EXPORTER = "tensorflow.python.pywrap_dlopen_global_flags"


class Painter(Protocol):
    """Changes pixels of a mask in place on behalf of napari's tools."""

    def __call__(
        self,
        data: npt.NDArray[np.generic],
        mask: npt.NDArray[np.bool_],
        new_label: int,
        volume_slice: tuple[slice, ...],
    ) -> npt.NDArray[np.bool_] | None:
        """Set the pixels of ``mask`` to a label; return the changed ones, None if none did."""


def set_painter(layer: Labels, painter: Painter | None) -> None:
    """Route all of napari's tools that change a mask through a function.

    Parameters
    ----------
    layer : Labels
        The mask itself, not a plugin's proxy of it.
    painter : Painter or None
        None restores napari's own, which is faster.

    Raises
    ------
    RetinaSegError
        If this napari release paints differently.
    """
    vars(layer).pop(_PAINT, None)
    if painter is not None:
        _require_paint()
        vars(layer)[_PAINT] = painter


def find_painter(layer: Labels) -> object:
    """Return the painter of a mask, or None."""
    return vars(layer).get(_PAINT)


def paint(
    layer: Labels,
    data: npt.NDArray[np.generic],
    mask: npt.NDArray[np.bool_],
    new_label: int,
    volume_slice: tuple[slice, ...],
) -> npt.NDArray[np.bool_] | None:
    """Change pixels of a mask with napari's own function; see `Painter`."""
    changed: npt.NDArray[np.bool_] | None = _require_paint()(
        layer, data, mask, new_label, volume_slice
    )
    return changed


def _require_paint() -> Callable[..., Any]:
    from napari.layers import Labels

    own = getattr(Labels, _PAINT, None)
    if own is None:
        raise RetinaSegError(_missing(f"Labels.{_PAINT}", "classes can't be locked"))
    found: Callable[..., Any] = own
    return found


def find_histories(layer: Labels) -> tuple[Sequence[Any], Sequence[Any]]:
    """Return the undo and redo histories of a mask, each with its next step last.

    Both are empty if napari stores them differently.
    """
    try:
        return layer._undo_history, layer._redo_history
    except AttributeError:
        _warn(_missing("Labels._undo_history", "undone slices are not shown"))
        return (), ()


def restore_history(layer: Labels, undo: Sequence[Any], redo: Sequence[Any]) -> None:
    """Restore histories of a mask, which napari clears when the mask is made read-only."""
    for history, steps in zip(find_histories(layer), (undo, redo), strict=True):
        if isinstance(history, deque):
            history.clear()
            history.extend(steps)


def find_changed_slices(step: Sequence[Any]) -> list[int]:
    """Return the slices of a volume that a step of `find_histories` changes, in order."""
    found: set[int] = set()
    for part in step:  # a box, or places along each axis with their values
        if hasattr(part, "slice_key"):
            box = part.slice_key[-3]
            found.update(range(box.start, box.stop))
        else:
            found.update(np.unique(part[0][-3]).tolist())
    return sorted(found)


def call_after_history(layer: Labels, callback: Callable[[], None] | None) -> None:
    """Call something after every undo and redo of a mask, also while it is hidden.

    napari draws a layer that it has undone, and emits an event, only if the layer is visible.

    Parameters
    ----------
    layer : Labels
        The mask.
    callback : callable or None
        Replaces an earlier one; None calls nothing any more.
    """
    mask = weakref.ref(layer)  # weak: a cycle would keep the layer's pixels

    def wrap(name: str) -> Callable[[], None]:
        def step() -> None:
            found = mask()
            if found is not None and callback is not None:
                getattr(type(found), name)(found)
                callback()

        return step

    for name in ("undo", "redo"):
        vars(layer).pop(name, None)
        if callback is not None:
            setattr(layer, name, wrap(name))


def hide_brush_box(viewer: Viewer) -> None:
    """Hide the box behind the brush circle.

    napari shows that box by mistake when a layer is added or removed while the brush is active: a
    dark square stays on the image.
    """
    overlays = viewer.canvas.overlays
    if _BRUSH_CIRCLE in overlays:
        overlays[_BRUSH_CIRCLE].box = False
    else:
        _warn(_missing(f'canvas.overlays["{_BRUSH_CIRCLE}"]', "a square may stay on the image"))


def draw_overlay(
    kind: type[SceneOverlay],
    make_node: Callable[[], Any],
    update: Callable[[Any, SceneOverlay], None],
) -> bool:
    """Register a new kind of overlay, for which napari has no public API.

    Parameters
    ----------
    kind : type
        The overlay's model, with a field ``position``.
    make_node : callable
        Makes the vispy node.
    update : callable
        Moves a node to its overlay's ``position``.

    Returns
    -------
    bool
        False if this napari release draws overlays differently: do not show any of this kind.
    """
    try:
        from napari._vispy.overlays.base import ViewerOverlayMixin, VispySceneOverlay
        from napari._vispy.utils.visual import overlay_to_visual
    except ImportError:
        _warn(_missing("napari._vispy.overlays.base", "the explained point is not marked"))
        return False

    class Visual(ViewerOverlayMixin, VispySceneOverlay):
        def __init__(self, **kwargs: Any) -> None:
            super().__init__(node=make_node(), **kwargs)
            self.overlay.events.position.connect(self._on_position_change)
            self._on_position_change()
            self.reset()

        def _on_position_change(self) -> None:
            update(self.node, self.overlay)

    overlay_to_visual[kind] = Visual
    return True


def prefer_writers(plugin: str) -> None:
    """Offer a plugin's writers before others for the same layers.

    napari otherwise offers them in the order in which plugins were registered, its own first.

    Parameters
    ----------
    plugin : str
        Name of the plugin.
    """
    from npe2 import PluginManager

    try:
        writers = PluginManager.instance()._contrib._writers
        writers.sort(key=lambda entry: entry[-1].plugin_name != plugin)
    except AttributeError:
        _warn(
            _missing(
                "PluginManager._contrib._writers", "napari's writers are offered first", "npe2"
            )
        )


class EngineFreeze:
    """Excludes TensorFlow's objects from garbage collection while the plugin is in use.

    napari collects garbage whenever a layer is removed. With TensorFlow's half a million objects
    that blocks the window for half a second. Frozen objects are skipped, including those of open
    layers, whose memory is freed after the last `release`. If other code froze objects, nothing
    is frozen here, since Python can only unfreeze all at once.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()  # a collection in here may close a dock
        self._users: weakref.WeakSet[object] = weakref.WeakSet()
        self._loaded = False
        self._frozen = False

    def acquire(self, user: object) -> None:
        """Register a user, and freeze if TensorFlow is loaded; idempotent."""
        with self._lock:
            self._users.add(user)
            self._update()

    def release(self, user: object) -> None:
        """Unregister a user; the last one unfreezes."""
        with self._lock:
            self._users.discard(user)
            self._update()

    def on_engine_loaded(self) -> None:
        """Freeze the imported objects, if there is a user."""
        with self._lock:
            self._loaded = True
            self._update()

    def _update(self) -> None:
        wanted = self._loaded and len(self._users) > 0
        if wanted and not self._frozen and gc.get_freeze_count() == 0:
            gc.freeze()
            self._frozen = True
        elif self._frozen and not wanted:
            gc.unfreeze()
            self._frozen = False


engine_freeze = EngineFreeze()


@contextmanager
def isolated_dlopen() -> Iterator[None]:
    """Load native libraries in isolation: they neither export nor import symbols.

    TensorFlow exports the LLVM it was built with, and by default for the whole process. Mesa's
    drivers (software rendering, many AMD cards) use another LLVM and export that. Whichever comes
    second binds to the other's functions, and the process dies with a segmentation fault.

    The flags are global to the process: only one thread at a time may use this.
    """
    if not hasattr(os, "RTLD_DEEPBIND"):  # glibc only
        yield
        return
    # TensorFlow works without this module, as in Google's own builds.
    hidden = _TENSORFLOW_EXPORTER not in sys.modules
    if hidden:
        sys.modules[_TENSORFLOW_EXPORTER] = None  # type: ignore[assignment]
    flags = sys.getdlopenflags()
    sys.setdlopenflags(os.RTLD_NOW | os.RTLD_LOCAL | os.RTLD_DEEPBIND)
    try:
        yield
    finally:
        sys.setdlopenflags(flags)
        if hidden:
            sys.modules.pop(_TENSORFLOW_EXPORTER, None)


def _missing(symbol: str, consequence: str, package: str = "napari") -> str:
    release = f"{package} {version(package)}"
    return f"{release} has no {symbol}, so {consequence}: install napari 0.9."


@cache
def _warn(sentence: str) -> None:
    """Log a message once, as its cause may recur with every stroke."""
    log.warning(sentence)
