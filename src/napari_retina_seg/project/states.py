"""States of an image, actions on it, and the table of allowed transitions."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum


class State(StrEnum):
    """State of an image; its value is what is stored, `str` gives what is displayed."""

    UNREVIEWED = "unreviewed"
    IN_PROGRESS = "in progress"
    CORRECTED = "corrected"
    ACCEPTED = "accepted"
    GRADED_TWICE = "second read"
    ADJUDICATED = "adjudicated"
    UNGRADABLE = "ungradable"

    def __str__(self) -> str:
        return _DISPLAYED.get(self.value, self.value)

    def __format__(self, spec: str) -> str:
        return format(str(self), spec)

    @classmethod
    def _missing_(cls, value: object) -> State | None:
        return next((state for state in cls if str(state) == value), None)


_DISPLAYED = {"second read": "graded twice"}  # projects have the older name


class GradingRound(StrEnum):
    """First grading, blinded second grading, or adjudication."""

    FIRST = "first"
    SECOND = "second"
    ADJUDICATION = "adjudication"


class Action(StrEnum):
    """An action on an image; each makes a version. The values appear in messages."""

    DRAFT = "keep as work in progress"
    CORRECT = "correct"
    ACCEPT = "accept"
    REFUSE = "call ungradable"
    SECOND_DRAFT = "keep as work in progress of the second grader"
    SECOND_GRADE = "grade a second time"
    SECOND_REFUSE = "call ungradable as the second grader"
    ADJUDICATION_DRAFT = "keep as work in progress of the adjudicator"
    ADJUDICATE = "adjudicate"
    ADJUDICATE_REFUSE = "call ungradable as the adjudicator"
    REOPEN = "reopen"
    SECOND_REOPEN = "reopen as the second grader"

    def of(self, thing: str) -> str:
        """Return the action with its object after the verb: ``call it ungradable``."""
        verb, _, rest = self.partition(" ")
        return f"{verb} {thing} {rest}".rstrip()


UNFINISHED = frozenset({State.UNREVIEWED, State.IN_PROGRESS})
FINAL = frozenset(State) - UNFINISHED
MASK_COUNTS = frozenset({State.CORRECTED, State.ACCEPTED, State.GRADED_TWICE, State.ADJUDICATED})

# A second grader only learns that the first grading is finished: "accepted" would reveal that the
# prediction was found good.
TOLD_AS_CORRECTED = frozenset({State.ACCEPTED, State.UNGRADABLE})
FIRST_DONE = TOLD_AS_CORRECTED | {State.CORRECTED}

TRANSITIONS: dict[tuple[State, Action], State] = {
    (State.UNREVIEWED, Action.DRAFT): State.IN_PROGRESS,
    (State.UNREVIEWED, Action.CORRECT): State.CORRECTED,
    (State.UNREVIEWED, Action.ACCEPT): State.ACCEPTED,
    (State.UNREVIEWED, Action.REFUSE): State.UNGRADABLE,
    (State.IN_PROGRESS, Action.DRAFT): State.IN_PROGRESS,
    (State.IN_PROGRESS, Action.CORRECT): State.CORRECTED,
    (State.IN_PROGRESS, Action.ACCEPT): State.ACCEPTED,
    (State.IN_PROGRESS, Action.REFUSE): State.UNGRADABLE,
    (State.IN_PROGRESS, Action.REOPEN): State.IN_PROGRESS,  # back to an earlier version
    # A second grader's draft does not show to others.
    (State.CORRECTED, Action.SECOND_DRAFT): State.CORRECTED,
    (State.CORRECTED, Action.SECOND_GRADE): State.GRADED_TWICE,
    (State.CORRECTED, Action.SECOND_REFUSE): State.GRADED_TWICE,
    (State.CORRECTED, Action.REOPEN): State.IN_PROGRESS,
    (State.ACCEPTED, Action.SECOND_DRAFT): State.ACCEPTED,
    (State.ACCEPTED, Action.SECOND_GRADE): State.GRADED_TWICE,
    (State.ACCEPTED, Action.SECOND_REFUSE): State.GRADED_TWICE,
    (State.ACCEPTED, Action.REOPEN): State.IN_PROGRESS,
    (State.GRADED_TWICE, Action.ADJUDICATION_DRAFT): State.GRADED_TWICE,
    (State.GRADED_TWICE, Action.ADJUDICATE): State.ADJUDICATED,
    (State.GRADED_TWICE, Action.ADJUDICATE_REFUSE): State.UNGRADABLE,
    (State.GRADED_TWICE, Action.REOPEN): State.IN_PROGRESS,
    # In truth back to the state of the first grading.
    (State.GRADED_TWICE, Action.SECOND_REOPEN): State.CORRECTED,
    (State.ADJUDICATED, Action.REOPEN): State.IN_PROGRESS,
    # Final first gradings; "ungradable" is graded a second time, too.
    (State.UNGRADABLE, Action.SECOND_DRAFT): State.UNGRADABLE,
    (State.UNGRADABLE, Action.SECOND_GRADE): State.GRADED_TWICE,
    (State.UNGRADABLE, Action.SECOND_REFUSE): State.GRADED_TWICE,
    (State.UNGRADABLE, Action.REOPEN): State.IN_PROGRESS,
}

DRAFTS = frozenset({Action.DRAFT, Action.SECOND_DRAFT, Action.ADJUDICATION_DRAFT})
REOPENS = frozenset({Action.REOPEN, Action.SECOND_REOPEN})
REFUSALS = frozenset({Action.REFUSE, Action.SECOND_REFUSE, Action.ADJUDICATE_REFUSE})

GRADING_ROUNDS: dict[Action, GradingRound] = {
    Action.DRAFT: GradingRound.FIRST,
    Action.CORRECT: GradingRound.FIRST,
    Action.ACCEPT: GradingRound.FIRST,
    Action.REFUSE: GradingRound.FIRST,
    Action.REOPEN: GradingRound.FIRST,
    Action.SECOND_DRAFT: GradingRound.SECOND,
    Action.SECOND_GRADE: GradingRound.SECOND,
    Action.SECOND_REFUSE: GradingRound.SECOND,
    Action.SECOND_REOPEN: GradingRound.SECOND,
    Action.ADJUDICATION_DRAFT: GradingRound.ADJUDICATION,
    Action.ADJUDICATE: GradingRound.ADJUDICATION,
    Action.ADJUDICATE_REFUSE: GradingRound.ADJUDICATION,
}

# The action that finishes each grading round.
FINISHES: dict[GradingRound, Action] = {
    GradingRound.FIRST: Action.CORRECT,
    GradingRound.SECOND: Action.SECOND_GRADE,
    GradingRound.ADJUDICATION: Action.ADJUDICATE,
}

# The action that keeps unfinished work of each grading round.
DRAFT_OF: dict[GradingRound, Action] = {
    GradingRound.FIRST: Action.DRAFT,
    GradingRound.SECOND: Action.SECOND_DRAFT,
    GradingRound.ADJUDICATION: Action.ADJUDICATION_DRAFT,
}


def visible_state(state: State, *, blinded: bool) -> State:
    """Return the state as shown to a person, who may be blinded to the first grading."""
    return State.CORRECTED if blinded and state in TOLD_AS_CORRECTED else state


def possible_actions(state: State, grading: GradingRound) -> tuple[Action, ...]:
    """Return the actions that a state allows in a grading round, in the order of `Action`.

    Parameters
    ----------
    state : State
        State of the image.
    grading : GradingRound
        Grading round of the person.
    """
    second = grading is GradingRound.SECOND
    return tuple(
        action
        for action in Action
        if (state, action) in TRANSITIONS
        and (GRADING_ROUNDS[action] is GradingRound.SECOND) is second
    )


def refusal(state: State, action: Action, name: str, possible: Sequence[Action]) -> str:
    """Return the message that an action is not possible, and which ones are.

    Parameters
    ----------
    state : State
        State as shown to the person.
    action : Action
        The action that is not possible.
    name : str
        Name of the image.
    possible : sequence of Action
        The actions that are.
    """
    if possible and REOPENS.issuperset(possible):
        return f"'{name}' is {state} already: reopen it to change it."
    *others, last = [other.of("it") for other in possible] or [
        "only wait until its first grader has finished"
    ]
    choices = f"{', '.join(others)} or {last}" if others else last
    return f"'{name}' is {state}, so you can't {action.of('it')}: you can {choices}."


def state_of_version(action: Action, state: State) -> State:
    """Return the state of the version that an action creates."""
    if action in REFUSALS:
        return State.UNGRADABLE
    return State.IN_PROGRESS if action in DRAFTS | REOPENS else state
