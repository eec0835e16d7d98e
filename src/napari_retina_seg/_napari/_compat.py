"""What the plugin needs of napari, of Python and of the system beyond their public ways.

Private names of napari stand here and nowhere else in the window's code. Where a release of napari
lacks one, a sentence names that release, and what depends on it refuses or is left out. What is
set for the whole process is set here, and set back.
"""

from __future__ import annotations

import gc
import logging
import os
import sys
import threading
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from napari_retina_seg.core.errors import RetinaSegError

if TYPE_CHECKING:
    from napari import Viewer
    from napari.components.overlays import SceneOverlay
    from napari.layers import Labels

log = logging.getLogger(__name__)

_PAINT = "_apply_mask_to_data"
_BRUSH_CIRCLE = "_brush_circle"
_TENSORFLOW_EXPORTER = "tensorflow.python.pywrap_dlopen_global_flags"


class Painter(Protocol):
    """Changes the pixels of a mask in place, as napari's tools ask for it."""

    def __call__(
        self,
        data: npt.NDArray[np.generic],
        mask: npt.NDArray[np.bool_],
        new_label: int,
        volume_slice: tuple[slice, ...],
    ) -> npt.NDArray[np.bool_] | None:
        """Give the pixels of ``mask`` a label; return those that changed, None if none did."""


def set_painter(layer: Labels, painter: Painter | None) -> None:
    """Let all of napari's tools change a mask through a function.

    Parameters
    ----------
    layer : Labels
        The mask itself, not a plugin's proxy of it.
    painter : Painter or None
        None for napari's own, which is faster.

    Raises
    ------
    RetinaSegError
        If this napari paints in another way.
    """
    vars(layer).pop(_PAINT, None)
    if painter is not None:
        _require_paint()
        vars(layer)[_PAINT] = painter


def find_painter(layer: Labels) -> object:
    """Return what `set_painter` gave to a mask, or None."""
    return vars(layer).get(_PAINT)


def paint(
    layer: Labels,
    data: npt.NDArray[np.generic],
    mask: npt.NDArray[np.bool_],
    new_label: int,
    volume_slice: tuple[slice, ...],
) -> npt.NDArray[np.bool_] | None:
    """Change pixels of a mask as napari does by itself: see `Painter`."""
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
    """Return the steps of a mask that Undo and Redo would take next, each with its next one last.

    Both are empty where napari keeps them elsewhere.
    """
    try:
        return layer._undo_history, layer._redo_history
    except AttributeError:
        _warn(_missing("Labels._undo_history", "the window doesn't say what Undo changed"))
        return (), ()


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


def hide_brush_box(viewer: Viewer) -> None:
    """Let the circle that shows the brush have no box behind it.

    napari never means to show that box, but does so when a layer comes or goes with the brush in
    hand: a dark square stays on the image.
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
    """Let napari draw a new kind of overlay; there is no public way.

    Parameters
    ----------
    kind : type
        The overlay's model, with a field ``position``.
    make_node : callable
        Makes what vispy draws.
    update : callable
        Puts a node where its overlay's ``position`` says.

    Returns
    -------
    bool
        False where this napari draws overlays in another way: none of this kind may be shown.
    """
    try:
        from napari._vispy.overlays.base import ViewerOverlayMixin, VispySceneOverlay
        from napari._vispy.utils.visual import overlay_to_visual
    except ImportError:
        _warn(_missing("napari._vispy.overlays.base", "the place that is explained isn't marked"))
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


class EngineFreeze:
    """Leaves TensorFlow's objects out of garbage collection while somebody works with the plugin.

    napari collects garbage whenever a layer goes. With TensorFlow's half a million objects that
    stops the window for half a second. Frozen objects are skipped, those of layers that were open
    included: what these held is freed when the last user has gone. If another part of the program
    has frozen objects, all is left as it is, since Python can't unfreeze only some.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()  # a collection in here may close a dock
        self._users: weakref.WeakSet[object] = weakref.WeakSet()
        self._loaded = False
        self._frozen = False

    def acquire(self, user: object) -> None:
        """Begin, if TensorFlow is there; for a user that has begun, nothing changes."""
        with self._lock:
            self._users.add(user)
            self._update()

    def release(self, user: object) -> None:
        """End; the last user's end sets the collector back."""
        with self._lock:
            self._users.discard(user)
            self._update()

    def on_engine_loaded(self) -> None:
        """Freeze what has just been imported, if there is a user."""
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
    """Load native libraries privately: they neither lend functions to others nor borrow theirs.

    TensorFlow exports the LLVM it was built with, and by default for the whole process. Mesa's
    drivers (software rendering, many AMD cards) use another LLVM and export that. Whichever comes
    second is bound to the other's functions, and the window dies with a segmentation fault.

    The flags are the whole process's: one thread at a time may be in here.
    """
    if not hasattr(os, "RTLD_DEEPBIND"):  # only glibc looks symbols up in this way
        yield
        return
    # TensorFlow does without the module where it can't be imported, as in Google's own builds.
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


def _missing(symbol: str, consequence: str) -> str:
    from napari import __version__

    return f"napari {__version__} has no {symbol}, so {consequence}: install napari 0.9."


@cache
def _warn(sentence: str) -> None:
    """Log a sentence once, as what causes it may be asked for at every stroke."""
    log.warning(sentence)
