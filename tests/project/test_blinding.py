"""Blinded second gradings and adjudication."""

import pytest
from sqlalchemy import select

from napari_retina_seg.project.filters import Filters
from napari_retina_seg.project.states import Action, State
from napari_retina_seg.project.tables import VersionRow
from napari_retina_seg.project.values import VersionKind
from napari_retina_seg.types.errors import ProjectError, WriteError
from napari_retina_seg.types.progress import finish
from napari_retina_seg.workflows.export_options import Format
from napari_retina_seg.workflows.exporting import iter_export
from napari_retina_seg.workflows.selection import Selection

pytestmark = [pytest.mark.both_databases, pytest.mark.as_members]


@pytest.fixture
def read_once(ann, image, make):
    """Have Ann accept a prediction, version 2, and Bob chosen to read it a second time."""
    ann.add_prediction(image.id, make.prediction())
    ann.accept(image.id)
    ann.assign_second_grader(image.id, "Bob")
    return image


def test_the_second_grader_sees_the_prediction_and_nothing_of_the_first(bob, read_once):
    assert [version.kind for version in bob.history(read_once.id)] == [VersionKind.PREDICTION]
    for look in (bob.annotation, bob.reopen):
        with pytest.raises(ProjectError, match="second"):
            look(read_once.id, 2)
    with pytest.raises(ProjectError, match="must not see each other's work"):
        bob.truth(read_once.id)
    with pytest.raises(ProjectError, match="must not see each other's work"):
        bob.save_version(
            read_once.id, bob.annotation(read_once.id, 1), Action.SECOND_GRADE, parent=2
        )


def test_it_is_not_revealed_either_that_the_first_grader_accepted(ann, bob, read_once):
    assert (bob.image(read_once.id).author, bob.image(read_once.id).state) == (None, "corrected")
    assert bob.queue() == (bob.image(read_once.id),)
    assert ann.image(read_once.id).state is State.ACCEPTED


def test_the_first_grader_does_not_see_the_second_s_draft(ann, bob, read_once, make):
    draft = bob.save_version(read_once.id, make.annotation(7), Action.SECOND_DRAFT, parent=1)
    assert ann.image(read_once.id).state is State.ACCEPTED
    assert ann.image(read_once.id).author == "Ann"
    assert draft not in ann.history(read_once.id)
    assert draft in bob.history(read_once.id)
    with pytest.raises(ProjectError, match="must not see"):
        ann.annotation(read_once.id, draft.number)


def test_the_second_s_draft_stays_hidden_when_the_image_is_reopened(ann, bob, read_once, make):
    draft = bob.save_version(read_once.id, make.annotation(7), Action.SECOND_DRAFT, parent=1)
    ann.reopen(read_once.id)
    assert draft not in ann.history(read_once.id)
    assert draft in bob.history(read_once.id)
    with ann._store.database.reading() as session:
        row = session.scalars(select(VersionRow).filter_by(number=draft.number)).one()
    enforced = ann._store.database.member is not None  # then the server tells no name
    assert row.author == (None if enforced else "Bob")
    with pytest.raises(ProjectError, match="must not see"):
        ann.annotation(read_once.id, draft.number)


def test_both_gradings_are_seen_when_the_second_is_done_and_the_adjudicated_one_counts(
    ann, bob, open_as, read_once, make
):
    draft = bob.save_version(read_once.id, make.annotation(7), Action.SECOND_DRAFT, parent=1)
    second = bob.save_version(
        read_once.id, make.annotation(8), Action.SECOND_GRADE, parent=draft.number
    )
    carl = open_as("Carl")
    assert carl.history(read_once.id) == ann.history(read_once.id)
    carl.annotation(read_once.id, second.number)
    assert bob.history(read_once.id) == ann.history(read_once.id)
    assert ann.truth(read_once.id).author == "Ann"
    final = carl.save_version(
        read_once.id, make.annotation(9), Action.ADJUDICATE, parent=second.number
    )
    assert not final.conflict
    assert ann.truth(read_once.id) == final


def test_a_second_grader_can_not_adjudicate_with_the_own_grading(bob, read_once, make):
    second = bob.save_version(read_once.id, make.annotation(8), Action.SECOND_GRADE, parent=1)
    assert bob.permissions(read_once.id).actions == {Action.SECOND_REOPEN}  # of his own alone
    bob.annotation(read_once.id, 2)  # he compares the two
    permissions = bob.permissions(read_once.id)
    assert not permissions.actions  # reopened by him, the first reading would count no more
    assert permissions.shown == second  # he sees what he drew, not what the first grader did
    with pytest.raises(ProjectError, match="another person must adjudicate"):
        bob.save_version(read_once.id, make.annotation(8), Action.ADJUDICATE, parent=second.number)
    with pytest.raises(ProjectError, match="another person must reopen it"):
        bob.reopen(read_once.id)
    with pytest.raises(ProjectError, match="another person must accept it"):
        bob.accept(read_once.id)


