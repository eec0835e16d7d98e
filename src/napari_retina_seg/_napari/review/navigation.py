"""Saving an image and opening the next, without Qt or layers: runs on the I/O thread."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta

import numpy as np
import numpy.typing as npt

from napari_retina_seg.imaging.invalid_pixels import find_no_data
from napari_retina_seg.project.filters import Filters, Order
from napari_retina_seg.project.project import Project
from napari_retina_seg.project.roles import Role
from napari_retina_seg.project.states import DRAFTS, UNFINISHED, Action, GradingRound, State
from napari_retina_seg.project.values import Autosave, Permissions, ProjectImage, Version
from napari_retina_seg.types.annotation import Annotation
from napari_retina_seg.types.errors import ProjectError, RetinaSegError
from napari_retina_seg.types.image import RetinaImage
from napari_retina_seg.types.segmentation import normalised_entropy

LEASE = timedelta(minutes=3)  # renewed every minute; a crash keeps others off no longer

_PAGE = 20
_ADJUDICATED_NEXT = frozenset({State.GRADED_TWICE})
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
    has_wrapped : bool
        Whether the end of the queue was passed to find the opened image.
    """

    version: Version | None
    opened: OpenImage | None
    skipped: tuple[str, ...]
    has_wrapped: bool = False


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


class Neighbours:
    """Iterates over the queue from an image; forward, it then wraps to what is left before it.

    An adjudicator goes to other images that are to be adjudicated first.

    Attributes
    ----------
    has_wrapped : bool
        Whether the end of the queue was passed.
    """

    def __init__(
        self,
        project: Project,
        filters: Filters,
        order: Order,
        image_id: int | None,
        *,
        forward: bool,
        adjudicates: bool = False,
    ) -> None:
        self._project, self._filters, self._order = project, filters, order
        self._image_id, self._forward, self._adjudicates = image_id, forward, adjudicates
        self.has_wrapped = False

    def __iter__(self) -> Iterator[int]:
        if self._adjudicates:
            yield from self._to_adjudicate()
        yield from self._walk(self._filters, self._image_id)
        if self._forward and self._image_id is not None:
            self.has_wrapped = True
            for filters in _left_of(self._filters):
                yield from (each for each in self._walk(filters, None) if each != self._image_id)

    def _to_adjudicate(self) -> Iterator[int]:
        """Iterate over the images that this person may adjudicate, first those that follow."""
        if self._filters.states and not self._filters.states & _ADJUDICATED_NEXT:
            return
        filters = replace(self._filters, states=_ADJUDICATED_NEXT)
        for start in (self._image_id, None):
            self.has_wrapped = start is None
            for each in self._walk(filters, start):
                if Action.ADJUDICATE in self._project.permissions(each).actions:
                    yield each
        self.has_wrapped = False

    def _walk(self, filters: Filters, image_id: int | None) -> Iterator[int]:
        queue, order = self._project.queue, self._order
        while True:
            if self._forward or image_id is None:
                page = queue(filters, order, after=image_id, limit=_PAGE)
            else:
                page = tuple(reversed(queue(filters, order, before=image_id, limit=_PAGE)))
            if not page:
                return
            yield from (image.id for image in page)
            image_id = page[-1].id


def _left_of(filters: Filters) -> Iterator[Filters]:
    """Return filters for what this person has left to do of the filtered images."""
    if filters.states == _ADJUDICATED_NEXT or filters.second_grading:
        yield filters
        return
    states = filters.states & UNFINISHED if filters.states else UNFINISHED
    if states:
        yield replace(filters, states=states)
    if not filters.states or State.CORRECTED in filters.states:  # as a second grader sees them
        yield replace(filters, states=frozenset(), second_grading=True)


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
            annotation=_annotation_to_edit(project, image, pixels, permissions, recover),
            predicted=_read(project, image_id, permissions.prediction),
            other=_other_grading(project, image, permissions),
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
        return project.read_only_reason
    if image.removal is not None:
        return f"'{image.name}' was removed by {image.removal.removed_by}: restore it to grade it."
    if permissions.actions & DRAFTS or recover is not None:
        return ""
    if permissions.grading is GradingRound.SECOND:
        return (
            f"You are the second grader of '{image.name}': the first grading is not finished yet."
        )
    if Action.SECOND_REOPEN in permissions.actions:
        return (
            f"You have graded '{image.name}': reopen it to correct a slip, until someone has"
            " compared the two gradings."
        )
    if image.state is State.GRADED_TWICE and Action.REOPEN not in permissions.actions:
        return (
            f"You have graded '{image.name}' and see your own grading: someone else adjudicates it."
        )
    if image.state is State.GRADED_TWICE and permissions.role is Role.GRADER:
        return f"'{image.name}' is {image.state}: an adjudicator of this study adjudicates it."
    return f"'{image.name}' is {image.state}: reopen it to change it."


def _annotation_to_edit(
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


def _other_grading(
    project: Project, image: ProjectImage, permissions: Permissions
) -> Annotation | None:
    """Return the second grader's mask for the adjudicator, who starts from the first one's."""
    if Action.ADJUDICATE not in permissions.actions:
        return None
    second = [
        version
        for version in project.history(image.id)
        if version.grading is GradingRound.SECOND and version.round == image.round and version.mask
    ]
    second = [version for version in second if not version.conflict]
    if not second or permissions.shown is None or second[-1].number == permissions.shown.number:
        return None
    return _read(project, image.id, second[-1])
