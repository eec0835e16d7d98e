"""The DICOM images of a project, found by the UIDs in masks from other programs."""

from __future__ import annotations

from collections.abc import Container, Generator, Iterable
from typing import NamedTuple

from napari_retina_seg.io.formats.dicom_header import DicomIds, read_ids
from napari_retina_seg.project.images import damage_of, local_path
from napari_retina_seg.project.values import ProjectImage
from napari_retina_seg.types.errors import ProjectError, ReadError
from napari_retina_seg.types.progress import CancelToken, Progress

_NAMED = 5  # images in a sentence


class DicomImage(NamedTuple):
    """An image and its DICOM UIDs."""

    image: ProjectImage
    ids: DicomIds


def iter_dicom_images(
    images: Iterable[ProjectImage], token: CancelToken
) -> Generator[Progress, None, tuple[DicomImage, ...]]:
    """Find the DICOM images of a project (slow: reads all headers).

    The UIDs are read from the headers, not from the records: this also works for projects of older
    versions, and no record identifies a patient. A file that can't be read is left out.
    """
    listed = list(images)
    found = []
    for done, image in enumerate(listed):
        token.raise_if_cancelled()
        yield Progress(done, len(listed), "Looking for DICOM images")
        try:
            ids = read_ids(local_path(image))
        except ReadError:
            continue
        if ids is not None:
            found.append(DicomImage(image, ids))
    return tuple(found)


def find_same(wanted: DicomIds, known: Iterable[DicomImage]) -> ProjectImage | None:
    """Find the image that a DICOM Segmentation refers to by its own UID.

    Parameters
    ----------
    wanted : DicomIds
        The UIDs it refers to.
    known : iterable of DicomImage
        The images to choose from.

    Raises
    ------
    ProjectError
        If there are several, or its file is not the one that was added.
    """
    return _pick([one.image for one in known if one.ids.instance == wanted.instance])


def find_resent_image(
    wanted: DicomIds, known: Iterable[DicomImage], named: Container[ProjectImage]
) -> ProjectImage | None:
    """Find an image that was resent under a new UID in the same series.

    A series may hold both eyes, so that the name must agree, too.

    Parameters
    ----------
    wanted : DicomIds
        What a DICOM Segmentation refers to.
    known : iterable of DicomImage
        The images to choose from.
    named : container of ProjectImage
        The images with the name of the segmentation.

    Raises
    ------
    ProjectError
        If there are several, or its file is not the one that was added.
    """
    if not wanted.series:
        return None
    alike = [one.image for one in known if one.ids.series == wanted.series]
    return _pick([image for image in alike if image in named])


def _pick(found: list[ProjectImage]) -> ProjectImage | None:
    """Return the only unchanged image; the UIDs of a replaced file prove nothing."""
    damages = [damage_of(image) for image in found]
    whole = [image for image, damage in zip(found, damages, strict=True) if damage is None]
    if len(whole) > 1:
        numbers = ", ".join(f"#{image.id}" for image in whole[:_NAMED])
        raise ProjectError(
            f"Several images have the UIDs of '{whole[0].name}' ({numbers}): attach the mask to one"
            " of them."
        )
    if found and not whole:
        raise ProjectError(damages[0])
    return whole[0] if whole else None
