"""Images of a project that are DICOM, found by what masks of other programs refer to."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from pathlib import Path
from typing import NamedTuple

from napari_retina_seg.core.errors import ReadError
from napari_retina_seg.core.progress import CancelToken, Progress
from napari_retina_seg.io.exchange.dicom_header import DicomIds, read_ids, read_referenced_ids
from napari_retina_seg.project.values import ProjectImage


class DicomImage(NamedTuple):
    """An image, and by what every archive knows it."""

    image: ProjectImage
    ids: DicomIds


def list_dicom(
    images: Iterable[ProjectImage], token: CancelToken
) -> Generator[Progress, None, tuple[DicomImage, ...]]:
    """Look which images are DICOM; long work.

    The headers are asked, not the records: so it is true of projects that older programs made, and
    no record leads to a patient. A file that can't be read is left out.
    """
    listed = list(images)
    found = []
    for done, image in enumerate(listed):
        token.raise_if_cancelled()
        yield Progress(done, len(listed), "Looking for DICOM images")
        try:
            ids = read_ids(image.path)
        except ReadError:
            continue
        if ids is not None:
            found.append(DicomImage(image, ids))
    return tuple(found)


def find_referenced(source: Path, known: Iterable[DicomImage]) -> ProjectImage | None:
    """Find the image that a DICOM Segmentation refers to: by its own UID, or else by its series'.

    Parameters
    ----------
    source : Path
        The segmentation.
    known : iterable of DicomImage
        Among these.

    Returns
    -------
    ProjectImage or None
        None if it refers to no image or to several, or if no one image alone is meant.
    """
    wanted = read_referenced_ids(source)
    if wanted is None:
        return None
    images = list(known)
    same = [one.image for one in images if one.ids.instance == wanted.instance]
    same = same or [one.image for one in images if one.ids.series == wanted.series]
    return same[0] if len(same) == 1 else None
