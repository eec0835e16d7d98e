"""Placement of an image in patient coordinates, for formats that store it."""

from __future__ import annotations

from pathlib import Path

from napari_retina_seg.io import SUFFIXES, is_read_as_dicom
from napari_retina_seg.project.values import ProjectImage
from napari_retina_seg.project.view import ProjectView
from napari_retina_seg.types.image import Placement

_WITHOUT = frozenset(SUFFIXES) - {".dcm", ".dicom", ".dic", ".ima"}


def placement_of(project: ProjectView, image: ProjectImage) -> Placement | None:
    """Return the placement in an image's file, with the pixel sizes stated by the user.

    Raises
    ------
    ProjectError
        If the file is no longer the one that was added.
    ReadError
        If it can't be read.
    """
    there = image.path.is_file()
    without = not is_read_as_dicom(image.path) if there else _is_named_as_without(image.path)
    if without:
        return None  # such files have none, and need not exist
    return project.read_image(image.id).placement


def _is_named_as_without(path: Path) -> bool:
    """Whether a missing file has a suffix of a format without placement."""
    return path.suffix.lower() in _WITHOUT
