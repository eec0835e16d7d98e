"""Read the saved versions of an image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_retina_seg.project.blinding import (
    check_not_blinded,
    check_visible,
    is_first_comparison,
    listed,
    may_revise,
    newest_human,
    note_comparison,
)
from napari_retina_seg.project.contents import decode_arrays, decode_mask
from napari_retina_seg.project.states import MASK_COUNTS, GradingRound, State
from napari_retina_seg.project.store import (
    Store,
    image_row,
    version_row,
    version_value,
    versions_of,
)
from napari_retina_seg.project.values import Version
from napari_retina_seg.types.annotation import Annotation
from napari_retina_seg.types.errors import ProjectError


def list_versions(store: Store, image_id: int) -> tuple[Version, ...]:
    """Return the versions of an image; see `ProjectView.history`."""
    with store.database.reading() as session:
        image = image_row(session, image_id)
        is_listed = listed(session, image, store.author)
        return tuple(version_value(row) for row in versions_of(session, image) if is_listed(row))


def read_annotation(store: Store, image_id: int, number: int) -> Annotation:
    """Read a version; see `ProjectView.annotation`."""
    _note_first_comparison(store, image_id, number)
    with store.database.reading() as session:
        image = image_row(session, image_id)
        row = version_row(session, image, number)
        check_visible(session, image, row, store.author)
        if row.mask is None:
            raise ProjectError(
                f"Version {number} of '{image.name}' has no mask: it is {row.state}."
            )
        shape = tuple(image.shape)
        labels = decode_mask(*store.read_file(session, row.mask)).reshape(shape)
        boundaries = questionable = None
        if row.boundaries is not None:
            boundaries = decode_arrays(*store.read_file(session, row.boundaries))["boundaries"]
        if row.questionable is not None:
            region = decode_mask(*store.read_file(session, row.questionable))
            questionable = np.asarray(region.reshape(shape) > 0)
    return Annotation(labels, boundaries, questionable)


def _note_first_comparison(store: Store, image_id: int, number: int) -> None:
    """Note that both gradings are seen before a version is read, not after."""
    with store.database.reading() as session:
        image = image_row(session, image_id)
        row = version_row(session, image, number)
        check_visible(session, image, row, store.author)
        compares = is_first_comparison(session, image, row, store.author)
    if compares:
        note_comparisons(store, [image_id])


def note_comparisons(store: Store, image_ids: Sequence[int]) -> None:
    """Note that this person has seen both gradings of images.

    Raises
    ------
    ProjectError
        If it can't be noted, and this person could change one of the gradings thereafter.
    """
    if not image_ids:
        return
    if not store.database.read_only:
        with store.database.writing() as session:
            for image_id in image_ids:
                note_comparison(session, image_row(session, image_id))
        return
    with store.database.reading() as session:
        for image_id in image_ids:
            image = image_row(session, image_id)
            if may_revise(session, image, store.author):
                raise ProjectError(
                    f"You can still change your grading of '{image.name}', and seeing the first"
                    " grading ends that, which can't be noted in a read-only project: compare them"
                    " where the project can be written."
                )


def read_probabilities(store: Store, image_id: int, number: int) -> npt.NDArray[Any] | None:
    """Read the probabilities of a prediction; see `ProjectView.probabilities`."""
    with store.database.reading() as session:
        row = version_row(session, image_row(session, image_id), number)
        if row.probabilities is None:
            return None
        return decode_arrays(*store.read_file(session, row.probabilities))["probabilities"]


def find_truth(store: Store, image_id: int) -> Version | None:
    """Return the version that counts as truth; see `ProjectView.truth`."""
    with store.database.reading() as session:
        image = image_row(session, image_id)
        # First, so that the error does not reveal whether there is a mask.
        check_not_blinded(session, image, store.author)
        if State(image.state) not in MASK_COUNTS:
            return None
        compares = may_revise(session, image, store.author)
    if compares:
        note_comparisons(store, [image_id])
    with store.database.reading() as session:
        image = image_row(session, image_id)
        adjudicated = State(image.state) is State.ADJUDICATED
        grading = GradingRound.ADJUDICATION if adjudicated else GradingRound.FIRST
        row = newest_human(session, image, grading)
        if row is not None and State(row.state) is State.IN_PROGRESS:
            raise ProjectError(
                f"'{image.name}' is {State(image.state)}, but the newest version of its mask is"
                " work in progress: run 'project check', or restore a backup of the database."
            )
        found = None if row is None else version_value(row)
    # The first grader may have called it ungradable.
    return found if found is not None and found.mask is not None else None
