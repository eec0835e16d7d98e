"""`Project`: the one door to an annotation project."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Self

from napari_retina_seg.core.errors import ProjectError
from napari_retina_seg.core.image import Spacing
from napari_retina_seg.core.labels import LabelScheme, find_scheme
from napari_retina_seg.core.progress import CancelToken, Progress, ProgressCallback, finish
from napari_retina_seg.core.segmentation import Segmentation
from napari_retina_seg.io.inputs import PathsLike, as_paths
from napari_retina_seg.project import autosaves, images, leases, versions
from napari_retina_seg.project.blinding import assign_second_grader
from napari_retina_seg.project.drawing import Drawing
from napari_retina_seg.project.images import PatientOf
from napari_retina_seg.project.opening import check_name, create_folder
from napari_retina_seg.project.states import FINISHES, REFUSALS, Action, GradingRound
from napari_retina_seg.project.transitions import EditRequest
from napari_retina_seg.project.values import (
    Added,
    Autosave,
    Lease,
    Version,
)
from napari_retina_seg.project.view import ProjectView


class Project(ProjectView):
    """An open annotation project: the one door to all that can be done to it.

    What a method saved is on the disk when it returns. Nothing that was saved is ever changed.
    """

    @classmethod
    def create(cls, folder: str | Path, *, scheme: LabelScheme | str, author: str) -> Self:
        """Make a project and open it.

        Parameters
        ----------
        folder : str or Path
            Where; it is made if it is not there, and may hold other files.
        scheme : LabelScheme or str
            The classes of all masks, or the name of such a scheme, e.g. ``"oct-layers"``.
        author : str
            Who makes it.

        Returns
        -------
        Project
            Open; `close` it, or use it in a ``with`` statement.

        Raises
        ------
        ProjectError
            If there is a project already, the folder can't be written, or no scheme is called so.

        Examples
        --------
        >>> import napari_retina_seg as rs
        >>> with rs.Project.create("study", scheme="oct-layers", author="Ann") as project:
        ...     added = project.add_images(["scan.png"])
        ...     project.status().images
        1
        """
        folder = Path(folder)
        create_folder(folder, find_scheme(scheme), author)
        return cls(folder, author=author)

    def add_images(
        self,
        paths: PathsLike,
        *,
        copy: bool = False,
        patient_of: PatientOf | None = None,
        spacing: Spacing | None = None,
        progress: ProgressCallback | None = None,
        cancel: CancelToken | None = None,
    ) -> Added:
        """Add image files. One whose content is there already, by its hash, is not added twice.

        Adding a file again from where it was moved to tells the project its new place.

        Parameters
        ----------
        paths : str, Path, or sequence of them
            Files that `read_image` reads.
        copy : bool
            Keep copies in the project; otherwise the files are referred to where they are.
        patient_of : callable, optional
            Returns the patient or eye for the name of an image, or None.
        spacing : Spacing, optional
            Pixel sizes that the user states; they come before those of the files, also for images
            that are there already.
        progress : callable, optional
            Called with a `Progress` before each file.
        cancel : CancelToken, optional
            Stops it before the next file; what was added stays.

        Returns
        -------
        Added
            The new images, those that were there already, and a sentence in `Added.problems` for
            each file that could not be read.

        Raises
        ------
        ProjectError
            If the project can't be written.
        Cancelled
            If `cancel` was used.
        """
        job = self.iter_add_images(
            as_paths(paths),
            copy=copy,
            patient_of=patient_of,
            spacing=spacing,
            token=cancel,
        )
        return finish(job, progress)

    def iter_add_images(
        self,
        paths: Sequence[Path],
        *,
        copy: bool = False,
        patient_of: PatientOf | None = None,
        spacing: Spacing | None = None,
        token: CancelToken | None = None,
    ) -> Generator[Progress, None, Added]:
        """Add image files step by step; see `add_images`."""
        return images.iter_add_images(
            self._store,
            paths,
            copy=copy,
            patient_of=patient_of,
            spacing=spacing,
            token=token or CancelToken(),
        )

    def add_prediction(self, image_id: int, segmentation: Segmentation) -> Version:
        """Keep what a model drew. It is nobody's word until a person accepts or corrects it.

        Raises
        ------
        ProjectError
            If it does not fit the image or the scheme, or can't be written.
        """
        return versions.add_prediction(self._store, image_id, segmentation)

    def save_version(
        self,
        image_id: int,
        drawing: Drawing,
        action: Action,
        *,
        parent: int | None = None,
        seconds: float = 0,
        comment: str = "",
    ) -> Version:
        """Keep a person's drawing as a new version, and clear what was autosaved of it.

        When this returns, the version is on the disk. If somebody else has continued the same
        parent meanwhile, both versions are kept, this one with `Version.conflict`.

        Parameters
        ----------
        image_id : int
            Whose mask.
        drawing : Drawing
            The mask, its boundaries and what is questionable in it.
        action : Action
            A draft, or what it makes of the image: correct, second read, adjudicate.
        parent : int, optional
            Number of the version that the drawing was begun with.
        seconds : float
            Spent on it.
        comment : str
            In the author's words.

        Raises
        ------
        ProjectError
            If it does not fit the image, the image's state forbids it, or it can't be written.
        """
        if action in REFUSALS | {Action.ACCEPT, Action.REOPEN}:
            raise ProjectError(
                f"To {action.of('an image')} takes no drawing: use the call for that."
            )
        request = EditRequest(action, self.author, parent, seconds, comment)
        return versions.save_drawing(self._store, image_id, drawing, request)

    def attach(
        self,
        image_id: int,
        drawing: Drawing,
        *,
        author: str,
        reading: GradingRound = GradingRound.FIRST,
        comment: str = "",
    ) -> Version:
        """File what a person drew elsewhere.

        Parameters
        ----------
        image_id : int
            Of which image.
        drawing : Drawing
            What.
        author : str
            Who drew it.
        reading : GradingRound
            As whom: the first reader, the second one, or the adjudicator, whose word is final.
        comment : str
            Kept with it.

        Raises
        ------
        ProjectError
            If it does not fit the image, the image's state forbids it, or it can't be written.
        """
        request = EditRequest(
            FINISHES[reading], check_name(author), comment=comment, elsewhere=True
        )
        return versions.save_drawing(self._store, image_id, drawing, request)

    def accept(
        self,
        image_id: int,
        prediction: int | None = None,
        *,
        seconds: float = 0,
        comment: str = "",
    ) -> Version:
        """Make a prediction, by default the newest, this person's word.

        Raises
        ------
        ProjectError
            If there is none, or the image's state forbids it.
        """
        request = EditRequest(Action.ACCEPT, self.author, prediction, seconds, comment)
        return versions.accept(self._store, image_id, request)

    def mark_ungradable(
        self, image_id: int, reason: str, *, seconds: float = 0, comment: str = ""
    ) -> Version:
        """Say that an image can't be graded, and why, as whoever this person is to the image.

        That is its second reader, if this person was chosen or has begun to read it as such; its
        adjudicator once it was read twice; its first reader otherwise.

        Raises
        ------
        ProjectError
            If there is no reason, or the image's state forbids it.
        """
        request = EditRequest(Action.REFUSE, self.author, None, seconds, comment, reason)
        return versions.refuse(self._store, image_id, request)

    def reopen(self, image_id: int, version: int | None = None, *, comment: str = "") -> Version:
        """Go on from a version, by default the newest final one, in a new one; ends a conflict.

        Raises
        ------
        ProjectError
            If the image's state forbids it, or this person must not see the version.
        """
        request = EditRequest(Action.REOPEN, self.author, version, comment=comment)
        return versions.reopen(self._store, image_id, request)

    def assign_second_grader(self, image_id: int, reader: str) -> None:
        """Choose who reads an image a second time; the first reading is hidden from that person.

        Raises
        ------
        ProjectError
            If there is another second reader, the person is the first, or it is too late.
        """
        reader = check_name(reader)
        with self._store.database.writing() as session:
            assign_second_grader(session, image_id, reader)

    def check_out(
        self, image_id: int, duration: timedelta = leases.DURATION, *, take_over: bool = False
    ) -> Lease:
        """Take an image to work on it, or renew that; nobody else is given it until it expires.

        Parameters
        ----------
        image_id : int
            Which image.
        duration : timedelta
            How long.
        take_over : bool
            Take it from another window of the same person, such as one that has crashed.

        Raises
        ------
        ProjectError
            If somebody else has it.
        """
        return leases.check_out(self._store, image_id, duration, take_over=take_over)

    def check_in(self, image_id: int) -> None:
        """Give an image back."""
        leases.check_in(self._store, image_id)

    def autosave(
        self, image_id: int, drawing: Drawing, *, parent: int | None = None, seconds: float = 0
    ) -> Autosave:
        """Keep unsaved work aside; the next autosave or save of this image takes its place.

        Raises
        ------
        ProjectError
            If it does not fit the image, or can't be written: the last autosave stays then.
        """
        return autosaves.autosave(self._store, image_id, drawing, parent, seconds)

    def recover(self, slot: Autosave) -> Drawing:
        """Read unsaved work and go on with it: the next save clears it.

        Raises
        ------
        ProjectError
            If it is there no more, or damaged.
        """
        return autosaves.recover(self._store, slot)

    def discard(self, slot: Autosave) -> None:
        """Throw unsaved work away.

        Raises
        ------
        ProjectError
            If it is there no more.
        """
        autosaves.discard(self._store, slot)
