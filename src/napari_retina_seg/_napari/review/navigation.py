"""Saving an image and opening the next, without Qt or layers: runs on the I/O thread."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta

import numpy as np
import numpy.typing as npt

from napari_retina_seg._napari.masks.annotations import up_to_date
from napari_retina_seg.editing.consistency import count_inconsistent_columns
from napari_retina_seg.imaging.invalid_pixels import find_no_data
from napari_retina_seg.project.project import Project
from napari_retina_seg.project.states import DRAFTS, Action, GradingRound, State
from napari_retina_seg.project.values import (
    Autosave,
    Filters,
    Order,
    Permissions,
    ProjectImage,
    Version,
)
from napari_retina_seg.types.annotation import Annotation
from napari_retina_seg.types.counts import count
from napari_retina_seg.types.errors import ProjectError, RetinaSegError
from napari_retina_seg.types.image import RetinaImage
from napari_retina_seg.types.segmentation import normalised_entropy

LEASE = timedelta(minutes=3)  # renewed every minute; a crash keeps others off no longer

DRAFT_OF = {
    GradingRound.FIRST: Action.DRAFT,
    GradingRound.SECOND: Action.SECOND_DRAFT,
    GradingRound.ADJUDICATION: Action.ADJUDICATION_DRAFT,
}
FINAL_OF = {
    GradingRound.FIRST: Action.CORRECT,
    GradingRound.SECOND: Action.SECOND_READ,
    GradingRound.ADJUDICATION: Action.ADJUDICATE,
}
_PAGE = 20
_MOST_SKIPPED = 20  # a missing folder would otherwise add thousands of messages


@dataclass(frozen=True, eq=False)
class OpenImage:
    """An image that was opened from a project.

    Attributes
    ----------
    image : ProjectImage
        Record of the image in the project.
    pixels : RetinaImage
        Its pixels.
    permissions : Permissions
        What this author may do to it, and the version to start from.
    annotation : Annotation
        The mask to be edited.
    predicted : Annotation or None
        The newest prediction.
    other : Annotation or None
        For the adjudicator, the second grader's mask.
    versions : tuple of Version
        Its history.
    locked_reason : str
        Why it is read-only; empty if it may be edited.
    recovered : Autosave or None
        The autosave that the mask was restored from.
    """

    image: ProjectImage
    pixels: RetinaImage
    permissions: Permissions
    annotation: Annotation
    predicted: Annotation | None
    other: Annotation | None
    versions: tuple[Version, ...]
    locked_reason: str
    recovered: Autosave | None = None


@dataclass(frozen=True, eq=False)
class UnsavedEdit:
    """Copy of the open image's unsaved edit.

    Attributes
    ----------
    image : ProjectImage
        The image.
    reading : GradingRound
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
    reading: GradingRound
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
        return replace(self, parent=saved.versions[-1].number, before=saved.now)


@dataclass(frozen=True, eq=False)
class NavigationResult:
    """Result of saving one image and opening another.

    Attributes
    ----------
    version : Version or None
        Version of the previous image, if one was saved.
    opened : OpenImage or None
        The opened image; None if no image could be opened.
    skipped : tuple of str
        One message for each image that could not be opened.
    """

    version: Version | None
    opened: OpenImage | None
    skipped: tuple[str, ...]


def save_draft(project: Project, work: UnsavedEdit) -> Version | None:
    """Save unsaved changes as work in progress; raises as `save_as` does."""
    if not work.is_painted and not work.comment:
        discard_autosave(project, work)
        return None
    return save_as(project, work, DRAFT_OF[work.reading])


def save_as(project: Project, work: UnsavedEdit, action: Action) -> Version:
    """Save the mask; raises `ProjectError` on failure, or if the version is in conflict."""
    annotation = up_to_date(work.now)
    version = project.save_version(
        work.image.id,
        annotation,
        action,
        parent=work.parent,
        seconds=work.seconds,
        comment=work.comment,
    )
    work.versions.append(version)
    if action not in DRAFTS:
        work.warnings.extend(_oddities(annotation))
    work.slots.clear()  # saving has removed them
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


def _oddities(annotation: Annotation) -> list[str]:
    if annotation.boundaries is None:
        return []
    columns = count_inconsistent_columns(annotation.boundaries, annotation.labels)
    if not columns:
        return []
    return [f"In {count(columns, 'column')} of it layers are out of order, in pieces or have gaps."]


def autosave(project: Project, work: UnsavedEdit) -> bool:
    """Autosave unsaved changes; returns whether there were any."""
    if not work.is_painted:
        discard_autosave(project, work)
        return False
    slot = project.autosave(
        work.image.id, up_to_date(work.now), parent=work.parent, seconds=work.seconds
    )
    work.slots[:] = [slot]
    return True


def discard_autosave(project: Project, work: UnsavedEdit) -> None:
    """Discard the autosaves of an edit that was undone or is no longer wanted."""
    for slot in work.slots:
        with contextlib.suppress(ProjectError):  # another window may have recovered it
            project.discard(slot)
    work.slots.clear()


