"""Add image files to a project: read and hashed in threads, recorded many at a time."""

from __future__ import annotations

import hashlib
import os
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from napari_retina_seg.imaging.class_values import count_class_values
from napari_retina_seg.io import read_image
from napari_retina_seg.io.formats.identity import find_identifiers
from napari_retina_seg.io.images.content import RAW_CUBE, check_readable_name, is_zarr
from napari_retina_seg.io.images.files import files_beside
from napari_retina_seg.io.masks import read_mask
from napari_retina_seg.io.names import image_name
from napari_retina_seg.project.blinding import blinded_images
from napari_retina_seg.project.files import StoredFile, hash_source
from napari_retina_seg.project.removals import find_removals
from napari_retina_seg.project.results import Added
from napari_retina_seg.project.states import State
from napari_retina_seg.project.storage import FILES
from napari_retina_seg.project.store import SPACING, Store, image_value, keep_file, now
from napari_retina_seg.project.tables import ImageRow
from napari_retina_seg.project.values import ProjectImage
from napari_retina_seg.types.errors import ProjectError, ReadError, RetinaSegError
from napari_retina_seg.types.file_names import composed
from napari_retina_seg.types.image import RetinaImage, Spacing
from napari_retina_seg.types.pixel_size import with_stated_spacing
from napari_retina_seg.types.progress import CancelToken, Progress

PatientOf = Callable[[str], str | None]

_BATCH = 200  # files that are recorded together
_SECONDS = 2  # after which files are recorded, however few they are
_THREADS = min(4, os.cpu_count() or 1)


@dataclass(frozen=True)
class _Facts:
    """What is recorded of an image; its pixels are not kept."""

    modality: str
    laterality: str
    spacing: Spacing
    shape: tuple[int, ...]
    warnings: tuple[str, ...]
    identifiers: tuple[str, ...]
    stored: StoredFile | None


@dataclass(frozen=True)
class _ReadFile:
    """A file that was read; without facts if the project has its content already."""

    path: Path
    sha256: str
    facts: _Facts | None


