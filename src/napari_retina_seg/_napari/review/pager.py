"""Opening one image after another, and saving the one that is left."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial

import napari
from qtpy.QtCore import QObject, QTimer, Signal

from napari_retina_seg._napari.clerk import Clerk
from napari_retina_seg._napari.job import End
from napari_retina_seg._napari.review.desk import Desk
from napari_retina_seg._napari.review.pages import (
    LEASE,
    Opened,
    Page,
    Work,
    give_back,
    keep_aside,
    neighbours,
    open_image,
    read_uncertainty,
    save_draft,
    seen_anew,
    turn_page,
)
from napari_retina_seg._napari.review.watch import Watch
from napari_retina_seg.project.project import Project
from napari_retina_seg.project.values import Autosave, Filters, Order, Turn, Version

Keep = Callable[[], Version | None]


class Pager(QObject):
    """One project, one image on the desk, and one errand at a time that leads from it.

    Attributes
    ----------
    project : Project or None
        That is open.
    filters, order : Filters, Order
        Of the queue that is gone through.
    comment : str
        For the next version of the image on the desk.
    shows_uncertainty : bool
        Whether the map is visible.
    busy : str
        What is waited for; empty if nothing is.

    Signals
    -------
    image_changed : ()
        Another image, another state of it, or none.
    busy_changed : (str)
        What is waited for; empty if nothing is.
    saved : (Version)
        A version is on the disk.
    found : (tuple of Autosave)
        Unsaved work of this person.
    taken_up : (Autosave)
        Unsaved work that is on the desk, or thrown away.
    said : (End or None, str)
        How something ended.
    """

    image_changed = Signal()
    busy_changed = Signal(str)
    saved = Signal(object)
    found = Signal(object)
    taken_up = Signal(object)
    said = Signal(object, str)

    def __init__(self, viewer: napari.Viewer, parent: QObject) -> None:
        super().__init__(parent)
        self.project: Project | None = None
        self.filters, self.order = Filters(), Order.ADDED
        self.comment, self.busy = "", ""
        self.shows_uncertainty = False
        self.clerk, self.desk, self.watch = Clerk(self), Desk(viewer, self), Watch(self)
        self._saving: Work | None = None
        self._remarks: list[str] = []  # on what was saved last
        # Seconds and comments of images that no version carries yet.
        self._unsaved: dict[int, tuple[float, str]] = {}
        self._loss = QTimer(self, singleShot=True, interval=0)
        self._loss.timeout.connect(self._on_loss_over)
        self.desk.lost.connect(self._on_lost)
        self.watch.rested.connect(self.keep_aside)
        self.watch.lapsed.connect(self._on_lapse)

    def open_image(self, image_id: int) -> None:
        """Save, and open an image; one that somebody else works on can be looked at."""
        if self.project is not None:
            work = self._work()
            self._turn("Opening…", work, self._keep(work), [image_id], must_be_free=False)

    def step(self, forward: bool) -> None:
        """Save, and open the next image of the queue, or the previous one."""
        if self.project is not None:
            work = self._work()
            words = "Opening…" if work is None else "Saving…"
            coming = self._neighbours(forward)
            self._turn(words, work, self._keep(work), coming, must_be_free=True)

    def look_for_prediction(self) -> None:
        """Open an image that nobody has drawn on once more, if a model has drawn on it since."""
        opened = self.desk.opened
        if opened is None or opened.turn.begins is not None:
            return

        def show(turn: Turn) -> None:
            if self.desk.opened is not opened or turn.begins is None:
                return
            work = self._work()
            if work is None or not (work.is_painted or work.comment):
                self.open_image(opened.image.id)

        self.clerk.ask(partial(self.project.turn, opened.image.id), show, self._fail)

    def recover(self, slot: Autosave) -> None:
        """Go on with unsaved work."""
        work, project, leaving = self._work(), self.project, self._leaving()
        keep = self._keep(work)

        def errand() -> Page:
            version = keep()
            opened = open_image(project, slot.image_id, recover=slot)
            if leaving is not None and leaving != slot.image_id:
                give_back(project, leaving)
            return Page(version, opened, ())

        def then(page: Page) -> None:
            self._on_page(page)
            self.taken_up.emit(slot)

        self._run("Recovering…", work, errand, then)

    def discard(self, slot: Autosave) -> None:
        """Throw unsaved work away."""
        discard = partial(self.project.discard, slot)
        self.clerk.ask(discard, lambda _: self.taken_up.emit(slot), self._fail)

    def keep_aside(self) -> None:
        """Autosave what was painted, in the clerk's thread."""
        work, project = self._work(), self.project
        if self.busy or work is None:
            return
        self.clerk.ask(
            partial(keep_aside, project, work),
            lambda _: None,
            lambda why: self._fail(f"What you paint can't be kept aside: {why}"),
        )

    # How an errand goes

    def _work(self) -> Work | None:
        """Copy what is on the desk, if it can be saved."""
        if self.desk.mask is None or not self.desk.is_paintable:
            return None
        self.watch.count()
        return self.desk.work(self.watch.seconds, self.comment)

    def _keep(self, work: Work | None) -> Keep:
        if work is None:
            return lambda: None
        return partial(save_draft, self.project, work)

    def _leaving(self) -> int | None:
        return None if self.desk.image is None else self.desk.image.id

    def _neighbours(self, forward: bool) -> Iterable[int]:
        return neighbours(self.project, self.filters, self.order, self._leaving(), forward=forward)

    def _turn(
        self,
        words: str,
        work: Work | None,
        keep: Keep,
        candidates: Iterable[int],
        *,
        must_be_free: bool,
    ) -> None:
        errand = partial(
            turn_page,
            self.project,
            keep,
            candidates,
            self._leaving(),
            must_be_free=must_be_free,
        )
        self._run(words, work, errand, self._on_page)

    def _run(
        self,
        words: str,
        work: Work | None,
        errand: Callable[[], object],
        then: Callable[[object], None],
    ) -> None:
        """Go on an errand that leads from the desk; until it is over nothing is painted."""
        if self.busy:
            return
        self.desk.hold(True)
        self._wait_for(words, work)

        def end(answer: object) -> None:
            self.desk.hold(False)
            self._note()
            then(answer)

        def failed(why: str) -> None:
            self.desk.hold(False)
            self._note_failure(why)

        self.clerk.ask(errand, end, failed)

    def _wait_for(self, words: str, work: Work | None) -> None:
        self.busy, self._saving = words, work
        self.busy_changed.emit(words)

    def _note(self) -> None:
        """Wait no more, and go on from what was saved, whatever else became of the errand."""
        work = self._saving
        self._wait_for("", None)
        self._remarks = [] if work is None else work.remarks
        if work is None or not work.versions:
            return
        version = work.versions[-1]
        if self.desk.mask is not None:
            self.desk.was_saved(work, version)
        self.watch.seconds = max(0.0, self.watch.seconds - work.seconds)
        self._spend(work.comment)
        self.saved.emit(version)

    def _note_failure(self, why: str) -> None:
        """Go on after an errand that failed, perhaps after it had saved."""
        work = self._saving
        self._note()
        self._fail(why)
        if work is not None and work.versions:
            self._see_anew()

    def _spend(self, comment: str) -> None:
        """Forget a comment that a version carries, unless another one was typed meanwhile."""
        if self.comment == comment:
            self.comment = ""

    def _see_anew(self) -> None:
        """Fetch what has become of an image that stays on the desk."""
        opened = self.desk.opened
        if opened is None:
            return

        def show(anew: Opened) -> None:
            if self.desk.opened is opened:
                self.desk.opened = anew
                self.image_changed.emit()

        self.clerk.ask(partial(seen_anew, self.project, opened), show, self._fail)

    def _on_page(self, page: Page) -> None:
        left = self.desk.image
        if page.opened is None:
            self._stay(page)
            return
        self._lay(page.opened)
        skipped = f"Passed over: {' '.join(page.skipped)}" if page.skipped else ""
        if page.version is not None:
            self._tell(self._say_saved(left.name, page.version, skipped))
        elif skipped or left is None or left.id != page.opened.image.id:
            self.said.emit(None, skipped)  # what was said of another image

    def _lay(self, opened: Opened) -> None:
        self._leave()
        seconds, self.comment = self._unsaved.pop(opened.image.id, (0.0, ""))
        if opened.recovered is not None:
            seconds = opened.recovered.seconds
        self.desk.lay(opened, self.project.scheme)
        self.watch.start(seconds)
        self.image_changed.emit()

        mask = self.desk.mask

        def show(values: object) -> None:
            if values is not None and self.desk.mask is mask:
                self.desk.show_uncertainty(values, self.shows_uncertainty)

        errand = partial(read_uncertainty, self.project, opened.image.id, opened.turn)
        self.clerk.ask(errand, show, self._fail)

    def _stay(self, page: Page) -> None:
        """Go on with the same image: there is no other."""
        if page.version is not None:
            self._tell(self._say_saved(self.desk.image.name, page.version))
            self._see_anew()
        elif page.skipped:
            self._fail(" ".join(page.skipped))
        else:
            self.said.emit(None, "There is no further image in this list.")

    def _say_saved(self, name: str, version: Version, *more: str) -> str:
        parts = [f"'{name}' is {version.state}.", *self._remarks, *more]
        return " ".join(part for part in parts if part)

    def _tell(self, words: str) -> None:
        self.said.emit(End.ENDED, words)

    def _put_away(self) -> None:
        self._leave()
        self.desk.clear()

    def _leave(self) -> None:
        """Stop the watch, and lay time and comment aside until the image is opened again."""
        self.watch.stop()
        if self.desk.image is not None:
            self._unsaved[self.desk.image.id] = self.watch.seconds, self.comment
        self.comment = ""

    def _on_lapse(self) -> None:
        self.keep_aside()
        if self.desk.is_paintable and not self.busy:
            renew = partial(self.project.check_out, self.desk.image.id, LEASE)
            self.clerk.ask(renew, lambda _: None, self._fail)

    def _on_lost(self) -> None:
        """Keep what was painted in a mask that somebody is taking out of the viewer."""
        self.keep_aside()
        self._loss.start()  # the viewer may have further layers to remove, and lists them already

    def _on_loss_over(self) -> None:
        """Put away what is left of an image without its mask."""
        if not self.desk.is_lost:
            return
        project, image, was_paintable = self.project, self.desk.image, self.desk.is_paintable
        self._put_away()
        self.image_changed.emit()
        if not was_paintable:
            return

        def look() -> tuple[Autosave, ...]:
            give_back(project, image.id)
            return project.recoverable()

        self.clerk.ask(look, self.found.emit, self._fail)
        self._fail(
            f"The mask of '{image.name}' was removed from the window: open the image again; what"
            " was painted and not saved can be recovered."
        )

    def _fail(self, why: str) -> None:
        self.said.emit(End.FAILED, why)
