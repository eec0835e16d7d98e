"""One button per decision, with its shortcut, or the reason why it is disabled."""

from __future__ import annotations

from collections.abc import Callable

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QGridLayout, QInputDialog, QPushButton, QWidget

from napari_retina_seg._napari.canvas import focus_canvas
from napari_retina_seg._napari.plain import qt_text
from napari_retina_seg._napari.review.navigation import OpenImage
from napari_retina_seg._napari.review.status_text import state_of
from napari_retina_seg._napari.shortcuts import (
    ACCEPT,
    ASSIGN,
    FINISH,
    REFUSE,
    REOPEN,
    SAVE,
    Shortcut,
)
from napari_retina_seg.project.states import FINISHES, REFUSALS, REOPENS, Action, GradingRound

_FINISH = {
    GradingRound.FIRST: "Correct",
    GradingRound.SECOND: "Second grading",
    GradingRound.ADJUDICATION: "Adjudicate",
}


_TAKES = "Take the second grading's mask; change it further, or press Adjudicate"


class DecisionButtons(QWidget):
    """Buttons for the decisions on the open image.

    Signals
    -------
    accepted, finished, reopened, saved : ()
        The button was pressed.
    refused : (str)
        The image is ungradable, with a reason.
    assigned : (str)
        Name of the second grader.
    taken : ()
        The adjudicator takes the second grading.
    """

    accepted = Signal()
    finished = Signal()
    refused = Signal(str)
    reopened = Signal()
    saved = Signal()
    assigned = Signal(str)
    taken = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.accept = QPushButton("Accept")
        self.finish = QPushButton("Correct")
        self.refuse = QPushButton("Ungradable…")
        self.save = QPushButton("Save")
        self.reopen = QPushButton("Reopen")
        self.assign = QPushButton("Second grader…")
        self.list_people: Callable[[], tuple[str, ...]] = tuple
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setSpacing(4)
        buttons = (self.accept, self.finish, self.refuse, self.save, self.reopen, self.assign)
        for number, button in enumerate(buttons):
            grid.addWidget(button, *divmod(number, 3))
            # A click leaves the focus where it is: a button that is disabled while it has the focus
            # would pass it to the comment, into which the next shortcut would be typed.
            button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.accept.clicked.connect(self._on_accept)
        self.finish.clicked.connect(self.finished)
        self.refuse.clicked.connect(self.ask_reason)
        self.save.clicked.connect(self.saved)
        self.reopen.clicked.connect(self.reopened)
        self.assign.clicked.connect(self.ask_grader)
        self.refresh(None, "")

    def refresh(self, opened: OpenImage | None, busy: str) -> None:
        """Enable what is possible; give the reason in the tooltips of the rest."""
        grading = GradingRound.FIRST if opened is None else opened.permissions.grading
        self.finish.setText(_FINISH[grading])
        no = busy or ("Open an image first." if opened is None else "")
        locked = no or ("" if opened is None else opened.locked_reason)
        actions = frozenset() if opened is None else opened.permissions.actions
        predicted = opened is not None and opened.permissions.prediction is not None
        state = "" if opened is None else f"'{opened.image.name}' is {state_of(opened.image)}."
        accepts = "" if Action.ACCEPT in actions else "Only the first grader can accept."
        nothing = "" if predicted else "No prediction yet: run a model."
        self._takes = opened is not None and opened.other is not None
        self.accept.setText("Take second" if self._takes else "Accept")
        refuses = "" if actions & REFUSALS else state
        if self._takes:
            self.accept.setEnabled(not locked)
            self.accept.setToolTip(locked or f"{_TAKES} ({ACCEPT.native}).")
        else:
            _set(self.accept, ACCEPT, locked or accepts or nothing)
        _set(self.finish, FINISH, locked or ("" if FINISHES[grading] in actions else state))
        _set(self.refuse, REFUSE, locked or refuses)
        _set(self.save, SAVE, locked)
        _set(self.reopen, REOPEN, no or (opened and reopen_disabled_reason(opened)) or "")
        _set(self.assign, ASSIGN, no or _second_grader_disabled_reason(opened))

    def _on_accept(self) -> None:
        (self.taken if self._takes else self.accepted).emit()

    def ask_reason(self) -> None:
        """Ask why the image is ungradable."""
        if not self.refuse.isEnabled():
            return
        question, reason, accepted = "Why can this image not be graded?", "", True
        while accepted and not reason:
            typed, accepted = QInputDialog.getText(self, "Ungradable", question)
            reason = typed.strip()
            question = "Please write a reason: why can this image not be graded?"
        focus_canvas(self)
        if accepted:
            self.refused.emit(reason)

    def ask_grader(self) -> None:
        """Ask for the second grader."""
        if not self.assign.isEnabled():
            return
        grader, accepted = QInputDialog.getItem(
            self,
            "Second grader",
            "Name of the second grader, who does not see the first grading:",
            list(self.list_people()),
            editable=True,
        )
        focus_canvas(self)
        if accepted and grader.strip():
            self.assigned.emit(grader.strip())


def reopen_disabled_reason(opened: OpenImage) -> str:
    """Return why no version of an image can be restored; empty if one can."""
    name, permissions = opened.image.name, opened.permissions
    if permissions.actions & REOPENS:
        return ""
    if not permissions.actions:
        return opened.locked_reason
    if permissions.grading is GradingRound.SECOND:
        return f"You are the second grader of '{name}': the first grader can reopen it."
    return f"'{name}' is {opened.image.state}: there is no version to reopen."


def _set(button: QPushButton, shortcut: Shortcut, disabled_reason: str) -> None:
    button.setEnabled(not disabled_reason)
    button.setToolTip(qt_text(disabled_reason) or f"{shortcut.description} ({shortcut.native}).")


def _second_grader_disabled_reason(opened: OpenImage | None) -> str:
    if opened is None or opened.permissions.may_assign:
        return ""
    if opened.permissions.role is not None:
        return "Only the owner of the study assigns second graders."
    if opened.permissions.second_grader is not None:
        return f"{opened.permissions.second_grader} is already the second grader."
    return f"'{opened.image.name}' is {opened.image.state}: reopen it first."