@dataclass
class _Results:
    images: list[ProjectImage] = field(default_factory=list)
    duplicates: list[tuple[Path, ProjectImage]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    identifiers: list[tuple[ProjectImage, tuple[str, ...]]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def add(self, path: Path, image: ProjectImage, facts: _Facts | None, *, is_new: bool) -> None:
        """Note what became of a file."""
        if facts is not None:
            self.warnings += [f"'{image.name}': {warning}" for warning in facts.warnings]
        if not is_new:
            self.duplicates.append((path, image))
            return
        self.images.append(image)
        if facts is not None and facts.identifiers:
            self.identifiers.append((image, facts.identifiers))

    def freeze(self) -> Added:
        return Added(
            tuple(self.images),
            tuple(self.duplicates),
            tuple(self.problems),
            tuple(self.identifiers),
            tuple(self.warnings),
        )


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
    results = _Results()
    batch: list[tuple[Path, _ReadFile]] = []
    record = partial(_record, store, patient_of, spacing, results)
    recorded = time.monotonic()
    try:
        for done, (path, found) in enumerate(_read_all(store, paths, copy, spacing)):
            yield Progress(done, len(paths), path.name)
            token.raise_if_cancelled()
            result = found()
            if isinstance(result, str):
                results.problems.append(result)
            else:
                batch.append((path, result))
            if len(batch) >= _BATCH or time.monotonic() - recorded > _SECONDS:
                ready, batch, recorded = batch, [], time.monotonic()
                record(ready)
    finally:  # also if it is cancelled or closed: what was read is kept
        record(batch)
    return results.freeze()


def _read_all(
    store: Store, paths: Sequence[Path], copy: bool, spacing: Spacing | None
) -> Iterator[tuple[Path, Callable[[], _ReadFile | str]]]:
    """Read files in threads, a few ahead; yield each with what waits for the result."""
    with store.database.reading() as session:
        known = frozenset(session.scalars(select(ImageRow.sha256)))
    suffixes: dict[str, str] = {}  # under which equal contents are copied, once
    ahead: deque[tuple[Path, Future[_ReadFile | str]]] = deque()
    pool = ThreadPoolExecutor(_THREADS, "add")
    try:
        for path in paths:
            ahead.append((path, pool.submit(_read, store, path, copy, spacing, known, suffixes)))
            if len(ahead) > _THREADS:
                first, future = ahead.popleft()
                yield first, future.result
        while ahead:
            first, future = ahead.popleft()
            yield first, future.result
    finally:
        pool.shutdown(cancel_futures=True)


def _read(
    store: Store,
    path: Path,
    copy: bool,
    stated: Spacing | None,
    known: frozenset[str],
    suffixes: dict[str, str],
) -> _ReadFile | str:
    """Read a file; return a sentence if that fails."""
    try:
        check_readable_name(path.resolve())  # before anything of it is recorded
        return _read_file(store, path.resolve(), copy, stated, known, suffixes)
    except ProjectError:  # no other image can be added either
        raise
    except RetinaSegError as error:
        return str(error)
    except OSError as error:  # it vanished after it was read
        return f"'{path}' can't be read: {error.strerror or error}."


def _read_file(
    store: Store,
    path: Path,
    copy: bool,
    stated: Spacing | None,
    known: frozenset[str],
    suffixes: dict[str, str],
) -> _ReadFile:
    sha256 = hash_source(path) if path.is_file() or is_zarr(path) else ""
    if stated is None and sha256 in known:
        return _ReadFile(path, sha256, None)
    image = read_image(path)
    if sha256 not in known:
        _check_no_mask(path, image)
    if stated is not None:
        image = with_stated_spacing(image, stated)
    if copy:
        _check_copy(path)
    stored = None
    if copy:
        content = path.read_bytes()
        sha256 = hashlib.sha256(content).hexdigest()
        if sha256 not in known:
            stored = store.files.put(content, suffixes.setdefault(sha256, path.suffix))
    facts = _Facts(
        image.modality.value,
        image.laterality.value,
        image.spacing,
        (image.n_slices, *image.grid) if image.is_volume else image.grid,
        image.warnings,
        find_identifiers(path),
        stored,
    )
    return _ReadFile(path, sha256, facts)


def _check_no_mask(path: Path, image: RetinaImage) -> None:
    """Refuse a mask of this program, and of another, which is known by its few values."""
    is_ours = read_mask(path) is not None
    count = 0 if is_ours else count_class_values(image)
    if is_ours or count > 1:
        reason = "" if is_ours else f" (its pixels have only {count} different values)"
        raise ReadError(
            f"'{path}' is a mask, not an image{reason}: import it ('project import', or tab Import"
            " of the dock Export and import)."
        )


def _check_copy(path: Path) -> None:
    """Refuse to copy a file that can't be read without its name or the files beside it."""
    if files_beside(path):
        raise ReadError(
            f"'{path}' is an image of several files, of which one can't be copied without the"
            " others: add it without copying."
        )
    if path.suffix.lower() == RAW_CUBE:
        raise ReadError(
            f"'{path}' says in its name alone what it is, and a copy in the project has another"
            " name: add it without copying."
        )


def _record(
    store: Store,
    patient_of: PatientOf | None,
    stated: Spacing | None,
    results: _Results,
    batch: Sequence[tuple[Path, _ReadFile]],
) -> None:
    """Record files in one transaction, and add them to the results."""
    if not batch:
        return
    added: set[int] = set()
    with store.database.writing() as session:
        store.check_files(session)
        query = select(ImageRow).where(ImageRow.sha256.in_({found.sha256 for _, found in batch}))
        rows = {row.sha256: row for row in session.scalars(query)}
        known = list(rows.values())
        for index, (_, found) in enumerate(batch):
            if found.sha256 in rows:
                _update_row(store, rows[found.sha256], found, stated)
            elif found.facts is not None:
                patient = patient_of and patient_of(composed(image_name(found.path)))
                rows[found.sha256] = _new_row(store, session, found, found.facts, patient)
                session.add(rows[found.sha256])
                added.add(index)
        session.flush()
        blind = blinded_images(session, known, store.author)
        removals = find_removals(session, known)
        images = {
            sha256: image_value(store, row, blinded=row.id in blind, removal=removals.get(row.id))
            for sha256, row in rows.items()
        }
    for index, (path, found) in enumerate(batch):
        image = images.get(found.sha256)
        if image is None:
            results.problems.append(f"'{path}' was removed from the project meanwhile: try again.")
        else:
            results.add(path, image, found.facts, is_new=index in added)


def _update_row(store: Store, row: ImageRow, found: _ReadFile, stated: Spacing | None) -> None:
    """Bring the record of an image up to date that was added before."""
    path = store.path_of(row)
    if row.copy_sha256 is None and path != found.path and not _is_whole(path, row.sha256):
        row.path = _reference(store, found.path)  # it was moved
    if stated is not None and found.facts is not None:
        row.spacing = SPACING.dump_python(found.facts.spacing, mode="json")


def _new_row(
    store: Store, session: Session, found: _ReadFile, facts: _Facts, patient: str | None
) -> ImageRow:
    stored = facts.stored
    return ImageRow(
        sha256=found.sha256,
        name=image_name(found.path),
        path=(
            _reference(store, found.path)
            if stored is None
            else f"{FILES}/{store.files.name_of(stored.sha256, stored.suffix)}"
        ),
        copy_sha256=keep_file(session, stored),
        modality=facts.modality,
        laterality=facts.laterality,
        spacing=SPACING.dump_python(facts.spacing, mode="json"),
        patient=patient,
        shape=list(facts.shape),
        added_by=store.author,
        added_at=now(),
        state=State.UNREVIEWED.value,
        round=0,
        conflict=False,
        author=None,
        uncertainty=-1,
        warning="",
        gain=-1,
        reason="",
    )


def _reference(store: Store, path: Path) -> str:
    """Return a path, relative to the project if inside it, so that the project can be moved."""
    folder = store.folder.resolve()
    path = path.resolve()
    return (path.relative_to(folder) if path.is_relative_to(folder) else path).as_posix()


def _is_whole(path: Path, sha256: str) -> bool:
    try:
        return hash_source(path) == sha256
    except OSError:
        return False
