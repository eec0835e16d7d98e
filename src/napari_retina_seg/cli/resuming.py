"""``--resume``: go on with a batch that was stopped, without what it has finished."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Generic

from napari_retina_seg.cli.batch import Batch, Result, Work
from napari_retina_seg.cli.console import Bar, UsageError, echo
from napari_retina_seg.cli.inputs import RESULT_ENDINGS, check_outputs, is_there, outputs_of
from napari_retina_seg.io.atomic import draft_folder, remove_leftovers, sync_folder, writing
from napari_retina_seg.io.images.series import ImageFiles
from napari_retina_seg.io.run_record import Finished, RunRecord
from napari_retina_seg.project.files import hash_file, hash_source
from napari_retina_seg.types.batches import Mapper
from napari_retina_seg.types.errors import WriteError
from napari_retina_seg.types.progress import CancelToken


@dataclass(frozen=True)
class ResumedFiles(ImageFiles):
    """The files of an image, and what is noted of it."""

    noted: Finished | None = None


@dataclass(frozen=True)
class _Resumed(Generic[Result]):
    """What was done with an image: nothing if `result` is None."""

    noted: Finished
    result: Result | None = None


def resumed(
    batch: Batch[Result],
    work_in: Callable[[Mapper | None, Path], Work[Result]],
    folder: Path,
    settings: Mapping[str, Any],
    endings: tuple[str, ...] = RESULT_ENDINGS,
) -> Batch[_Resumed[Result]]:
    """Return a batch that leaves out what is finished, and notes what it finishes.

    Parameters
    ----------
    batch : Batch
        A batch that writes results into a folder.
    work_in : callable
        Takes what shares out the slices of a volume, if anything, and another folder; returns the
        work that writes its results there.
    folder : Path
        That folder.
    settings : mapping
        What decides on the results besides the images.
    endings : tuple of str
        Suffixes of the result files; by default those of `segment`.

    Raises
    ------
    UsageError
        If the folder holds results of other settings, or of another run.
    """
    try:
        record = RunRecord(folder.absolute(), settings)
    except WriteError as error:
        raise UsageError(str(error)) from error
    check_outputs(batch.images, folder, overwrite=False, endings=endings, own=record.planned)
    remove_leftovers(folder)
    record.plan(image.name for image in batch.images)
    images = tuple(
        ResumedFiles(one.name, one.files, one.number, record.finished.get(one.name))
        for one in batch.images
    )

    def note(found: _Resumed[Result], _: Bar) -> _Resumed[Result]:
        if found.noted != record.finished.get(found.noted.name):
            record.add(found.noted)
        return found

    def summarise(found: list[_Resumed[Result]], failed: int) -> None:
        results = [one.result for one in found if one.result is not None]
        if len(results) < len(found):
            echo(f"{len(found) - len(results)} finished before.")
        batch.summarise(results, failed)

    def work(mapper: Mapper | None) -> Work[_Resumed[Result]]:
        here = folder.absolute()
        return partial(_work_unless_finished, partial(work_in, mapper), here, endings)

    return Batch(
        batch.inputs,
        images,
        work(None),
        summarise,
        note,
        cluster=batch.cluster,
        share=None if batch.share is None else work,
        needs=batch.needs,
    )


def _work_unless_finished(
    work_in: Callable[[Path], Work[Result]],
    folder: Path,
    endings: tuple[str, ...],
    source: ResumedFiles,
    bar: Bar,
    token: CancelToken,
) -> _Resumed[Result]:
    bar.begin(f"Looking at {source.path.name}")
    digest = _hash_image(source)
    noted = {} if source.noted is None else source.noted.outputs
    if source.noted is not None and source.noted.sha256 == digest:
        paths = [folder / name for name in noted]
        there = [path for path in paths if is_there(path)]
        altered = [path for path in there if hash_file(path) != noted[path.name]]
        if altered:
            bar.say(f"'{altered[0]}' was changed after it was written, and stays as it is.")
        if altered or there == paths:
            return _Resumed(source.noted)
    with draft_folder(folder) as draft:
        result = work_in(draft)(source, bar, token)
        outputs = _put_in_place(
            outputs_of(source.name, draft, endings), outputs_of(source.name, folder, endings), noted
        )
    return _Resumed(Finished(source.name, digest, outputs), result)


def _put_in_place(
    drafts: Sequence[Path], places: Sequence[Path], noted: Mapping[str, str]
) -> dict[str, str]:
    """Replace earlier results of an image, unless one may be somebody else's work.

    What a run wrote and was killed before it noted it is the same as what it writes now.
    """
    new, old = (
        {path.name: hash_file(path) for path in paths if is_there(path)}
        for paths in (drafts, places)
    )
    draft, folder = drafts[0].parent, places[0].parent
    for output, digest in old.items():
        if digest not in (noted.get(output), new.get(output)):
            raise WriteError(
                f"'{folder / output}' exists already, and is not as this run wrote it: move it"
                " away, or choose another folder."
            )
    with writing(folder):
        for output in new:
            (draft / output).replace(folder / output)
        for output in old.keys() - new.keys():
            (folder / output).unlink()
    sync_folder(folder)
    return new


def _hash_image(source: ImageFiles) -> str:
    """Return the SHA-256 of an image's files; empty if one can't be read: the work says why."""
    try:
        parts = [hash_source(path) for path in source.files]
    except OSError:
        return ""
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
