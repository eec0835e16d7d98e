"""What there is to learn from in a project, and what that takes: both found in the background."""

from __future__ import annotations

from functools import partial

from qtpy.QtCore import QObject, Signal

from napari_retina_seg._napari.improve.runs import TrainingPreview, preview_training
from napari_retina_seg._napari.project_row import ProjectRef
from napari_retina_seg._napari.tasks import SerialTaskQueue
from napari_retina_seg.types.progress import CancelToken
from napari_retina_seg.workflows.improvement_process import estimate_run
from napari_retina_seg.workflows.patients import PatientRule


class LookAhead(QObject):
    """Looks at the corrections of a project, and asks another program for time and memory.

    Attributes
    ----------
    preview : TrainingPreview or None
        What there is; None while it is being looked at.
    rule : PatientRule or None
        By which its patients were found.
    estimate : str
        What is known of time and memory; empty if that was not asked for.

    Signals
    -------
    looked, estimated : ()
        What there is, or what it takes, was found.
    failed : (str)
        Why the project can't be read.
    """

    looked, estimated = Signal(), Signal()
    failed = Signal(str)

    def __init__(self, queue: SerialTaskQueue, parent: QObject) -> None:
        super().__init__(parent)
        self._queue, self._estimates = queue, SerialTaskQueue(self)
        self._token, self._estimate_token = CancelToken(), CancelToken()
        self.preview: TrainingPreview | None = None
        self.rule: PatientRule | None = None
        self.estimate = ""

    def look(self, where: ProjectRef, rule: PatientRule | None) -> None:
        """Look at the corrections of a project."""
        self.forget()
        self._token, self.rule = CancelToken(), rule
        token = self._token
        job = partial(preview_training, where, token, rule)
        self._queue.submit(job, partial(self._on_preview, token), self.failed.emit)

    def forget(self) -> None:
        """Forget what there is."""
        self._token.cancel()
        self.preview = None

    def ask_for_estimate(self, where: ProjectRef, options: tuple[str, ...]) -> None:
        """Try a few steps in another process, and say how long it takes and how much memory."""
        self.forget_estimate()
        self._estimate_token = token = CancelToken()
        self.estimate = "Trying a few steps, to estimate time and memory…"
        job = partial(estimate_run, where.folder, where.author, options, token)
        show = partial(self._show_estimate, token)
        self._estimates.submit(job, show, partial(self._on_no_estimate, token))

    def forget_estimate(self) -> None:
        """End an estimate, or forget what it found."""
        self._estimate_token.cancel()
        self.estimate = ""

    def close(self) -> None:
        """Look no further."""
        self.forget()
        self.forget_estimate()
        self._estimates.shutdown()

    def _on_preview(self, token: CancelToken, found: TrainingPreview) -> None:
        if not token.cancelled:
            self.preview = found
            self.looked.emit()

    def _on_no_estimate(self, token: CancelToken, reason: str) -> None:
        self._show_estimate(token, f"Time and memory can't be estimated: {reason}")

    def _show_estimate(self, token: CancelToken, sentence: str) -> None:
        if not token.cancelled:
            self.estimate = sentence
            self.estimated.emit()