def test_two_adjudicators_at_once_make_two_versions(ann, bob, open_as, read_once, make):
    bob.save_version(read_once.id, make.annotation(8), Action.SECOND_GRADE, parent=1)
    one = open_as("Carl").save_version(
        read_once.id, make.annotation(1), Action.ADJUDICATE, parent=2
    )
    other = open_as("Dora").save_version(
        read_once.id, make.annotation(2), Action.ADJUDICATE, parent=2
    )
    assert (one.conflict, other.conflict) == (False, True)
    assert ann.truth(read_once.id) == one


def test_no_person_grades_an_image_twice(ann, image, make):
    ann.save_version(image.id, make.annotation(), Action.CORRECT)
    with pytest.raises(ProjectError, match="another person"):
        ann.save_version(image.id, make.annotation(1), Action.SECOND_GRADE)
    with pytest.raises(ProjectError, match="ANN is the first grader"):
        ann.assign_second_grader(image.id, " ANN ")


def test_an_assigned_second_grader_does_not_grade_first(ann, bob, image, make):
    ann.assign_second_grader(image.id, "Bob")
    with pytest.raises(ProjectError, match="another person must correct it"):
        bob.save_version(image.id, make.annotation(), Action.CORRECT)


def test_there_is_one_second_grader(ann, bob, open_as, read_once, make):
    with pytest.raises(ProjectError, match="already: Bob"):
        open_as("Carl").save_version(read_once.id, make.annotation(), Action.SECOND_GRADE)
    ann.assign_second_grader(read_once.id, "bob")  # who it is already


def test_it_can_be_too_late_for_a_second_grader(ann, bob, image, make):
    ann.save_version(image.id, make.annotation(), Action.CORRECT)
    bob.save_version(image.id, make.annotation(1), Action.SECOND_GRADE)
    with pytest.raises(ProjectError, match="reopen it before"):
        ann.assign_second_grader(image.id, "Bob")


def test_a_volunteer_becomes_the_second_grader_and_is_blinded_from_then_on(ann, bob, image, make):
    ann.save_version(image.id, make.annotation(), Action.CORRECT)
    assert len(bob.history(image.id)) == 1
    bob.save_version(image.id, make.annotation(1), Action.SECOND_DRAFT)
    assert [version.author for version in bob.history(image.id)] == ["Bob"]


def test_reopening_keeps_the_second_grader_who_stays_blinded(ann, bob, read_once, make):
    reopened = ann.reopen(read_once.id)
    assert ann.permissions(read_once.id).second_grader == "Bob"
    assert [version.kind for version in bob.history(read_once.id)] == [VersionKind.PREDICTION]
    ann.save_version(read_once.id, make.annotation(2), Action.CORRECT, parent=reopened.number)
    bob.save_version(read_once.id, make.annotation(3), Action.SECOND_GRADE, parent=1)
    ann.reopen(read_once.id)  # also once it was graded twice
    assert ann.permissions(read_once.id).second_grader == "Bob"


def test_a_second_grader_who_reopens_an_image_is_its_first_grader(ann, bob, read_once, make):
    bob.save_version(read_once.id, make.annotation(3), Action.SECOND_GRADE, parent=1)
    ann.save_version(read_once.id, make.annotation(4), Action.ADJUDICATE)
    bob.reopen(read_once.id)
    assert bob.permissions(read_once.id).second_grader is None
    assert Action.CORRECT in bob.permissions(read_once.id).actions


def test_a_second_grading_does_not_begin_with_the_first(ann, bob, image, make):
    ann.save_version(image.id, make.annotation(), Action.CORRECT)
    with pytest.raises(ProjectError, match="starts from the prediction or from nothing"):
        bob.save_version(image.id, make.annotation(1), Action.SECOND_GRADE, parent=1)


def test_the_second_grader_can_t_grade_what_the_first_could(ann, bob, open_as, read_once):
    version = bob.mark_ungradable(read_once.id, "blurred")
    assert (version.state, version.author) == (State.UNGRADABLE, "Bob")
    assert ann.image(read_once.id).state is State.GRADED_TWICE
    assert version in ann.history(read_once.id)
    assert ann.truth(read_once.id).author == "Ann"
    open_as("Carl").mark_ungradable(read_once.id, "Bob is right")
    assert ann.image(read_once.id).state is State.UNGRADABLE
    assert ann.truth(read_once.id) is None


