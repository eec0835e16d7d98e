"""Autosaves of masks outside any project: one private file each, written whole, of limited number.

They are in the user's data folder, which only the user can read, since names of images and masks
may say who the patient is.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import secrets
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import platformdirs
import psutil
from pydantic import TypeAdapter, ValidationError

from napari_retina_seg.io.atomic import write_atomically, writing
from napari_retina_seg.project.contents import decode_annotation, encode_arrays
from napari_retina_seg.types.annotation import Annotation
from napari_retina_seg.types.errors import ReadError
from napari_retina_seg.types.image import Spacing
from napari_retina_seg.types.labels import LabelScheme
from napari_retina_seg.types.segmentation import Provenance

log = logging.getLogger(__name__)

_MOST = 20
_MOST_BYTES = 500_000_000
_MOST_HASHED = 4_000_000  # elements of an image; of larger ones a part is hashed
_SUFFIX = ".npz"


@dataclass(frozen=True)
class MaskAutosave:
    """An autosave of a mask that no project keeps.

    Attributes
    ----------
    mask, image : str
        Names of the layers.
    image_hash : str
        Hash of the image's pixels, or empty if the image was not open; see `hash_image`.
    source : str
        Path of the image's file, if there is one.
    scheme : LabelScheme
        The classes.
    spacing : Spacing
        Pixel sizes of the image.
    provenance : Provenance or None
        Origin of the mask, if a model drew it first.
    process : tuple of (int, float)
        Number and start of the program that wrote it.
    saved_at : datetime
        UTC.
    path : Path
        The file; not stored in it.
    """

    mask: str
    image: str
    image_hash: str
    source: str
    scheme: LabelScheme
    spacing: Spacing
    provenance: Provenance | None
    process: tuple[int, float]
    saved_at: datetime
    path: Path = Path()


_CARD = TypeAdapter(MaskAutosave)


def autosave_folder() -> Path:
    """Return the folder of the autosaves."""
    return Path(platformdirs.user_data_dir("napari-retina-seg")) / "autosaves"


@cache
def this_process() -> tuple[int, float]:
    """Return number and start of this program: numbers alone are used again."""
    return os.getpid(), psutil.Process().create_time()


def new_autosave(
    mask: str,
    image: str,
    image_hash: str,
    source: str,
    scheme: LabelScheme,
    spacing: Spacing,
    provenance: Provenance | None,
) -> MaskAutosave:
    """Return the description of an autosave by this program, with a name of its own."""
    name = f"{image_hash[:16] or 'unknown'}-{secrets.token_hex(8)}{_SUFFIX}"
    return MaskAutosave(
        *(mask, image, image_hash, source, scheme, spacing, provenance),
        process=this_process(),
        saved_at=datetime.now(UTC),
        path=autosave_folder() / name,
    )


def write_autosave(autosave: MaskAutosave, annotation: Annotation) -> None:
    """Write an autosave, and remove the oldest ones beyond the limits.

    Raises
    ------
    WriteError
        If it can't be written; nothing is left behind then.
    """
    card = json.dumps(_CARD.dump_python(replace(autosave, path=Path()), mode="json"))
    arrays: dict[str, npt.NDArray[Any]] = {
        "card": np.frombuffer(card.encode(), np.uint8),
        "labels": annotation.labels,
    }
    if annotation.boundaries is not None:
        arrays["boundaries"] = annotation.boundaries
    if annotation.ignore is not None:
        arrays["questionable"] = annotation.ignore
    folder = autosave.path.parent
    with writing(autosave.path):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        folder.chmod(0o700)
    write_atomically(autosave.path, encode_arrays(arrays))
    _prune(autosave.path)


def list_autosaves() -> tuple[MaskAutosave, ...]:
    """Return the autosaves that programs left behind that no longer run, newest first."""
    found = [_read_card(path) for path in _files()]
    return tuple(each for each in found if each is not None and not _is_running(each.process))


def read_autosave(autosave: MaskAutosave) -> Annotation:
    """Read the mask of an autosave.

    Raises
    ------
    RetinaSegError
        If it is damaged or gone.
    """
    try:
        content = autosave.path.read_bytes()
    except OSError as error:
        raise ReadError(
            f"The unsaved mask '{autosave.mask}' can't be read: it was recovered or discarded in"
            " another window."
        ) from error
    return decode_annotation(content, autosave.path)


def remove_autosave(autosave: MaskAutosave) -> None:
    """Remove an autosave; one that is gone already is no error."""
    with contextlib.suppress(OSError):
        autosave.path.unlink()


def hash_image(pixels: Any) -> str:
    """Return a hash of an image's pixels, of large ones of every n-th row.

    Parameters
    ----------
    pixels : array
        Any shape; numpy or lazy.
    """
    rows = max(1, -(-int(np.prod(pixels.shape)) // _MOST_HASHED))
    part = np.ascontiguousarray(pixels[..., ::rows, :] if rows > 1 else pixels)
    known = hashlib.sha256(f"{tuple(pixels.shape)} {part.dtype}".encode())
    known.update(part.tobytes())
    return known.hexdigest()


def hash_mask(labels: Any, marks: npt.NDArray[np.bool_] | None) -> bytes:
    """Return a hash of a mask and its questionable regions, to see whether they changed."""
    known = hashlib.blake2b(np.asarray(labels).tobytes(), digest_size=16)
    if marks is not None and marks.any():
        known.update(np.packbits(marks).tobytes())
    return known.digest()


def _files() -> list[Path]:
    """Return the files of autosaves, newest first."""
    with contextlib.suppress(OSError):
        dated = [
            (path.stat().st_mtime_ns, path) for path in autosave_folder().glob(f"[!.]*{_SUFFIX}")
        ]
        return [path for _, path in sorted(dated, reverse=True)]
    return []


def _read_card(path: Path) -> MaskAutosave | None:
    try:
        with zipfile.ZipFile(path) as archive, archive.open("card.npy") as member:
            card = np.lib.format.read_array(member, allow_pickle=False).tobytes()
        return replace(_CARD.validate_json(card), path=path)
    except (OSError, ValueError, KeyError, zipfile.BadZipFile, ValidationError):
        log.warning("the autosave '%s' can't be read", path, exc_info=True)
        return None


def _is_running(process: Sequence[float]) -> bool:
    number, start = process
    try:
        return abs(psutil.Process(int(number)).create_time() - start) < 1
    except psutil.Error:
        return False


def _prune(kept: Path) -> None:
    """Remove the oldest autosaves beyond the limits, but neither `kept` nor those in use."""
    total = 0
    for number, path in enumerate(_files()):
        with contextlib.suppress(OSError):
            total += path.stat().st_size
        if path == kept or (number < _MOST and total <= _MOST_BYTES):
            continue
        card = _read_card(path)
        if card is None or not _is_running(card.process):
            with contextlib.suppress(OSError):
                path.unlink()
