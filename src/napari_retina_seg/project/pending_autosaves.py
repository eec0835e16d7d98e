"""Autosaves on this computer that wait for the server with a project's records."""

from __future__ import annotations

import contextlib
import hashlib
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import platformdirs
from pydantic import TypeAdapter, ValidationError

from napari_retina_seg.io.atomic import write_durably
from napari_retina_seg.project.address import project_id
from napari_retina_seg.project.contents import decode_annotation, encode_annotation
from napari_retina_seg.project.store import Store, now, same_person
from napari_retina_seg.types.annotation import Annotation
from napari_retina_seg.types.errors import ProjectError

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class PendingAutosave:
    """What is known of unsaved work besides its mask; see `Project.autosave`.

    Attributes
    ----------
    image_id : int
        Which image.
    author, program : str
        Whose it is, and the id of the process.
    parent : int or None
        Number of the version that it continues.
    seconds : float
        Time spent on it.
    comment : str
        For the next version.
    sha256 : str
        Hash of the file with the mask.
    saved_at : datetime
        When it was written, by the clock of this computer.
    """

    image_id: int
    author: str
    program: str
    parent: int | None
    seconds: float
    comment: str
    sha256: str
    saved_at: datetime


_WORK = TypeAdapter(PendingAutosave)


def write(
    store: Store,
    image_id: int,
    annotation: Annotation,
    parent: int | None,
    seconds: float,
    comment: str,
) -> None:
    """Write unsaved work to this computer: the mask first, then what is known of it.

    Raises
    ------
    ProjectError
        If it can't be written.
    """
    content = encode_annotation(annotation)
    sha256 = hashlib.sha256(content).hexdigest()
    author, program = store.author, store.program
    work = PendingAutosave(image_id, author, program, parent, seconds, comment, sha256, now())
    path = _path(store, image_id)
    try:
        write_durably(path.with_name(f"{path.stem}-{sha256}.npz"), content)
        write_durably(path, _WORK.dump_json(work))
    except OSError as error:
        raise ProjectError(
            f"The server can't be reached, and '{path.parent}' can't be written"
            f" ({error.strerror or error}), so nothing was saved: free some space."
        ) from error
    _remove_masks(path, but=sha256)


def discard(store: Store, image_id: int) -> None:
    """Remove what waits of an image in this process: it is in the project."""
    path = _path(store, image_id)
    with contextlib.suppress(OSError):
        path.unlink()
        _remove_masks(path)


def list_pending(store: Store) -> Iterator[tuple[PendingAutosave, Annotation]]:
    """Yield this person's work that waits; what is damaged is left where it is."""
    for path in sorted(_folder(store).glob("*.json")):
        try:
            work = _WORK.validate_json(path.read_bytes())
            mask = path.with_name(f"{path.stem}-{work.sha256}.npz")
            content = mask.read_bytes()
            if hashlib.sha256(content).hexdigest() != work.sha256:
                raise ValueError("it was cut short or altered")
            annotation = decode_annotation(content, mask)
        except (OSError, ValueError, ValidationError, ProjectError):
            log.exception("unsaved work on this computer can't be read: %s", path)
            continue
        if same_person(work.author, store.author):
            yield work, annotation


def _remove_masks(path: Path, but: str = "") -> None:
    for mask in path.parent.glob(f"{path.stem}-*.npz"):
        if mask.stem != f"{path.stem}-{but}":
            with contextlib.suppress(OSError):
                mask.unlink()


def _folder(store: Store) -> Path:
    data = Path(platformdirs.user_data_dir("napari-retina-seg"))
    return data / "pending" / project_id(store.info.key)


def _path(store: Store, image_id: int) -> Path:
    return _folder(store) / f"{image_id}-{store.program}.json"
