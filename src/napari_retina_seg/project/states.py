"""What may happen to an image of a project, and what it becomes by it: one table."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum


class State(StrEnum):
    """How far the work on an image is."""

    UNREVIEWED = "unreviewed"
    IN_PROGRESS = "in progress"
    CORRECTED = "corrected"
    ACCEPTED = "accepted"
    SECOND_READ = "second read"
    ADJUDICATED = "adjudicated"
    UNGRADABLE = "ungradable"


class GradingRound(StrEnum):
    """Whose turn it is: the first reader's, the blinded second's, the adjudicator's."""

    FIRST = "first"
    SECOND = "second"
    ADJUDICATION = "adjudication"


class Action(StrEnum):
    """What a person does to an image; each makes a version. The values are said to users."""

    DRAFT = "keep as work in progress"
    CORRECT = "correct"
    ACCEPT = "accept"
    REFUSE = "call ungradable"
    SECOND_DRAFT = "keep as work in progress of the second reader"
    SECOND_READ = "read a second time"
    SECOND_REFUSE = "call ungradable as the second reader"
    ADJUDICATION_DRAFT = "keep as work in progress of the adjudicator"
    ADJUDICATE = "adjudicate"
    ADJUDICATE_REFUSE = "call ungradable as the adjudicator"
    REOPEN = "reopen"

    def of(self, thing: str) -> str:
        """Return what is done to a thing, which follows the verb: ``call it ungradable``."""
        verb, _, rest = self.partition(" ")
        return f"{verb} {thing} {rest}".rstrip()


FINAL = frozenset(State) - {State.UNREVIEWED, State.IN_PROGRESS}
MASK_COUNTS = frozenset({State.CORRECTED, State.ACCEPTED, State.SECOND_READ, State.ADJUDICATED})

# A second reader is told no more than that the first one is done: that an image was accepted would
# say that the prediction was found good.
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
    # A second reader's draft is no news to anybody else.
    (State.CORRECTED, Action.SECOND_DRAFT): State.CORRECTED,
    (State.CORRECTED, Action.SECOND_READ): State.SECOND_READ,
    (State.CORRECTED, Action.SECOND_REFUSE): State.SECOND_READ,
    (State.CORRECTED, Action.REOPEN): State.IN_PROGRESS,
    (State.ACCEPTED, Action.SECOND_DRAFT): State.ACCEPTED,
    (State.ACCEPTED, Action.SECOND_READ): State.SECOND_READ,
    (State.ACCEPTED, Action.SECOND_REFUSE): State.SECOND_READ,
    (State.ACCEPTED, Action.REOPEN): State.IN_PROGRESS,
    (State.SECOND_READ, Action.ADJUDICATION_DRAFT): State.SECOND_READ,
    (State.SECOND_READ, Action.ADJUDICATE): State.ADJUDICATED,
    (State.SECOND_READ, Action.ADJUDICATE_REFUSE): State.UNGRADABLE,
    (State.SECOND_READ, Action.REOPEN): State.IN_PROGRESS,
    (State.ADJUDICATED, Action.REOPEN): State.IN_PROGRESS,
    # The first reader's word; that an image can't be graded is read a second time, too.
    (State.UNGRADABLE, Action.SECOND_DRAFT): State.UNGRADABLE,
    (State.UNGRADABLE, Action.SECOND_READ): State.SECOND_READ,
    (State.UNGRADABLE, Action.SECOND_REFUSE): State.SECOND_READ,
    (State.UNGRADABLE, Action.REOPEN): State.IN_PROGRESS,
}

DRAFTS = frozenset({Action.DRAFT, Action.SECOND_DRAFT, Action.ADJUDICATION_DRAFT})
REFUSALS = frozenset({Action.REFUSE, Action.SECOND_REFUSE, Action.ADJUDICATE_REFUSE})

GRADING_ROUNDS: dict[Action, GradingRound] = {
    Action.DRAFT: GradingRound.FIRST,
    Action.CORRECT: GradingRound.FIRST,
    Action.ACCEPT: GradingRound.FIRST,
    Action.REFUSE: GradingRound.FIRST,
    Action.REOPEN: GradingRound.FIRST,
    Action.SECOND_DRAFT: GradingRound.SECOND,
    Action.SECOND_READ: GradingRound.SECOND,
    Action.SECOND_REFUSE: GradingRound.SECOND,
    Action.ADJUDICATION_DRAFT: GradingRound.ADJUDICATION,
    Action.ADJUDICATE: GradingRound.ADJUDICATION,
    Action.ADJUDICATE_REFUSE: GradingRound.ADJUDICATION,
}

# By what each of them is done with a mask.
FINISHES: dict[GradingRound, Action] = {
    GradingRound.FIRST: Action.CORRECT,
    GradingRound.SECOND: Action.SECOND_READ,
    GradingRound.ADJUDICATION: Action.ADJUDICATE,
}


def visible_state(state: State, *, blinded: bool) -> State:
    """Return the state that a person is told of, who may be blinded to the first reader."""
    return State.CORRECTED if blinded and state in TOLD_AS_CORRECTED else state


def possible_actions(state: State, reading: GradingRound) -> tuple[Action, ...]:
    """Return what an image's state allows a reader, in the order of `Action`.

    Parameters
    ----------
    state : State
        What the image is.
    reading : GradingRound
        As whom the person looks at it; a second reader is chosen before.
    """
    second = reading is GradingRound.SECOND
    return tuple(
        action
        for action in Action
        if (state, action) in TRANSITIONS
        and (GRADING_ROUNDS[action] is GradingRound.SECOND) is second
    )


def refusal(state: State, action: Action, name: str, possible: Sequence[Action]) -> str:
    """Return a sentence that says why something can't be done, and what can.

    Parameters
    ----------
    state : State
        What the person is told that the image is.
    action : Action
        What can't be done to it.
    name : str
        What the image is called.
    possible : sequence of Action
        What this person can do to it.
    """
    if tuple(possible) == (Action.REOPEN,):
        return f"'{name}' is {state} already: reopen it to change it."
    *others, last = [other.of("it") for other in possible] or [
        "only wait until its first reader is done"
    ]
    choices = f"{', '.join(others)} or {last}" if others else last
    return f"'{name}' is {state}, so you can't {action.of('it')}: you can {choices}."


def state_of_version(action: Action, state: State) -> State:
    """Return the state of the version that an action makes: what the version says by itself."""
    if action in REFUSALS:
        return State.UNGRADABLE
    return State.IN_PROGRESS if action in DRAFTS else state
