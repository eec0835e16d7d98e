"""Tasks of the Export and import dock, and their result messages."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from napari_retina_seg._napari.job import JobResult, JobStatus, Steps
from napari_retina_seg._napari.project_row import ProjectRef
from napari_retina_seg.project.project import Project
from napari_retina_seg.project.view import ProjectView
from napari_retina_seg.types.counts import count
from napari_retina_seg.types.progress import CancelToken, Progress, finish
from napari_retina_seg.workflows.export_options import Format, Identities
from napari_retina_seg.workflows.exporting import Exported, iter_export
from napari_retina_seg.workflows.importing import Imported, iter_import_masks
from napari_retina_seg.workflows.naming import NameChange, iter_name_changes
from napari_retina_seg.workflows.patients import PatientRule
from napari_retina_seg.workflows.selection import Selection, Subjects, find_subjects

_MOST = 5  # messages that are shown


@dataclass(frozen=True)
class ExportTask:
    """Request to export masks."""

    where: ProjectRef
    out: Path
    format: Format
    selection: Selection
    identities: Identities
    patients: PatientRule | None = None
    with_images: bool = False


@dataclass(frozen=True)
class ImportTask:
    """Request to import masks."""

    where: ProjectRef
    source: Path
    author: str | None
    second_grading: bool
    remap: Mapping[int, int]


def list_subjects(where: ProjectRef) -> Subjects:
    """List the patients and eyes of a project.

    Raises
    ------
    ProjectError
        If there is no project, or it can't be read.
    """
    with ProjectView(where.folder, author=where.author) as project:
        return find_subjects(project)


def list_names(where: ProjectRef) -> tuple[NameChange, ...]:
    """List what becomes of the names of a project's images; each file's header is read.

    Raises
    ------
    ProjectError
        If there is no project, or it can't be read.
    """
    with ProjectView(where.folder, author=where.author) as project:
        return finish(iter_name_changes(project))


def keep_names(where: ProjectRef, kept: Mapping[int, bool]) -> int:
    """Confirm the names that are kept, and withdraw the others; return how many are kept.

    Raises
    ------
    ProjectError
        If the project can't be written.
    """
    with Project(where.folder, author=where.author) as project:
        before = project.confirmed_names()
        project.confirm_names(number for number, keep in kept.items() if keep)
        project.withdraw_names(number for number in before if not kept.get(number, True))
        return len(project.confirmed_names())


def run_export(task: ExportTask, token: CancelToken) -> Steps:
    """Export masks; problems make the result a failure."""
    with ProjectView(task.where.folder, author=task.where.author) as project:
        done: Exported = yield from iter_export(
            project,
            task.out,
            task.format,
            selection=task.selection,
            identities=task.identities,
            patients=task.patients,
            with_images=task.with_images,
            token=token,
        )
    parts = [f"{count(done.masks, 'mask')} exported to '{done.folder}'."]
    parts += done.warnings
    if done.predictions:
        parts.append(f"Unreviewed predictions, in its folder 'predictions': {done.predictions}.")
    if done.pseudonyms:
        parts.append(f"Images with pseudonyms: {done.pseudonyms}.")
    parts += [task.format.advice] if task.format.advice else []
    return replace(_end(parts, "not exported", done.problems), doubtful=done.is_doubtful)


def run_import(task: ImportTask, token: CancelToken) -> Steps:
    """Import masks; problems make the result a failure."""
    with Project(task.where.folder, author=task.where.author) as project:
        job: Generator[Progress, None, Imported] = iter_import_masks(
            project,
            task.source,
            author=task.author,
            second_grading=task.second_grading,
            remap=task.remap,
            token=token,
        )
        done = yield from job
    masks = count(len(done.versions) - done.ungradable, "mask")
    parts = [f"{masks} imported, {done.known} already in the project."]
    if done.ungradable:
        parts.append(f"{count(done.ungradable, 'image')} marked as ungradable.")
    if done.unannotated:
        parts.append(f"Images without annotations, unchanged: {len(done.unannotated)}.")
    parts += _some("", done.identifiers)
    return _end(parts, "not imported", done.problems)


def _end(parts: Sequence[str], failed: str, problems: Sequence[str]) -> JobResult:
    """Build the result; problems make it a failure that lists the first of them."""
    listed = _some(f"{count(len(problems), 'mask')} {failed}:", problems) if problems else []
    return JobResult(
        JobStatus.FAILED if problems else JobStatus.SUCCEEDED, "\n".join([*parts, *listed])
    )


def _some(heading: str, sentences: Sequence[str]) -> list[str]:
    more = [f"… and {len(sentences) - _MOST} more."] if len(sentences) > _MOST else []
    return [*filter(None, [heading]), *sentences[:_MOST], *more]
