"""``--resume``: go on with a batch that was stopped, without what it has finished."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Generic

from napari_retina_seg.cli.batch import Batch, Result, Work
from napari_retina_seg.cli.console import Bar, UsageError, echo
from napari_retina_seg.cli.inputs import check_outputs, is_there, outputs_of
from napari_retina_seg.io.images.series import ImageFiles
from napari_retina_seg.io.run_record import Finished, RunRecord
from napari_retina_seg.project.files import hash_file, hash_source
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
    batch: Batch[Result], folder: Path, settings: Mapping[str, Any]
) -> Batch[_Resumed[Result]]:
    """Return a batch that leaves out what is finished, and notes what it finishes.

    Parameters
    ----------
    batch : Batch
        A batch that writes results into a folder.
    folder : Path
        That folder.
    settings : mapping
        What decides on the results besides the images.

    Raises
    ------
    UsageError
        If the folder holds results of other settings, or of another run.
    """
    try:
        record = RunRecord(folder.absolute(), settings)
    except WriteError as error:
        raise UsageError(str(error)) from error
    check_outputs(batch.images, folder, overwrite=False, own=record.planned)
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

    return Batch(
        batch.inputs,
        images,
        partial(_work_unless_finished, batch.work, folder.absolute()),
        summarise,
        note,
        cluster=batch.cluster,
        needs=batch.needs,
    )


def _work_unless_finished(
    work: Work[Result], folder: Path, source: ResumedFiles, bar: Bar, token: CancelToken
) -> _Resumed[Result]:
    bar.begin(f"Looking at {source.path.name}")
    digest = _hash_image(source)
    if source.noted is not None:
        is_same = source.noted.sha256 == digest
        paths = [folder / name for name in source.noted.outputs]
        altered = [
            path
            for path in paths
            if is_there(path) and hash_file(path) != source.noted.outputs[path.name]
        ]
        if altered and not is_same:
            raise WriteError(
                f"'{altered[0]}' and the image were changed after it was written: move it away, or"
                " choose another folder."
            )
        if altered:
            bar.say(f"'{altered[0]}' was changed after it was written, and stays as it is.")
        if altered or (is_same and all(map(is_there, paths))):
            return _Resumed(source.noted)
    result = work(source, bar, token)
    written = [path for path in outputs_of(source.name, folder) if is_there(path)]
    outputs = {path.name: hash_file(path) for path in written}
    return _Resumed(Finished(source.name, digest, outputs), result)


def _hash_image(source: ImageFiles) -> str:
    """Return the SHA-256 of an image's files; empty if one can't be read: the work says why."""
    try:
        parts = [hash_source(path) for path in source.files]
    except OSError:
        return ""
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
