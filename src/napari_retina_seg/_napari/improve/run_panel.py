"""How far a run is, and the buttons that pause it or end its training."""

from __future__ import annotations

from collections.abc import Callable

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QPushButton, QWidget

from napari_retina_seg._napari.improve.runs import ImprovementRuns
from napari_retina_seg._napari.job_dock import BusyBar
from napari_retina_seg._napari.widgets import stack
from napari_retina_seg.types.errors import RetinaSegError
from napari_retina_seg.workflows.improvement_log import Step


class RunPanel(QWidget):
    """Progress of a run, *Pause* and *Stop and keep the best*; hidden while nothing runs.

    Signals
    -------
    asked : (str)
        The run was asked for something.
    failed : (str)
        Why it can't be asked.
    """

    asked = Signal(str)
    failed = Signal(str)

    def __init__(self, runs: ImprovementRuns) -> None:
        super().__init__()
        self._runs = runs
        self._asked = self._note = ""
        self.progress = BusyBar()
        self.pause_button = QPushButton("Pause")
        self.pause_button.setToolTip("Stop after the current step; Go on continues there.")
        self.finish_button = QPushButton("Stop and keep the best")
        self.finish_button.setToolTip(
            "Train no longer than now, this model and those that follow; then compare both models."
        )
        buttons = stack(self.pause_button, self.finish_button, horizontal=True)
        self.setLayout(stack(self.progress, buttons))
        self.pause_button.clicked.connect(self.pause)
        self.finish_button.clicked.connect(self.finish_early)

    def pause(self) -> None:
        """Stop after the current step; the next start goes on there."""
        self._ask(self._runs.stop, "Pausing after the current step…")

    def finish_early(self) -> None:
        """Train no longer, and prove the best that there is."""
        self._ask(
            self._runs.finish_early,
            "The training ends after this epoch; then both models are compared…",
        )

    def begin(self, note: str = "") -> None:
        """Forget what an earlier run was asked for, and say with each step what this one is for."""
        self._asked, self._note = "", note
        self.progress.show_busy()

    def show_step(self, step: Step) -> str:
        """Show how far the run is; return it in words."""
        if step.total > 1 and step.done > 0:
            self.progress.show_steps(step.done, step.total)
        else:
            self.progress.show_busy()
        return " ".join(filter(None, (f"{step.message}.", self._asked or self._note)))

    def refresh(self) -> None:
        """Show the buttons while something runs."""
        running = self._runs.is_running
        self.setVisible(running)
        for button in (self.pause_button, self.finish_button):
            button.setEnabled(self._runs.status.is_running and not self._asked)
        if not running:
            self.progress.stop()

    def _ask(self, ask: Callable[[], None], message: str) -> None:
        try:
            ask()
        except RetinaSegError as error:
            self.failed.emit(str(error))
            return
        self._asked = message
        self.refresh()
        self.asked.emit(message)
