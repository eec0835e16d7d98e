"""Segment, explain and correct retinal images in napari. The version, nothing else."""

try:
    from napari_retina_seg._version import __version__
except ImportError:  # a checkout that was never installed has no generated version file
    __version__ = "0.0.0"

__all__ = ["__version__"]
