"""Keep TensorFlow's native libraries and the graphics driver's apart.

TensorFlow exports the LLVM it was built with, and by default for the whole process. Mesa's drivers
(software rendering, many AMD cards) use another LLVM and export that. Whichever comes second is
bound to the other's functions, and the window dies with a segmentation fault.
"""

from __future__ import annotations

import gc
import os
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

_LOADING = threading.Lock()  # the flags are the whole process's: one thread at a time sets them
_EXPORTER = "tensorflow.python.pywrap_dlopen_global_flags"


@contextmanager
def apart() -> Iterator[None]:
    """Within this, TensorFlow is loaded privately: it neither lends nor borrows functions."""
    if not hasattr(os, "RTLD_DEEPBIND"):  # only glibc looks symbols up in this way
        yield
        return
    # TensorFlow does without the module where it can't be imported, as in Google's own builds.
    sys.modules.setdefault(_EXPORTER, None)  # type: ignore[arg-type]
    flags = sys.getdlopenflags()
    sys.setdlopenflags(os.RTLD_NOW | os.RTLD_LOCAL | os.RTLD_DEEPBIND)
    try:
        yield
    finally:
        sys.setdlopenflags(flags)


def load_engine() -> None:
    """Import what computes, apart from what draws; this takes seconds the first time.

    TensorFlow's bindings (pybind11) keep the state of the thread that imports them for as long as
    that thread lives. Qt's threads outlive their Python state: used a second time, such a thread
    would read freed memory. So a thread of Python's own imports them, and ends.

    napari collects garbage whenever a layer goes. With TensorFlow's half a million objects that
    stops the window for half a second, so what is there now is left out of every later search;
    the price is that layers which are open now may keep their memory until the program ends.
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
