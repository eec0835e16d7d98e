"""What a person may do to an image, and the versions the work starts from."""

from datetime import timedelta

import pytest

from napari_retina_seg.project.states import Action, GradingRound
from napari_retina_seg.project.values import VersionKind
from napari_retina_seg.types.errors import ProjectError

pytestmark = pytest.mark.both_databases

FIRST = {Action.DRAFT, Action.CORRECT, Action.ACCEPT, Action.REFUSE}
SECOND = {Action.SECOND_DRAFT, Action.SECOND_GRADE, Action.SECOND_REFUSE}


def test_work_begins_with_nothing_then_the_prediction_then_what_was_drawn(ann, image, make):
    permissions = ann.permissions(image.id)
    assert (permissions.grading, permissions.actions) == (GradingRound.FIRST, FIRST)
    assert permissions.begins is permissions.shown is permissions.prediction is None
    prediction = ann.add_prediction(image.id, make.prediction())
    permissions = ann.permissions(image.id)
    assert permissions.begins == permissions.shown == permissions.prediction == prediction
    draft = ann.save_version(image.id, make.annotation(), Action.DRAFT, parent=1)
    ann.add_prediction(image.id, make.prediction(5))
    permissions = ann.permissions(image.id)
    assert permissions.begins == permissions.shown == draft
    assert permissions.prediction.number == 3


def test_what_is_final_can_only_be_reopened_by_others_than_the_second_grader(ann, bob, image, make):
    final = ann.save_version(image.id, make.annotation(), Action.CORRECT)
    assert ann.permissions(image.id).actions == {Action.REOPEN}
    assert ann.permissions(image.id).begins == final
    assert ann.permissions(image.id).may_assign
    assert bob.permissions(image.id).actions == {Action.REOPEN}
    ann.assign_second_grader(image.id, "Bob")
    permissions = ann.permissions(image.id)
    assert (permissions.second_grader, permissions.may_assign, permissions.actions) == (
        "Bob",
        False,
        {Action.REOPEN},
    )


def test_the_second_grader_begins_with_the_prediction_and_goes_on_from_the_own_draft(
    ann, bob, image, make
):
    prediction = ann.add_prediction(image.id, make.prediction())
    ann.assign_second_grader(image.id, "Bob")
    assert bob.permissions(image.id).actions == set()  # the first grading comes first
    ann.save_version(image.id, make.annotation(), Action.CORRECT, parent=1)
    permissions = bob.permissions(image.id)
    assert (permissions.grading, permissions.actions) == (GradingRound.SECOND, SECOND)
    assert permissions.begins == permissions.shown == prediction
    draft = bob.save_version(image.id, make.annotation(3), Action.SECOND_DRAFT, parent=1)
    assert bob.permissions(image.id).begins == draft
    assert ann.permissions(image.id).begins.author == "Ann"


def test_the_adjudicator_begins_with_the_first_grading(ann, bob, open_as, image, make):
    first = ann.save_version(image.id, make.annotation(), Action.CORRECT)
    ann.assign_second_grader(image.id, "Bob")
    bob.save_version(image.id, make.annotation(3), Action.SECOND_GRADE)
    carl = open_as("Carl")
    permissions = carl.permissions(image.id)
    assert permissions.grading is GradingRound.ADJUDICATION
    assert permissions.begins == permissions.shown == first
    final = carl.save_version(
        image.id, make.annotation(4), Action.ADJUDICATE, parent=permissions.begins.number
    )
    assert not final.conflict
    assert ann.permissions(image.id).begins == final


def test_of_an_ungradable_image_the_last_mask_is_shown(ann, image, make):
    draft = ann.save_version(image.id, make.annotation(), Action.DRAFT)
    ann.mark_ungradable(image.id, "blurred")
    assert ann.permissions(image.id).begins.mask is None
    assert ann.permissions(image.id).shown == draft
    reopened = ann.reopen(image.id)
    permissions = ann.permissions(image.id)
    assert (permissions.begins, permissions.shown) == (reopened, draft)
    assert permissions.actions >= FIRST


def test_of_an_ungradable_second_grading_the_adjudicator_sees_the_drawing(ann, bob, image, make):
    ann.add_prediction(image.id, make.prediction())
    ann.mark_ungradable(image.id, "blurred")
    ann.assign_second_grader(image.id, "Bob")
    drawn = bob.save_version(image.id, make.annotation(3), Action.SECOND_GRADE, parent=1)
    permissions = ann.permissions(image.id)
    assert permissions.begins.author == "Ann"
    assert permissions.shown == drawn
    assert permissions.prediction.kind is VersionKind.PREDICTION


def test_a_lease_is_taken_over_only_from_a_window_that_crashed(ann, bob, open_as, image):
    ann.check_out(image.id)
    again = open_as("ann")
    with pytest.raises(ProjectError, match="you, in another window"):
        again.check_out(image.id)
    with pytest.raises(ProjectError, match="being worked on by Ann"):
        bob.check_out(image.id, take_over=True)
    lease = again.check_out(image.id, timedelta(minutes=1), take_over=True)
    assert ann.status().leases == (lease,)
    with pytest.raises(ProjectError, match="you, in another window"):
        ann.check_out(image.id)


@pytest.mark.parametrize("final", [False, True])
@pytest.mark.parametrize("action", [Action.DRAFT, Action.CORRECT])
def test_a_first_grading_does_not_go_on_from_an_adjudication(
    action, final, ann, bob, open_as, image, make
):
    """It would be kept as a conflict, although nobody else changed the image."""
    ann.save_version(image.id, make.annotation(), Action.CORRECT)
    bob.save_version(image.id, make.annotation(3), Action.SECOND_GRADE)
    carl = open_as("Carl")
    drawn = carl.save_version(
        image.id,
        make.annotation(4),
        Action.ADJUDICATE if final else Action.ADJUDICATION_DRAFT,
        parent=1,
    )
    before = ann.history(image.id)
    with pytest.raises(ProjectError, match=r"'scan' is (graded twice|adjudicated)"):
        carl.save_version(image.id, make.annotation(5), action, parent=drawn.number)
    assert ann.history(image.id) == before
    assert not ann.image(image.id).conflict