def test_that_the_first_could_not_grade_it_is_hidden_until_the_second_has_tried(
    ann, bob, image, make
):
    ann.assign_second_grader(image.id, "Bob")
    ann.mark_ungradable(image.id, "dark")
    assert (bob.image(image.id).state, bob.history(image.id)) == (State.CORRECTED, ())
    bob.save_version(image.id, make.annotation(), Action.SECOND_GRADE)
    assert bob.image(image.id).state is State.GRADED_TWICE
    assert [version.author for version in bob.history(image.id)] == ["Bob"]  # he may still mend it
    assert bob.truth(image.id) is None  # he looks, and may not any more
    assert [version.author for version in bob.history(image.id)] == ["Ann", "Bob"]


def test_what_the_adjudicator_calls_ungradable_is_not_read_again(bob, open_as, read_once, make):
    bob.save_version(read_once.id, make.annotation(8), Action.SECOND_GRADE, parent=1)
    open_as("Carl").mark_ungradable(read_once.id, "neither is right")
    assert bob.image(read_once.id).state is State.UNGRADABLE
    assert len(bob.history(read_once.id)) == 4
    with pytest.raises(ProjectError, match="is ungradable: reopen it before"):
        bob.save_version(read_once.id, make.annotation(1), Action.SECOND_GRADE)


@pytest.fixture
def four(ann, write_scan, make):
    """Have Ann accept one, refuse one, correct one and leave one; Bob is to read all of them."""
    paths = [write_scan(f"{number}.png", number) for number in range(1, 5)]
    images = ann.add_images(paths).images
    for image in images:
        ann.add_prediction(image.id, make.prediction())
        ann.assign_second_grader(image.id, "bob")
    ann.accept(images[0].id)
    ann.mark_ungradable(images[1].id, "dark")
    ann.save_version(images[2].id, make.annotation(), Action.CORRECT, parent=1)
    return images


def found(project, **wanted):
    return [image.name for image in project.queue(Filters(**wanted))]


def test_no_filter_reveals_to_the_second_grader_what_the_first_one_did(ann, bob, open_as, four):
    for state in (State.ACCEPTED, State.UNGRADABLE):
        assert found(bob, states=frozenset({state})) == []
    assert found(bob, states=frozenset({State.CORRECTED})) == ["1", "2", "3"]
    assert found(bob, states=frozenset({State.ACCEPTED, State.CORRECTED})) == ["1", "2", "3"]
    assert found(bob, author="Ann") == []
    for other in (ann, open_as("Carl")):
        assert found(other, states=frozenset({State.ACCEPTED})) == ["1"]
        assert found(other, states=frozenset({State.CORRECTED})) == ["3"]
        assert found(other, author="Ann") == ["1", "2", "3"]


def test_a_second_grader_finds_what_is_left_to_grade(ann, bob, four, make):
    assert found(bob, second_grading=True) == ["1", "2", "3"]  # the fourth waits for Ann
    bob.mark_ungradable(four[1].id, "dark")
    assert found(bob, second_grading=True) == ["1", "3"]
    assert found(bob, second_grading=True, text="3") == ["3"]
    assert found(ann, second_grading=True) == []


def test_no_count_reveals_it_either(ann, bob, four):
    told = {state: number for state, number in bob.status().states.items() if number}
    assert told == {State.UNREVIEWED: 1, State.CORRECTED: 3}
    assert ann.status().states[State.ACCEPTED] == 1


def test_the_queue_of_a_second_grader_is_paged_by_the_displayed_states(bob, four):
    wanted = Filters(states=frozenset({State.CORRECTED}))
    first = bob.queue(wanted, limit=1)
    rest = bob.queue(wanted, after=first[0].id, limit=5)
    assert [image.name for image in first + rest] == ["1", "2", "3"]
    assert bob.queue(wanted, before=rest[-1].id, limit=5) == first + rest[:1]


def test_a_second_grader_does_not_see_which_images_were_gradable(bob, four):
    said = set()
    for image in four[:3]:  # accepted, ungradable, corrected
        with pytest.raises(ProjectError) as told:
            bob.truth(image.id)
        said.add(str(told.value).replace(f"'{image.name}'", "it"))
    assert len(said) == 1


