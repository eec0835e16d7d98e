"""Isolate TensorFlow's native libraries from the graphics driver's.

TensorFlow exports the LLVM it was built with, and by default for the whole process. Mesa's drivers
(software rendering, many AMD cards) use another LLVM and export that. Whichever is loaded second
binds to the other's functions, and the process dies with a segmentation fault.
"""

from __future__ import annotations

import gc
import os
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

_LOADING = threading.Lock()  # the flags are global to the process
_EXPORTER = "tensorflow.python.pywrap_dlopen_global_flags"


@contextmanager
def apart() -> Iterator[None]:
    """Load libraries in isolation within this context: they neither export nor import symbols."""
    if not hasattr(os, "RTLD_DEEPBIND"):  # glibc only
        yield
        return
    # TensorFlow works without this module, as in Google's own builds.
    sys.modules.setdefault(_EXPORTER, None)  # type: ignore[arg-type]
    flags = sys.getdlopenflags()
    sys.setdlopenflags(os.RTLD_NOW | os.RTLD_LOCAL | os.RTLD_DEEPBIND)
    try:
        yield
    finally:
        sys.setdlopenflags(flags)


def load_engine() -> None:
    """Import TensorFlow isolated from the graphics driver; takes seconds the first time.

    TensorFlow's bindings (pybind11) keep the state of the thread that imports them for as long as
    that thread lives. Qt's threads outlive their Python state: reused, such a thread would read
    freed memory. So a Python thread imports them, and ends.

    napari collects garbage whenever a layer is removed. With TensorFlow's half a million objects
    that blocks the window for half a second, so all current objects are frozen; the price is that
    layers which are open now may keep their memory until the program ends.
    """
    with _LOADING:
        if "tensorflow" not in sys.modules:
            with ThreadPoolExecutor(1) as loader:
                loader.submit(_import_apart).result()
            gc.freeze()


def _import_apart() -> None:
    with apart():
        from napari_retina_seg.engine.predict import import_engine

        import_engine()
