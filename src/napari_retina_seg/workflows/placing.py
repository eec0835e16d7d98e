"""Placement of an image in patient coordinates, for formats that store it."""

from __future__ import annotations

from pathlib import Path

from napari_retina_seg.io import SUFFIXES, is_read_as_dicom
from napari_retina_seg.io.formats.nifti import is_nifti
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
    if _is_without(image.path):
        return None  # such files have none, and need not exist
    return project.read_image(image.id).placement


def _is_without(path: Path) -> bool:
    """Whether a file is of a format without placement; if it is missing, by its suffix."""
    if path.is_file():
        return not (is_read_as_dicom(path) or is_nifti(path))
    return path.suffix.lower() in _WITHOUT
