"""Add, find and read the images of a project, which are identified by their hash."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Callable, Generator, Sequence
from dataclasses import replace
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from napari_retina_seg.io import read_image
from napari_retina_seg.io.formats.identity import find_identifiers
from napari_retina_seg.io.images.content import may_be_image
from napari_retina_seg.io.masks import read_mask
from napari_retina_seg.io.names import image_name
from napari_retina_seg.project.blinding import blinded_images
from napari_retina_seg.project.files import StoredFile, hash_file
from napari_retina_seg.project.states import State
from napari_retina_seg.project.store import SPACING, Store, image_row, image_value, keep_file, now
from napari_retina_seg.project.tables import ImageRow
from napari_retina_seg.project.values import Added, ProjectImage
from napari_retina_seg.types.errors import ProjectError, ReadError, RetinaSegError
from napari_retina_seg.types.file_names import composed
from napari_retina_seg.types.image import RetinaImage, Spacing
from napari_retina_seg.types.pixel_size import user_stated, with_stated_spacing
from napari_retina_seg.types.progress import CancelToken, Progress

PatientOf = Callable[[str], str | None]


def iter_add_images(
    store: Store,
    paths: Sequence[Path],
    *,
    copy: bool,
    patient_of: PatientOf | None,
    spacing: Spacing | None,
    token: CancelToken,
) -> Generator[Progress, None, Added]:
    """Add image files; see `Project.add_images`."""
    store.database.check_writable()
    images: list[ProjectImage] = []
    duplicates: list[tuple[Path, ProjectImage]] = []
    problems: list[str] = []
    identifiers: list[tuple[ProjectImage, tuple[str, ...]]] = []
    warnings: list[str] = []
    for done, path in enumerate(paths):
        yield Progress(done, len(paths), path.name)
        token.raise_if_cancelled()
        try:
            image, is_new, file_warnings = _add_image(
                store, path.resolve(), copy, patient_of, spacing
            )
        except ProjectError:  # no other image can be added either
            raise
        except RetinaSegError as error:
            problems.append(str(error))
            continue
        except OSError as error:  # it vanished after it was read
            problems.append(f"'{path}' can't be read: {error.strerror or error}.")
            continue
        warnings += [f"'{image.name}': {warning}" for warning in file_warnings]
        identifying = find_identifiers(path) if is_new else ()
        if identifying:
            identifiers.append((image, identifying))
        if is_new:
            images.append(image)
        else:
            duplicates.append((path, image))
    return Added(
        tuple(images), tuple(duplicates), tuple(problems), tuple(identifiers), tuple(warnings)
    )


def _add_image(
    store: Store,
    path: Path,
    copy: bool,
    patient_of: PatientOf | None,
    stated: Spacing | None,
) -> tuple[ProjectImage, bool, tuple[str, ...]]:
    """Return the image, whether it is new, and the warnings of its file."""
    image = read_image(path)  # first: a file that is not an image is reported as such
    if read_mask(path) is not None:
        raise ReadError(
            f"'{path}' is a mask, not an image: import it ('project import', or tab Import of the"
            " dock Export and import)."
        )
    if stated is not None:
        image = with_stated_spacing(image, stated)
    content = path.read_bytes()
    sha256 = hashlib.sha256(content).hexdigest()
    stored = None
    with store.database.reading() as session:
        known = _find(session, sha256) is not None
    if copy and not known:
        stored = store.files.put(content, path.suffix)
    with store.database.writing() as session:
        row = _find(session, sha256)
        is_new = row is None
        if row is None:
            patient = None if patient_of is None else patient_of(composed(image_name(path)))
            row = _new_row(store, session, image, path, sha256, stored, patient)
            session.add(row)
        elif row.copy_sha256 is None and not _is_whole(store.path_of(row), sha256):
            row.path = _reference(store, path)  # it was moved
        if stated is not None:
            row.spacing = SPACING.dump_python(image.spacing, mode="json")
        session.flush()
        blind = blinded_images(session, [row], store.author)
        return image_value(store, row, blinded=bool(blind)), is_new, image.warnings


def _find(session: Session, sha256: str) -> ImageRow | None:
    return session.scalars(select(ImageRow).filter_by(sha256=sha256)).one_or_none()


def _new_row(
    store: Store,
    session: Session,
    image: RetinaImage,
    path: Path,
    sha256: str,
    stored: StoredFile | None,
    patient: str | None,
) -> ImageRow:
    kept = path if stored is None else store.files.path(sha256, stored.suffix)
    return ImageRow(
        sha256=sha256,
        name=image_name(path),
        path=_reference(store, kept),
        copy_sha256=keep_file(session, stored),
        modality=image.modality.value,
        laterality=image.laterality.value,
        spacing=SPACING.dump_python(image.spacing, mode="json"),
        patient=patient,
        shape=[image.n_slices, *image.grid] if image.is_volume else list(image.grid),
        added_by=store.author,
        added_at=now(),
        state=State.UNREVIEWED.value,
        round=0,
        conflict=False,
        author=None,
        uncertainty=-1,
        warning="",
    )


def _reference(store: Store, path: Path) -> str:
    """Return a path, relative to the project if inside it, so that the project can be moved."""
    folder = store.folder.resolve()
    path = path.resolve()
    return (path.relative_to(folder) if path.is_relative_to(folder) else path).as_posix()


def _is_whole(path: Path, sha256: str) -> bool:
    try:
        return hash_file(path) == sha256
    except OSError:
        return False


def get_image(store: Store, image_id: int) -> ProjectImage:
    """Return an image as this person may see it."""
    with store.database.reading() as session:
        row = image_row(session, image_id)
        blind = blinded_images(session, [row], store.author)
        return image_value(store, row, blinded=bool(blind))


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
    if len(rows) != 1 and path.is_file():
        sha256 = hash_file(path)
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
    image = get_image(store, image_id)
    found = damage_of(image)
    if found is not None:
        raise ProjectError(found)
    known = with_stated_spacing(read_image(image.path), user_stated(image.spacing))
    return replace(known, name=image.name)


def damage_of(image: ProjectImage) -> str | None:
    """Return an error message if an image's file is missing or was changed."""
    if image.path.is_file() and not may_be_image(image.path):
        return (
            f"'{image.path}', where '{image.name}' should be, is not an image, so it was not read:"
            " add the image from its new place."
        )
    try:
        if hash_file(image.path) == image.sha256:
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
