"""What can be done with the selected images of the queue: assign, remove, restore, correct."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from qtpy.QtCore import QPoint
from qtpy.QtWidgets import QInputDialog, QMenu, QPushButton, QWidget

from napari_retina_seg._napari.review.assign_dialog import AssignDialog
from napari_retina_seg._napari.review.queue_panel import QueuePanel
from napari_retina_seg._napari.review.session import ReviewSession
from napari_retina_seg.project.project import Project
from napari_retina_seg.project.results import Assigned
from napari_retina_seg.types.counts import count
from napari_retina_seg.types.image import Modality

_SHOWN = 3  # sentences


class ImageMenu(QMenu):
    """Menu for the selected images, on a button and by the right mouse button.

    Parameters
    ----------
    session : ReviewSession
        Carries it out.
    queue : QueuePanel
        Where images are selected.
    parent : QWidget
        Owner of the dialogs.
    """

    def __init__(self, session: ReviewSession, queue: QueuePanel, parent: QWidget) -> None:
        super().__init__(parent)
        self._session, self._queue, self._parent = session, queue, parent
        self.button = QPushButton("Selected images")
        self.button.setToolTip(
            "Assign second graders, remove images, or correct their kind. Select several with"
            " Shift or Ctrl."
        )
        self.button.setMenu(self)
        self.aboutToShow.connect(self._fill)
        queue.menu_requested.connect(self._pop_up)

    def assign(self) -> None:
        """Ask who grades the selected images a second time."""
        project, ids = self._chosen()
        if project is None or not ids:
            return
        dialog = AssignDialog(self._parent, project.people(), len(ids))
        if dialog.exec():
            graders = dialog.graders
            assign = partial(project.assign_second_graders, ids, graders)
            self._session.manage("Assigning…", lambda: _describe(assign()))
        dialog.deleteLater()

    def remove(self) -> None:
        """Ask for a reason, and remove the selected images from the project."""
        project, ids = self._chosen()
        if project is None or not ids:
            return
        question = (
            f"Remove {count(len(ids), 'image')} from the project? Nothing is deleted: the filter"
            " 'Removed' lists them, to be restored. Reason (may be empty):"
        )
        reason, accepted = QInputDialog.getText(self._parent, "Remove", question)
        if accepted:

            def change() -> str:
                done = project.remove_images(ids, reason)
                return f"{count(len(done), 'image')} removed; the filter 'Removed' lists them."

            self._session.manage("Removing…", change)

    def restore(self) -> None:
        """Restore the selected images."""
        project, ids = self._chosen()
        if project is not None and ids:
            restore = partial(project.restore_images, ids)
            self._session.manage(
                "Restoring…", lambda: f"{count(len(restore()), 'image')} restored."
            )

    def set_modality(self, modality: Modality) -> None:
        """Correct the modality of the selected images."""
        project, ids = self._chosen()
        if project is None or not ids:
            return
        kind = "an OCT scan" if modality is Modality.OCT else "a fundus photograph"

        def change() -> str:
            project.set_modality(ids, modality)
            return f"{count(len(ids), 'image')} noted as {kind}."

        self._session.manage("Saving…", change)

    def _chosen(self) -> tuple[Project | None, tuple[int, ...]]:
        return self._session.project, self._queue.selected

    def _fill(self) -> None:
        self.clear()
        project, ids = self._chosen()
        can = project is not None and not project.read_only and bool(ids)
        can = can and not self._session.busy
        entries: list[tuple[str, Callable[[], object]]] = [
            ("Assign second graders…", self.assign),
            ("This is an OCT scan", partial(self.set_modality, Modality.OCT)),
            ("This is a fundus photograph", partial(self.set_modality, Modality.FUNDUS)),
            ("Remove from the project…", self.remove),
        ]
        if self._queue.filters.removed:
            entries = [("Restore", self.restore)]
        title = self.addAction(f"{count(len(ids), 'image')} selected")
        title.setEnabled(False)
        for name, act in entries:
            self.addAction(name, act).setEnabled(can)

    def _pop_up(self, place: QPoint) -> None:
        self.popup(place)


def _describe(result: Assigned) -> str:
    numbers: dict[str, int] = {}
    for _, grader in result.assigned:
        numbers[grader] = numbers.get(grader, 0) + 1
    parts = [f"{grader}: {count(number, 'image')}" for grader, number in numbers.items()]
    more = len(result.problems) - _SHOWN
    problems = [*result.problems[:_SHOWN], *([f"And {more} more."] if more > 0 else [])]
    dealt = f"To be graded a second time by {', '.join(parts)}." if parts else "Nothing assigned."
    return " ".join([dealt, *problems])
