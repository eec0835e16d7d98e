"""Batch tasks on a project: add images, and run a model over all unreviewed ones."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from napari_retina_seg._napari.engine_tasks import load_engine
from napari_retina_seg._napari.job import JobResult, JobStatus, Steps
from napari_retina_seg.io.images.folders import list_tree
from napari_retina_seg.models.registry import ModelFolder
from napari_retina_seg.project.filters import Filters
from napari_retina_seg.project.misfits import describe_misfits
from napari_retina_seg.project.project import Project
from napari_retina_seg.project.results import Added
from napari_retina_seg.project.states import State
from napari_retina_seg.types.counts import count
from napari_retina_seg.types.progress import CancelToken, Progress
from napari_retina_seg.types.segmentation import UNLIKE
from napari_retina_seg.workflows.cluster_options import ClusterOptions

if TYPE_CHECKING:
    from napari_retina_seg.workflows.predicting import Predicted

_IMPORT = "To bring them in, open Plugins › Retina Seg › Export and import, tab Import."
_REMOVED = " (removed: see the filter 'Removed' to restore it)"
_LISTED = 3  # items named per message; the others are counted


@dataclass(frozen=True, eq=False)
class AddImages:
    """Request to add files and folders."""

    project: Project
    paths: tuple[Path, ...]
    copy: bool

    @property
    def title(self) -> str:
        """Title in napari's activity dock."""
        return f"Adding images to '{self.project.folder.name}'"


@dataclass(frozen=True, eq=False)
class PredictImages:
    """Request to run a model over all unreviewed images; without `run_on` in this process."""

    project: Project
    model: ModelFolder
    run_on: ClusterOptions | None = None

    @property
    def title(self) -> str:
        """Title in napari's activity dock."""
        return f"Segmenting unreviewed images with '{self.model.name}'"


@dataclass(frozen=True)
class WorkersReady(Progress):
    """The workers of a batch can be reached, and what they do is shown at an address."""

    dashboard: str = ""


def add(task: AddImages, token: CancelToken) -> Steps:
    """Add images; it failed if none of the files is in the project then."""
    found = list_tree(task.paths)
    skipped = " ".join(filter(None, (found.describe_masks(_IMPORT), found.others.message)))
    if not found.images:
        names = ", ".join(f"'{path.name}'" for path in task.paths)
        message = f"No images in {names}: choose another folder. {skipped}"
        return JobResult(JobStatus.FAILED, message.strip())
    from napari_retina_seg.io.images.series import group_series

    series = group_series(found.images)
    files = list(dict.fromkeys(file for image in series for file in image.files))
    added = yield from task.project.iter_add_images(files, copy=task.copy, token=token)
    apart = _few([image.message for image in series if image.message], " ")
    file_warnings = _few(added.warnings, " ")
    other = describe_misfits(task.project.scheme, added.images)
    message = " ".join(filter(None, (_describe_added(added), other, skipped, apart, file_warnings)))
    is_failed = added.problems and not (added.images or added.duplicates)
    end = JobStatus.FAILED if is_failed else JobStatus.SUCCEEDED
    return JobResult(end, message, doubtful=bool(other or added.problems))


def _describe_added(added: Added) -> str:
    parts = [f"{len(added.problems)} failed: {_few(added.problems, ' ')}"] * bool(added.problems)
    parts.append(f"{len(added.images)} added.")
    if added.duplicates:
        known = [
            f"'{path.name}' is '{image.name}'{_REMOVED if image.removal else ''}"
            for path, image in added.duplicates
        ]
        parts.append(f"{len(known)} already in the project: {_few(known, ', ')}.")
    if added.identifiers:
        listed = [f"'{image.name}' ({', '.join(what)})" for image, what in added.identifiers]
        parts.append(
            f"Possible patient identifiers were found: {_few(listed, ', ')}. They stay in this"
            " project: an export leaves them out unless you choose to keep them."
        )
    return " ".join(parts)


def predict(task: PredictImages, token: CancelToken) -> Steps:
    """Run a model over all unreviewed images."""
    due = tuple(_unreviewed(task.project))
    if not due:
        return JobResult(JobStatus.SUCCEEDED, "No unreviewed images.")
    done = yield from (_predict_here if task.run_on is None else _predict_on_workers)(
        task, due, token
    )
    parts = [f"{task.model.name} segmented {len(done.image_ids)} of {count(len(due), 'image')}."]
    parts += done.model_warnings
    if done.skipped:
        parts.append(f"{len(done.skipped)} have its mask already.")
    if done.graded:
        parts.append(f"{len(done.graded)} were skipped: a person has worked on them meanwhile.")
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


def _predict_here(
    task: PredictImages, due: Sequence[int], token: CancelToken
) -> Generator[Progress, None, Predicted]:
    yield Progress(0, 0, f"Loading {task.model.name}")  # takes seconds
    load_engine()
    from napari_retina_seg.workflows.predicting import iter_predict_images

    return (yield from iter_predict_images(task.project, task.model, due, token=token))


def _predict_on_workers(
    task: PredictImages, due: Sequence[int], token: CancelToken
) -> Generator[Progress, None, Predicted]:
    from napari_retina_seg.workflows.cluster import open_cluster
    from napari_retina_seg.workflows.predicting import find_worker_needs, iter_predict_images

    assert task.run_on is not None  # noqa: S101 - see `predict`
    yield Progress(0, 0, task.run_on.message)
    needs = find_worker_needs(task.project, task.model, due)
    with open_cluster(task.run_on, needs) as cluster:
        yield WorkersReady(0, 0, f"On {cluster.label}", cluster.dashboard)
        mapper = partial(cluster.iter_map, in_order=False)
        return (
            yield from iter_predict_images(
                task.project, task.model, due, token=token, mapper=mapper
            )
        )


def _unreviewed(project: Project) -> Generator[int, None, None]:
    filters, last = Filters(states=frozenset({State.UNREVIEWED})), None
    while page := project.queue(filters, after=last, limit=500):
        yield from (image.id for image in page)
        last = page[-1].id


def _few(items: Sequence[str], between: str) -> str:
    more = len(items) - _LISTED
    return between.join(items[:_LISTED]) + (f"{between}and {more} more" if more > 0 else "")
