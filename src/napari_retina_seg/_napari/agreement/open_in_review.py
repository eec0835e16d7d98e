"""Open an image in the Review dock, opening its project first if needed."""

from __future__ import annotations

from qtpy.QtCore import QObject, QTimer

from napari_retina_seg._napari.project_row import ProjectRef
from napari_retina_seg._napari.review.session import ReviewSession
from napari_retina_seg.project.store import same_person


class OpenInReview(QObject):
    """Opens an image once the review session is idle and has its project open.

    Parameters
    ----------
    session : ReviewSession
        Session of the Review dock.
    where : ProjectRef
        Project and author.
    number : int
        Number of the image.
    """

    def __init__(self, session: ReviewSession, where: ProjectRef, number: int) -> None:
        super().__init__(session)
        self._session, self._where, self._number = session, where, number
        self._asked = False
        self._soon = QTimer(self, singleShot=True, interval=0)
        self._soon.timeout.connect(self._go_on)

    def begin(self) -> None:
        """Start; failures are shown in the Review dock."""
        self._session.busy_changed.connect(self._soon.start)
        self._soon.start()

    def _go_on(self) -> None:
        if self._session.busy:
            return
        if self._is_open():
            self._end()
            self._session.open_image(self._number)
        elif self._asked:
            self._end()
        else:
            self._asked = True
            self._session.open(self._where.folder, self._where.author)

    def _is_open(self) -> bool:
        project = self._session.project
        if project is None or not same_person(project.author, self._where.author):
            return False
        return project.folder == self._where.folder.absolute()

    def _end(self) -> None:
        self._session.busy_changed.disconnect(self._soon.start)
        self.deleteLater()
