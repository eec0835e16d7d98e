"""Segment, explain and correct retinal images: the public API, imported on first use.

The names and their modules are listed in ``__init__.pyi``. Importing the package imports neither
TensorFlow nor Qt.
"""

from importlib.metadata import PackageNotFoundError, version

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

try:
    __version__ = version("napari-retina-seg")
except PackageNotFoundError:  # a checkout that was never installed
    __version__ = "0.0.0"
