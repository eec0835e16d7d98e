"""What a person may do to an image, and the versions the work starts from."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy.orm import Session

from napari_retina_seg.project.blinding import (
    allowed_actions,
    check_permissions,
    find_grading_round,
    find_second_grader,
    is_blind,
    listed,
    newest_human,
)
from napari_retina_seg.project.removals import find_removal
from napari_retina_seg.project.states import Action, GradingRound, State
from napari_retina_seg.project.store import (
    Store,
    image_row,
    same_person,
    version_value,
    versions_of,
)
from napari_retina_seg.project.tables import ImageRow, VersionRow
from napari_retina_seg.project.values import Permissions, VersionKind


def find_permissions(store: Store, image_id: int) -> Permissions:
    """Return what a person may do to an image; see `ProjectView.permissions`."""
    with store.database.reading() as session:
        image = image_row(session, image_id)
        grading = find_grading_round(session, image, store.author)
        prediction = _newest_prediction(session, image)
        begins = _begin(session, image, grading, store.author) or prediction
        is_listed = listed(session, image, store.author)
        masks = _masks(session, image, grading, begins)
        shown = next((row for row in masks if row.mask and is_listed(row)), None)
        second = find_second_grader(session, image)
        possible = allowed_actions(session, image, State(image.state), store.author)
        member = store.database.member
        is_fixed = store.database.read_only or find_removal(session, image.id) is not None
        return Permissions(
            grading=grading,
            actions=frozenset() if is_fixed else frozenset(possible),
            begins=None if begins is None else version_value(begins),
            shown=None if shown is None else version_value(shown),
            prediction=None if prediction is None else version_value(prediction),
            second_grader=second,
            may_assign=second is None and is_blind(session, image) and member is None,
            role=None if member is None else member.role,
        )


def check_permitted(store: Store, image_id: int, action: Action) -> None:
    """Raise `ProjectError` if a person may not do this; see `ProjectView.check_permitted`."""
    with store.database.reading() as session:
        check_permissions(session, image_row(session, image_id), action, store.author)


def _begin(
    session: Session, image: ImageRow, grading: GradingRound, person: str
) -> VersionRow | None:
    own = newest_human(session, image, grading)
    if own is not None or grading is not GradingRound.ADJUDICATION:
        return own
    second = find_second_grader(session, image)
    is_second = second is not None and same_person(second, person)
    return newest_human(session, image, GradingRound.SECOND if is_second else GradingRound.FIRST)


def _masks(
    session: Session, image: ImageRow, grading: GradingRound, begins: VersionRow | None
) -> Iterator[VersionRow]:
    """Iterate over the versions whose mask may be shown; ungradable ones have none."""
    row = begins
    while row is not None and (grading is not GradingRound.SECOND or _may_show_second(row)):
        yield row
        row = row.parent
    if grading is GradingRound.ADJUDICATION:
        for other in (GradingRound.FIRST, GradingRound.SECOND):
            drawn = newest_human(session, image, other)
            if drawn is not None:
                yield drawn
    prediction = _newest_prediction(session, image)
    if prediction is not None:
        yield prediction


def _may_show_second(row: VersionRow) -> bool:
    """Whether a version may be shown to a second grader, who is blinded to the first."""
    return row.kind == VersionKind.PREDICTION or row.grading == GradingRound.SECOND


def _newest_prediction(session: Session, image: ImageRow) -> VersionRow | None:
    rows = reversed(versions_of(session, image))
    return next((row for row in rows if row.kind == VersionKind.PREDICTION), None)