def test_an_export_does_not_reveal_it_either(ann, bob, four, make, tmp_path):
    with pytest.raises(WriteError, match="no mask to export"):
        finish(
            iter_export(bob, tmp_path / "none", Format.TIFF, selection=Selection(drawn_by="Ann"))
        )
    bob.save_version(four[0].id, make.annotation(3), Action.SECOND_GRADE, parent=1)
    done = finish(iter_export(bob, tmp_path / "out", Format.TIFF))
    assert done.masks == 1
    assert [problem.count("'2'") for problem in done.problems] == [1, 0]
    assert [problem.count("'3'") for problem in done.problems] == [0, 1]


def test_a_refusal_to_the_second_grader_names_the_displayed_state(bob, four, make):
    said = set()
    for image in four[:3]:
        with pytest.raises(ProjectError, match="is corrected, so you can't correct it") as told:
            bob.attach(image.id, make.annotation(), author="Ann")
        said.add(str(told.value).replace(f"'{image.name}'", "it"))
    assert len(said) == 1


def test_a_slip_in_a_second_grading_is_mended_by_its_grader(ann, bob, read_once, make):
    image = read_once.id
    second = bob.save_version(image, make.annotation(8), Action.SECOND_GRADE, parent=1)
    reopened = bob.reopen(image, comment="wrong layer")
    assert (reopened.state, reopened.parent) == (State.IN_PROGRESS, second.number)
    assert bob.image(image).state is State.CORRECTED  # blinded again
    assert ann.image(image).state is State.ACCEPTED
    assert ann.image(image).author == "Ann"
    assert bob.permissions(image).shown == reopened
    assert ann.second_gradings_left() == 1
    assert not ann.double_gradings()  # the former one counts no more
    with pytest.raises(ProjectError, match="must not see"):
        bob.annotation(image, 2)
    mended = bob.save_version(
        image, make.annotation(9), Action.SECOND_GRADE, parent=reopened.number
    )
    assert not mended.conflict
    assert ann.double_gradings()[0].second == mended
    assert ann.image(image).round == 0


@pytest.mark.parametrize("compares", ["first grader", "adjudicator", "draft", "himself"])
def test_it_is_not_mended_once_the_gradings_were_compared(
    ann, bob, open_as, read_once, make, compares
):
    image = read_once.id
    second = bob.save_version(image, make.annotation(8), Action.SECOND_GRADE, parent=1)
    ann.annotation(image, 2)  # the own grading compares nothing
    bob.annotation(image, second.number)
    assert Action.SECOND_REOPEN in bob.permissions(image).actions
    if compares == "first grader":
        ann.annotation(image, second.number)
    elif compares == "adjudicator":
        open_as("Carl").annotation(image, second.number)
    elif compares == "draft":
        ann.save_version(image, make.annotation(3), Action.ADJUDICATION_DRAFT)
    else:
        bob.annotation(image, 2)
    assert not bob.permissions(image).actions
    with pytest.raises(ProjectError, match="another person must reopen it"):
        bob.reopen(image)


def test_a_second_grader_who_may_still_mend_is_shown_nothing_of_the_first(
    ann, bob, read_once, make
):
    image = read_once.id
    second = bob.save_version(image, make.annotation(8), Action.SECOND_GRADE, parent=1)
    assert [version.author for version in bob.history(image)] == [None, "Bob"]
    assert bob.image(image).author == "Bob"
    with pytest.raises(ProjectError, match="not yours"):
        bob.reopen(image, 2)
    reopened = bob.reopen(image, second.number)
    assert reopened.parent == second.number
    assert "Ann" not in {version.author for version in bob.history(image)}


@pytest.mark.parametrize("look", ["truth", "double_gradings"])
def test_to_look_at_the_first_grading_ends_the_mending(bob, read_once, make, look):
    image = read_once.id
    bob.save_version(image, make.annotation(8), Action.SECOND_GRADE, parent=1)
    if look == "truth":
        assert bob.truth(image).author == "Ann"
    else:
        assert bob.double_gradings()[0].first.author == "Ann"
    assert not bob.permissions(image).actions
    assert "Ann" in {version.author for version in bob.history(image)}


def test_who_called_an_image_ungradable_is_not_shown_the_first_mask(ann, bob, image, make):
    ann.save_version(image.id, make.annotation(1), Action.CORRECT)
    ann.assign_second_grader(image.id, "Bob")
    bob.mark_ungradable(image.id, "blurred")
    assert bob.permissions(image.id).shown is None
    assert Action.SECOND_REOPEN in bob.permissions(image.id).actions


def test_no_first_grader_reopens_the_second_grading_alone(ann, bob, read_once, make):
    bob.save_version(read_once.id, make.annotation(8), Action.SECOND_GRADE, parent=1)
    assert Action.SECOND_REOPEN not in ann.permissions(read_once.id).actions
    assert ann.reopen(read_once.id).round == 1
