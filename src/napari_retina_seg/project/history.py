"""Read the saved versions of an image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_retina_seg.project.blinding import (
    check_not_blinded,
    check_visible,
    find_second_row,
    is_first_comparison,
    listed,
    may_mend,
    newest_human,
    note_comparison,
)
from napari_retina_seg.project.contents import decode_arrays, decode_mask
from napari_retina_seg.project.states import MASK_COUNTS, GradingRound, State
<<<<<<< HEAD
from napari_retina_seg.project.store import Store, image_row, version_row, version_value
from napari_retina_seg.project.tables import VersionRow
=======
from napari_retina_seg.project.store import (
    Store,
    image_row,
    now,
    version_row,
    version_value,
    versions_of,
)
>>>>>>> 103544d (Compare all records when a project is opened and before its masks are used; choose versions in Python)
from napari_retina_seg.project.values import Version
from napari_retina_seg.types.annotation import Annotation
from napari_retina_seg.types.errors import ProjectError


def list_versions(store: Store, image_id: int) -> tuple[Version, ...]:
    """Return the versions of an image; see `ProjectView.history`."""
    with store.database.reading() as session:
        image = image_row(session, image_id)
<<<<<<< HEAD
        is_listed = listed(session, image, store.author)
        query = select(VersionRow).filter_by(image_id=image_id).order_by(VersionRow.number)
        return tuple(version_value(row) for row in session.scalars(query) if is_listed(row))
=======
        may_see = visible(session, image, store.author)
        return tuple(version_value(row) for row in versions_of(session, image) if may_see(row))
>>>>>>> 103544d (Compare all records when a project is opened and before its masks are used; choose versions in Python)


def read_annotation(store: Store, image_id: int, number: int) -> Annotation:
    """Read a version; see `ProjectView.annotation`."""
    with store.database.reading() as session:
        image = image_row(session, image_id)
        row = version_row(session, image, number)
        check_visible(session, image, row, store.author)
        compares = is_first_comparison(session, image, row, store.author)
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
    if compares:
        note_comparisons(store, [image_id])
    return Annotation(labels, boundaries, questionable)


<<<<<<< HEAD
def note_comparisons(store: Store, image_ids: Sequence[int]) -> None:
    """Note that this person has seen both gradings of images.

    Raises
    ------
    ProjectError
        If it can't be noted, and this person could mend one of the gradings thereafter.
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
            if may_mend(session, image, store.author):
                raise ProjectError(
                    f"You can still mend your grading of '{image.name}', and seeing the first"
                    " grading ends that, which can't be noted in a read-only project: compare them"
                    " where the project can be written."
                )
=======
def _note_comparison(store: Store, image_id: int) -> None:
    """Note that somebody has seen both gradings: the second one can't be mended any more."""
    with store.database.writing() as session:
        image = image_row(session, image_id)
        second = find_second_row(session, image)
        if second is not None and second.compared_at is None:
            second.compared_at = now()
>>>>>>> 103544d (Compare all records when a project is opened and before its masks are used; choose versions in Python)


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
        adjudicated = State(image.state) is State.ADJUDICATED
        grading = GradingRound.ADJUDICATION if adjudicated else GradingRound.FIRST
        row = newest_human(session, image, grading)
<<<<<<< HEAD
        found = None if row is None else version_value(row)
        compares = may_mend(session, image, store.author)
    if compares:
        note_comparisons(store, [image_id])
    # The first grader may have called it ungradable.
    return found if found is not None and found.mask is not None else None
=======
        if row is None:
            return None
        if State(row.state) is State.IN_PROGRESS:
            raise ProjectError(
                f"'{image.name}' is {State(image.state)}, but the newest version of its mask is"
                " work in progress: run 'project check', or restore a backup of project.sqlite."
            )
        if row.mask is None:  # the first grader called it ungradable
            return None
        return version_value(row)
>>>>>>> 103544d (Compare all records when a project is opened and before its masks are used; choose versions in Python)
