"""Unsaved changes of the open image, and the ways to save them: runs on the I/O thread."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field, replace

from napari_retina_seg._napari.masks.annotations import up_to_date
from napari_retina_seg.editing.open_places import OpenPlace, describe_places, find_open_places
from napari_retina_seg.project.project import Project
from napari_retina_seg.project.states import DRAFT_OF, Action, GradingRound
from napari_retina_seg.project.values import (
    Autosave,
    ProjectImage,
    Version,
)
from napari_retina_seg.types.annotation import Annotation
from napari_retina_seg.types.errors import ProjectError, SavedLocallyError


@dataclass(frozen=True, eq=False)
class UnsavedEdit:
    """Copy of the open image's unsaved edit.

    Attributes
    ----------
    image : ProjectImage
        The image.
    grading : GradingRound
        Role in which the user grades it.
    parent : int or None
        Number of the version that it is based on.
    now, before : Annotation
        The mask now, and when it was opened or last saved; None if it was never saved.
    seconds : float
        Time spent on it since then.
    comment : str
        For the next version.
    slots : list of Autosave
        Its autosaves; written by the I/O thread.
    versions : list of Version
        Versions that it was saved as; written by the I/O thread.
    warnings : list of str
        Warnings about the saved mask; written by the I/O thread.
    """

    image: ProjectImage
    grading: GradingRound
    parent: int | None
    now: Annotation
    before: Annotation | None
    seconds: float
    comment: str
    slots: list[Autosave] = field(default_factory=list)
    versions: list[Version] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    @property
    def is_painted(self) -> bool:
        """Whether the mask has unsaved changes."""
        return self.before is None or not self.now.equals(self.before)

    def after(self, saved: UnsavedEdit) -> UnsavedEdit:
        """Return this edit, based on another one that was saved."""
        comment = "" if self.comment == saved.comment else self.comment
        return replace(self, parent=saved.versions[-1].number, before=saved.now, comment=comment)


def save_draft(project: Project, edit: UnsavedEdit) -> Version | None:
    """Save unsaved changes as work in progress; raises as `save_as` does."""
    if not edit.is_painted and not edit.comment:
        discard_autosave(project, edit)
        return None
    return save_as(project, edit, DRAFT_OF[edit.grading])


def save_as(project: Project, edit: UnsavedEdit, action: Action) -> Version:
    """Save the mask; raises `ProjectError` on failure, or if the version is in conflict."""
    annotation = up_to_date(edit.now)
    version = project.save_version(
        edit.image.id,
        annotation,
        action,
        parent=edit.parent,
        seconds=edit.seconds,
        comment=edit.comment,
    )
    edit.versions.append(version)
    warn_of_open_places(project, edit)
    edit.slots.clear()  # saving has removed them
    return raise_on_conflict(version)


def raise_on_conflict(version: Version) -> Version:
    """Return a saved version; raises `ProjectError` if it is in conflict.

    The image then stays open: the user must see a conflict before it is resolved or another image
    is opened.
    """
    if version.conflict:
        raise ProjectError(
            "Someone else saved this image meanwhile, and both versions are kept: compare them in"
            " the history, and restore one of them."
        )
    return version


def open_places(project: Project, edit: UnsavedEdit) -> tuple[OpenPlace, ...]:
    """Return the places of an edit that can't be as they are drawn."""
    labels, before = edit.now.labels, []
    if labels.ndim > 2:  # slices may have been erased, now or in an earlier version
        prediction = project.permissions(edit.image.id).prediction
        if prediction is not None:
            before.append(project.annotation(edit.image.id, prediction.number).labels)
        if edit.before is not None:
            before.append(edit.before.labels)
    return find_open_places(labels, project.scheme, edit.now.ignore, before)


def warn_of_open_places(project: Project, edit: UnsavedEdit) -> None:
    """Add a warning to an edit that is saved with open places."""
    sentence = describe_places(open_places(project, edit))
    if sentence:
        edit.warnings.append(sentence)


def autosave(project: Project, edit: UnsavedEdit) -> str | None:
    """Autosave unsaved changes; None if there are none.

    Returns
    -------
    str or None
        What to say if they are kept on this computer for now; empty if they are in the project.
    """
    if not edit.is_painted and not edit.comment:
        discard_autosave(project, edit)
        return None
    try:
        slot = project.autosave(
            edit.image.id,
            up_to_date(edit.now),
            parent=edit.parent,
            seconds=edit.seconds,
            comment=edit.comment,
        )
    except SavedLocallyError as error:
        return str(error)
    edit.slots[:] = [slot]
    return ""


def discard_autosave(project: Project, edit: UnsavedEdit) -> None:
    """Discard the autosaves of an edit that was undone or is no longer wanted."""
    for slot in edit.slots:
        with contextlib.suppress(ProjectError):  # another window may have recovered it
            project.discard(slot)
    edit.slots.clear()
    project.discard_pending(edit.image.id)