def save_and_open_next(
    project: Project,
    keep: Callable[[], Version | None],
    candidates: Iterable[int],
    leaving: int | None,
    *,
    must_be_free: bool,
) -> NavigationResult:
    """Save, then open the first candidate that can be opened; raises if saving fails.

    Parameters
    ----------
    project : Project
        The project of both images.
    keep : callable
        Saves the open image.
    candidates : iterable of int
        Images to try, in this order.
    leaving : int or None
        The open image, whose lease is released once another one is opened.
    must_be_free : bool
        Skip images that someone else is editing; otherwise they are opened read-only.
    """
    version = keep()
    skipped: list[str] = []
    for image_id in candidates:
        try:
            opened = open_image(project, image_id, must_be_free=must_be_free)
        except RetinaSegError as error:
            skipped.append(str(error))
            if len(skipped) == _MOST_SKIPPED:
                break
            continue
        if leaving is not None and (leaving != image_id or opened.locked_reason):
            release_lease(project, leaving)
        return NavigationResult(version, opened, tuple(skipped))
    return NavigationResult(version, None, tuple(skipped))


def release_lease(project: Project, image_id: int) -> None:
    """Release the lease on an image; one that can't be released expires."""
    if not project.read_only:
        with contextlib.suppress(ProjectError):
            project.check_in(image_id)


def neighbours(
    project: Project, filters: Filters, order: Order, image_id: int | None, *, forward: bool
) -> Iterator[int]:
    """Iterate over the queue from an image, forward or backward."""
    while True:
        if forward or image_id is None:
            page = project.queue(filters, order, after=image_id, limit=_PAGE)
        else:
            page = tuple(reversed(project.queue(filters, order, before=image_id, limit=_PAGE)))
        if not page:
            return
        yield from (image.id for image in page)
        image_id = page[-1].id


def open_image(
    project: Project,
    image_id: int,
    *,
    must_be_free: bool = False,
    recover: Autosave | None = None,
) -> OpenImage:
    """Read an image with its masks and history, and lease it if it may be edited.

    Raises
    ------
    ProjectError
        If it is missing or was changed, or must be free and is not.
    ReadError
        If it can't be read.
    """
    image = project.image(image_id)
    permissions = project.permissions(image_id)
    pixels = project.read_image(image_id)
    locked_reason = _locked_reason(project, image, permissions, recover)
    with contextlib.ExitStack() as undoing:
        if not locked_reason:
            try:
                project.check_out(image_id, LEASE, take_over=recover is not None)
                undoing.callback(release_lease, project, image_id)
            except ProjectError as error:
                if must_be_free:
                    raise
                locked_reason = str(error)
        opened = OpenImage(
            image=image,
            pixels=pixels,
            permissions=permissions,
            annotation=_begun(project, image, pixels, permissions, recover),
            predicted=_read(project, image_id, permissions.prediction),
            other=_other_reading(project, image, permissions),
            versions=project.history(image_id),
            locked_reason=locked_reason,
            recovered=recover,
        )
        undoing.pop_all()
    return opened


def reload_image(project: Project, opened: OpenImage) -> OpenImage:
    """Read the current state of the open image; the displayed prediction is kept."""
    image_id = opened.image.id
    permissions = replace(project.permissions(image_id), prediction=opened.permissions.prediction)
    return replace(
        opened,
        image=project.image(image_id),
        permissions=permissions,
        versions=project.history(image_id),
    )


def read_uncertainty(
    project: Project, image_id: int, permissions: Permissions
) -> npt.NDArray[np.float32] | None:
    """Return the uncertainty of the newest prediction, if its probabilities were kept."""
    if permissions.prediction is None:
        return None
    probabilities = project.probabilities(image_id, permissions.prediction.number)
    return None if probabilities is None else normalised_entropy(probabilities)


def _locked_reason(
    project: Project, image: ProjectImage, permissions: Permissions, recover: Autosave | None
) -> str:
    if project.read_only:
        return "The project can't be written, so it is read-only."
    if permissions.actions & DRAFTS or recover is not None:
        return ""
    if permissions.reading is GradingRound.SECOND:
        return (
            f"You are the second grader of '{image.name}': the first grading is not finished yet."
        )
    if image.state is State.SECOND_READ and Action.REOPEN not in permissions.actions:
        return (
            f"You have graded '{image.name}' and see your own grading: someone else adjudicates it."
        )
    return f"'{image.name}' is {image.state}: reopen it to change it."


def _begun(
    project: Project,
    image: ProjectImage,
    pixels: RetinaImage,
    permissions: Permissions,
    recover: Autosave | None,
) -> Annotation:
    """Return the mask to be edited: an autosave, a version, or an empty mask.

    An empty mask marks the pixels without data as questionable, as a prediction does.
    """
    if recover is not None:
        return project.recover(recover)
    annotation = _read(project, image.id, permissions.shown)
    if annotation is not None:
        return annotation
    return Annotation(np.zeros(image.shape, np.uint8), ignore=find_no_data(pixels))


def _read(project: Project, image_id: int, version: Version | None) -> Annotation | None:
    if version is None or version.mask is None:
        return None
    return project.annotation(image_id, version.number)


def _other_reading(
    project: Project, image: ProjectImage, permissions: Permissions
) -> Annotation | None:
    """Return the second grader's mask for the adjudicator, who starts from the first one's."""
    if Action.ADJUDICATE not in permissions.actions:
        return None
    second = [
        version
        for version in project.history(image.id)
        if version.reading is GradingRound.SECOND and version.round == image.round and version.mask
    ]
    second = [version for version in second if not version.conflict]
    if not second or permissions.shown is None or second[-1].number == permissions.shown.number:
        return None
    return _read(project, image.id, second[-1])
