"""Every state, and all that may be done to an image in it."""

import json
import re
from itertools import product

import pytest

from napari_retina_seg.project.states import (
    FINAL,
    REFUSALS,
    TRANSITIONS,
    Action,
    GradingRound,
    State,
    possible_actions,
    refusal,
)
from napari_retina_seg.types.errors import ProjectError

# How a new image is brought into a state: who does what. Carl adjudicates.
WAYS = {
    State.UNREVIEWED: [],
    State.IN_PROGRESS: [("Ann", Action.DRAFT)],
    State.CORRECTED: [("Ann", Action.CORRECT)],
    State.ACCEPTED: [("Ann", Action.ACCEPT)],
    State.GRADED_TWICE: [("Ann", Action.CORRECT), ("Bob", Action.SECOND_GRADE)],
    State.ADJUDICATED: [
        ("Ann", Action.CORRECT),
        ("Bob", Action.SECOND_GRADE),
        ("Carl", Action.ADJUDICATE),
    ],
    State.UNGRADABLE: [("Ann", Action.REFUSE)],
}
SECOND = (Action.SECOND_DRAFT, Action.SECOND_GRADE)


def act(project, image, action, make, parent):
    if action is Action.ACCEPT:
        return project.accept(image.id)
    if action is Action.REFUSE:
        return project.mark_ungradable(image.id, "too dark")
    if action is Action.REOPEN:
        return project.reopen(image.id)
    return project.save_version(image.id, make.annotation(5), action, parent=parent)


def newest(project, image):
    human = [version for version in project.history(image.id) if version.author]
    return human[-1].number if human else None


@pytest.mark.parametrize(
    ("state", "action"),
    list(product(State, sorted(set(Action) - REFUSALS - {Action.SECOND_REOPEN}))),
)
def test_every_action_in_every_state(state, action, open_as, ann, image, make):
    ann.add_prediction(image.id, make.prediction())
    for author, step in WAYS[state]:
        act(open_as(author), image, step, make, None)
    assert ann.image(image.id).state is state
    before = ann.history(image.id)
    # Nothing changes for others.
    actor = open_as("Bob" if action in SECOND else "Ann")
    parent = None if action in SECOND else newest(actor, image)
    if (state, action) in TRANSITIONS:
        version = act(actor, image, action, make, parent)
        assert ann.image(image.id).state is TRANSITIONS[state, action]
        assert version.is_final == (version.state in FINAL)
        assert version.number == len(before) + 1
        assert not version.conflict
    else:
        with pytest.raises(ProjectError) as told:
            act(actor, image, action, make, parent)
        assert "'scan'" in str(told.value)
        assert ann.image(image.id).state is state
    assert ann.history(image.id)[: len(before)] == before


# Who does it and the state before; then the state after. Bob is the second grader.
REFUSED = {
    ("Ann", State.UNREVIEWED): State.UNGRADABLE,
    ("Ann", State.IN_PROGRESS): State.UNGRADABLE,
    ("Ann", State.GRADED_TWICE): State.UNGRADABLE,
    ("Bob", State.CORRECTED): State.GRADED_TWICE,
    ("Bob", State.ACCEPTED): State.GRADED_TWICE,
    ("Bob", State.UNGRADABLE): State.GRADED_TWICE,
}


@pytest.mark.parametrize(("person", "state"), list(product(("Ann", "Bob"), State)))
def test_who_can_call_an_image_ungradable(person, state, open_as, ann, image, make):
    ann.add_prediction(image.id, make.prediction())
    ann.assign_second_grader(image.id, "Bob")
    for author, step in WAYS[state]:
        act(open_as(author), image, step, make, None)
    if (person, state) not in REFUSED:
        with pytest.raises(ProjectError, match=r"'scan'(,| is)"):
            open_as(person).mark_ungradable(image.id, "too dark")
        return
    version = open_as(person).mark_ungradable(image.id, "too dark")
    assert (version.state, version.reason) == (State.UNGRADABLE, "too dark")
    assert ann.image(image.id).state is REFUSED[person, state]


@pytest.mark.parametrize(("state", "reading"), list(product(State, GradingRound)))
def test_a_refusal_names_what_this_person_can_do(state, reading):
    possible = possible_actions(state, reading)
    for action in set(Action) - set(possible):
        sentence = refusal(state, action, "x", possible)
        if possible in ((Action.REOPEN,), (Action.SECOND_REOPEN,)):
            assert sentence == f"'x' is {state} already: reopen it to change it."
            continue
        said, offered = sentence.split(": you can ")
        assert said == f"'x' is {state}, so you can't {action.of('it')}"
        wait = ["only wait until its first grader has finished"]
        wanted = [action.of("it") for action in possible] or wait
        assert re.split(", | or ", offered.rstrip(".")) == wanted


def test_a_state_is_displayed_by_its_present_name_and_stored_by_its_first_one():
    state = State.GRADED_TWICE
    assert (str(state), f"{state}", f"{state:>14}") == (
        "graded twice",
        "graded twice",
        "  graded twice",
    )
    assert json.loads(json.dumps({"state": state})) == {"state": "second read"}
    assert {State("second read"), State("graded twice")} == {state}
    assert all(str(other) == other.value for other in State if other is not state)


def test_a_refusal_is_one_plain_sentence(ann, image):
    ann.mark_ungradable(image.id, "too dark")
    with pytest.raises(ProjectError) as told:
        ann.mark_ungradable(image.id, "too dark")
    assert str(told.value) == "'scan' is ungradable already: reopen it to change it."


def test_no_final_state_can_be_left_but_by_another_grader_or_by_reopening():
    onward = {
        Action.REOPEN,
        Action.SECOND_REOPEN,
        Action.SECOND_DRAFT,
        Action.SECOND_GRADE,
        Action.SECOND_REFUSE,
    } | {
        Action.ADJUDICATION_DRAFT,
        Action.ADJUDICATE,
        Action.ADJUDICATE_REFUSE,
    }
    assert {action for state, action in TRANSITIONS if state in FINAL} == onward


def test_every_state_can_be_reached_and_left():
    assert set(TRANSITIONS.values()) == set(State) - {State.UNREVIEWED}
    assert {before for before, _ in TRANSITIONS} == set(State)
