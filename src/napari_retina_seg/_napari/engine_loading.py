"""Import TensorFlow isolated from the graphics driver."""

from __future__ import annotations

import sys
import threading
from concurrent.futures import ThreadPoolExecutor

from napari_retina_seg._napari._compat import engine_freeze, isolated_dlopen

_LOADING = threading.Lock()


def load_engine() -> None:
    """Import TensorFlow isolated from the graphics driver; takes seconds the first time.

    TensorFlow's bindings (pybind11) keep the state of the thread that imports them for as long as
    that thread lives. Qt's threads outlive their Python state: reused, such a thread would read
    freed memory. So a Python thread imports them, and ends.
    """
    with _LOADING:
        if "tensorflow" not in sys.modules:
            with ThreadPoolExecutor(1) as loader:
                loader.submit(_import_isolated).result()
        engine_freeze.on_engine_loaded()


def _import_isolated() -> None:
    with isolated_dlopen():
        from napari_retina_seg.inference.predictor import import_engine

        import_engine()
