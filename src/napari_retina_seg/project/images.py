"""Find and read the images of a project, which are identified by their hash."""

from __future__ import annotations

import logging
import unicodedata
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from napari_retina_seg.io import read_image
from napari_retina_seg.io.images.content import is_zarr, may_be_image
from napari_retina_seg.io.names import image_name
from napari_retina_seg.project.blinding import blinded_images
from napari_retina_seg.project.files import hash_source
from napari_retina_seg.project.object_storage import fetch_file
from napari_retina_seg.project.removals import find_removals
from napari_retina_seg.project.store import Store, image_row, image_value
from napari_retina_seg.project.tables import ImageRow
from napari_retina_seg.project.values import ProjectImage
from napari_retina_seg.types.errors import ProjectError, ServerAwayError
from napari_retina_seg.types.image import Modality, RetinaImage
from napari_retina_seg.types.pixel_size import user_stated, with_stated_spacing

log = logging.getLogger(__name__)


def get_image(store: Store, image_id: int) -> ProjectImage:
    """Return an image as this person may see it."""
    with store.database.reading() as session:
        row = image_row(session, image_id)
        blind = blinded_images(session, [row], store.author)
        removal = find_removals(session, [row]).get(row.id)
        return image_value(store, row, blinded=bool(blind), removal=removal)


def set_modality(store: Store, image_ids: Sequence[int], modality: Modality) -> None:
    """Correct the modality of images; see `Project.set_modality`."""
    with store.database.writing() as session:
        for image_id in image_ids:
            image_row(session, image_id).modality = modality.value


def find_image(store: Store, text: str) -> ProjectImage:
    """Find an image by name, number or file; see `Project.find_image`."""
    with store.database.reading() as session:
        if text.startswith("#") and text[1:].isdigit():
            image_id = image_row(session, int(text[1:])).id
        else:
            image_id = _find_by_name(session, text)
    return get_image(store, image_id)


def _of_name(session: Session, name: str) -> Sequence[ImageRow]:
    """Return images with a name, in any Unicode normalisation."""
    forms = [name, *(unicodedata.normalize(form, name) for form in ("NFC", "NFD"))]
    return session.scalars(select(ImageRow).where(ImageRow.name.in_(forms)).limit(6)).all()


def _find_by_name(session: Session, text: str) -> int:
    path = Path(text)
    rows = _of_name(session, text) or _of_name(session, image_name(path))
    if len(rows) != 1 and (path.is_file() or is_zarr(path)):
        sha256 = hash_source(path)
        rows = session.scalars(select(ImageRow).filter_by(sha256=sha256)).all()
    if not rows:
        raise ProjectError(
            f"The project has no image '{text}': add it, or see the project's queue."
        )
    if len(rows) > 1:
        numbers = ", ".join(f"#{row.id}" for row in rows[:5])
        raise ProjectError(f"Several images are named '{text}': give the number of one, {numbers}.")
    return rows[0].id


def read_pixels(store: Store, image_id: int) -> RetinaImage:
    """Read an image whose file is unchanged; see `Project.read_image`."""
    return read_unchanged(get_image(store, image_id))


def read_unchanged(image: ProjectImage) -> RetinaImage:
    """Read an image whose file is unchanged, without the records of its project."""
    found = damage_of(image)
    if found is not None:
        raise ProjectError(found)
    known = with_stated_spacing(read_image(image.path), user_stated(image.spacing))
    return replace(known, name=image.name, modality=image.modality)


def local_path(image: ProjectImage) -> Path:
    """Return the path of an image's file, downloaded if need be; who reads it says what is wrong.

    Raises
    ------
    ServerAwayError
        If the object store with it can't be reached.
    """
    try:
        if image.remote:
            fetch_file(image.remote, image.path, image.sha256)
    except ServerAwayError:
        raise
    except ProjectError:
        log.debug("no copy of '%s'", image.remote, exc_info=True)
    return image.path


def damage_of(image: ProjectImage) -> str | None:
    """Return an error message if an image's file is missing or was changed."""
    if image.remote:
        try:
            fetch_file(image.remote, image.path, image.sha256)
        except ServerAwayError:
            raise
        except ProjectError as error:
            return str(error)
        return None
    if image.path.is_file() and not may_be_image(image.path):
        return (
            f"'{image.path}', where '{image.name}' should be, is not an image, so it was not read:"
            " add the image from its new place."
        )
    try:
        if hash_source(image.path) == image.sha256:
            return None
    except FileNotFoundError:
        return (
            f"The image '{image.name}' is no longer at '{image.path}': restore it, or add it"
            " from its new place."
        )
    except OSError as error:
        return f"The image '{image.path}' can't be read: {error.strerror}."
    return (
        f"The image '{image.path}' was changed since it was added, so its masks can't be shown or"
        " saved: restore the file, or add the changed one as a new image."
    )
