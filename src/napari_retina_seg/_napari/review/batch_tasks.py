"""Batch tasks on a project, with progress and cancellation: add images, predict."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from pathlib import Path

from napari_retina_seg._napari.engine_loading import load_engine
from napari_retina_seg._napari.job import JobResult, JobStatus, Steps, as_result
from napari_retina_seg.io.images.folders import look_below
from napari_retina_seg.models.registry import ModelFolder
from napari_retina_seg.project.project import Project
from napari_retina_seg.project.states import State
from napari_retina_seg.project.values import Added, Filters
from napari_retina_seg.types.counts import count
from napari_retina_seg.types.image import Modality
from napari_retina_seg.types.labels import FUNDUS_VESSELS, OCT_LAYERS
from napari_retina_seg.types.progress import CancelToken, Progress
from napari_retina_seg.types.segmentation import UNLIKE

_IMPORT = "To bring them in, open Plugins › Retina Seg › Export and import, tab Import."
_LISTED = 3  # items named per message; the others are counted
_KINDS = {
    Modality.OCT: ("an OCT scan", "OCT scans"),
    Modality.FUNDUS: ("a fundus photograph", "fundus photographs"),
}


@dataclass(frozen=True)
class Named:
    """Display name for the activity dock."""

    name: str


@dataclass(frozen=True, eq=False)
class AddImages:
    """Request to add files and folders."""

    project: Project
    paths: tuple[Path, ...]
    copy: bool

    @property
    def image(self) -> Named:
        """What is processed."""
        return Named("Adding images")

    @property
    def model(self) -> Named:
        """The target project."""
        return Named(self.project.folder.name)


@dataclass(frozen=True, eq=False)
class PredictImages:
    """Request to run a model over all unreviewed images."""

    project: Project
    model: ModelFolder

    @property
    def image(self) -> Named:
        """What is processed."""
        return Named("unreviewed images")


def add(task: AddImages, token: CancelToken) -> Steps:
    """Add images; every failure becomes a `JobResult`."""
    return (yield from as_result(_add(task, token), "Adding images failed"))


def predict(task: PredictImages, token: CancelToken) -> Steps:
    """Predict; every failure becomes a `JobResult`."""
    return (yield from as_result(_predict(task, token), f"'{task.model.name}' failed"))


def _add(task: AddImages, token: CancelToken) -> Steps:
    found = look_below(task.paths)
    skipped = " ".join(filter(None, (found.say_masks(_IMPORT), found.others.message)))
    if not found.images:
        names = ", ".join(f"'{path.name}'" for path in task.paths)
        words = f"No images in {names}: choose another folder. {skipped}"
        return JobResult(JobStatus.FAILED, words.strip())
    from napari_retina_seg.io.images.series import group_series

    series = group_series(found.images)
    files = [file for image in series for file in image.files]
    added = yield from task.project.iter_add_images(files, copy=task.copy, token=token)
    apart = _few([image.message for image in series if image.message], " ")
    file_warnings = _few(added.warnings, " ")
    other = _other_kind(task.project, added)
    words = " ".join(filter(None, (_say_added(added), other, skipped, apart, file_warnings)))
    end = JobStatus.FAILED if added.problems else JobStatus.SUCCEEDED
    return JobResult(end, words, doubtful=bool(other))


def _other_kind(project: Project, added: Added) -> str:
    """Warn of images whose modality does not fit the project's classes; empty if all fit."""
    wanted = Modality.OCT if project.scheme.surfaces else Modality.FUNDUS
    known = (wanted, Modality.UNKNOWN)
    other = [f"'{image.name}'" for image in added.images if image.modality not in known]
    if project.scheme not in (OCT_LAYERS, FUNDUS_VESSELS) or not other:
        return ""
    found = Modality.FUNDUS if wanted is Modality.OCT else Modality.OCT
    one, many = _KINDS[found]
    looks = f"it looks like {one}" if len(other) == 1 else f"they look like {many}"
    return f"Check {_few(other, ', ')}: {looks}, and this project is for {_KINDS[wanted][1]}."


def _say_added(added: Added) -> str:
    parts = [f"{len(added.problems)} failed: {_few(added.problems, ' ')}"] * bool(added.problems)
    parts.append(f"{len(added.images)} added.")
    if added.duplicates:
        known = [f"'{path.name}' is '{image.name}'" for path, image in added.duplicates]
        parts.append(f"{len(known)} already in the project: {_few(known, ', ')}.")
    if added.identifiers:
        listed = [f"'{image.name}' ({', '.join(what)})" for image, what in added.identifiers]
        parts.append(
            f"Possible patient identifiers were found: {_few(listed, ', ')}. They stay in this"
            " project: an export leaves them out unless you choose to keep them."
        )
    return " ".join(parts)


def _predict(task: PredictImages, token: CancelToken) -> Steps:
    yield Progress(0, 0, f"Loading {task.model.name}")  # takes seconds
    load_engine()
    from napari_retina_seg.workflows.predicting import iter_predict_images

    due = tuple(_unreviewed(task.project))
    if not due:
        return JobResult(JobStatus.SUCCEEDED, "No unreviewed images.")
    done = yield from iter_predict_images(task.project, task.model, due, token=token)
    parts = [f"{task.model.name} segmented {len(done.image_ids)} of {count(len(due), 'image')}."]
    if done.skipped:
        parts.append(f"{len(done.skipped)} already have its mask, or were edited meanwhile.")
    if done.warned:
        parts.append(
            f"{UNLIKE}: {count(len(done.warned), 'image')}, listed by the filter 'Check these'."
        )
    else:
        parts += done.warnings[:_LISTED]
    if done.unfit:
        parts.append(f"{len(done.unfit)} skipped: {_few(done.unfit, ' ')}")
    if done.problems:
        parts.append(f"{len(done.problems)} failed: {_few(done.problems, ' ')}")
    end = JobStatus.FAILED if done.failed else JobStatus.SUCCEEDED
    return JobResult(end, " ".join(parts), doubtful=bool(done.warned or done.unfit))


def _unreviewed(project: Project) -> Generator[int, None, None]:
    filters, last = Filters(states=frozenset({State.UNREVIEWED})), None
    while page := project.queue(filters, after=last, limit=500):
        yield from (image.id for image in page)
        last = page[-1].id


def _few(items: Sequence[str], between: str) -> str:
    more = len(items) - _LISTED
    return between.join(items[:_LISTED]) + (f"{between}and {more} more" if more > 0 else "")


BatchTask = Callable[[AddImages | PredictImages, CancelToken], Steps]
