"""Segment, explain and correct retinal images in napari. The version, nothing else."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("napari-retina-seg")
except PackageNotFoundError:  # a checkout that was never installed
    __version__ = "0.0.0"

__all__ = ["__version__"]
