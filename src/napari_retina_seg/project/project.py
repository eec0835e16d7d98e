"""`Project`: create, open and change annotation projects."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Self

from napari_retina_seg.io.inputs import PathsLike, as_paths
from napari_retina_seg.io.schemes import find_scheme
from napari_retina_seg.metrics.expected_gain import ReviewFigures
from napari_retina_seg.project import autosaves, leases, versions
from napari_retina_seg.project.adding import PatientOf, iter_add_images
from napari_retina_seg.project.management import ProjectManagement
from napari_retina_seg.project.opening import check_name, create_folder
from napari_retina_seg.project.results import Added
from napari_retina_seg.project.states import (
    DRAFT_OF,
    FINISHES,
    REFUSALS,
    REOPENS,
    Action,
    GradingRound,
    State,
)
from napari_retina_seg.project.transitions import EditRequest
from napari_retina_seg.project.values import Autosave, Lease, Version
from napari_retina_seg.types.annotation import Annotation
from napari_retina_seg.types.choices import member
from napari_retina_seg.types.errors import ProjectError
from napari_retina_seg.types.image import Spacing
from napari_retina_seg.types.labels import LabelScheme
from napari_retina_seg.types.progress import CancelToken, Progress, ProgressCallback, finish
from napari_retina_seg.types.segmentation import Segmentation

# The actions that a state in another project stands for.
_FINISHED_AS = {State.ACCEPTED: Action.ACCEPT, State.ADJUDICATED: Action.ADJUDICATE}


class Project(ProjectManagement):
    """An open annotation project.

    Changes are on disk when a method returns. Saved versions are never changed.
    """

    @classmethod
    def create(
        cls,
        folder: str | Path,
        *,
        scheme: LabelScheme | str,
        author: str,
        database: str | None = None,
        files: str | None = None,
    ) -> Self:
        """Create a project and open it.

        Parameters
        ----------
        folder : str or Path
            Its folder; created if it does not exist. It may hold other files.
        scheme : LabelScheme or str
            The classes of all masks, or the name of such a scheme, e.g. ``"oct-layers"``.
        author : str
            Name of the person who works on it.
        database : str, optional
            Where its records are kept, for people on several computers: an empty PostgreSQL
            database, ``"postgresql://host/name"``. By default in the folder.
        files : str, optional
            Where its masks, copies of images and unsaved work are kept, for people without a
            common folder: an object store, ``"s3://bucket/study"``. By default in the folder.

        Returns
        -------
        Project
            Open; `close` it, or use it in a ``with`` statement.

        Raises
        ------
        ProjectError
            If there is a project already, the folder can't be written, there is no such scheme, or
            the server or the object store can't be reached or refuses.

        Examples
        --------
        >>> import napari_retina_seg as rs
        >>> with rs.Project.create("study", scheme="oct-layers", author="Ann") as project:
        ...     added = project.add_images(["scan.png"])
        ...     project.status().images
        1
        """
        folder = Path(folder)
        create_folder(folder, find_scheme(scheme), author, database, files)
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
        """Add image files. A file whose content (hash) is known already is not added twice.

        Adding a file again from its new place updates its path.

        Parameters
        ----------
        paths : str, Path, or sequence of them
            Files that `read_image` reads.
        copy : bool
            Keep copies in the project; otherwise the files are referenced where they are.
        patient_of : callable, optional
            Returns the patient or eye for the name of an image, or None.
        spacing : Spacing, optional
            Pixel sizes stated by the user; they override those of the files, also for images that
            were added before.
        progress : callable, optional
            Called with a `Progress` before each file.
        cancel : CancelToken, optional
            Stops it before the next file; what was added stays.

        Returns
        -------
        Added
            The new images, those added before, and a sentence in `Added.problems` for
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
        return iter_add_images(
            self._store,
            paths,
            copy=copy,
            patient_of=patient_of,
            spacing=spacing,
            token=token or CancelToken(),
        )

    def add_prediction(
        self, image_id: int, segmentation: Segmentation, figures: ReviewFigures | None = None
    ) -> Version:
        """Save a prediction. It does not count as truth until a person accepts or corrects it.

        Parameters
        ----------
        image_id : int
            Which image.
        segmentation : Segmentation
            The prediction.
        figures : ReviewFigures, optional
            What it says about how much a correction would teach, for the order by expected gain. If
            they do not tell how much another mask differs, that of an earlier model is compared.

        Raises
        ------
        ProjectError
            If it does not fit the image or the scheme, or can't be written.
        """
        return versions.add_prediction(self._store, image_id, segmentation, figures)

    def save_version(
        self,
        image_id: int,
        annotation: Annotation,
        action: Action,
        *,
        parent: int | None = None,
        seconds: float = 0,
        comment: str = "",
    ) -> Version:
        """Save a person's mask as a new version, and clear its autosave.

        When this returns, the version is on the disk. If another version continues the same
        parent already, both versions are kept, this one with `Version.conflict`.

        Parameters
        ----------
        image_id : int
            Which image.
        annotation : Annotation
            The mask, its boundaries and its questionable pixels.
        action : Action
            A draft or a final action: correct, second grading, adjudicate.
        parent : int, optional
            Number of the version that the mask started from.
        seconds : float
            Time spent on it.
        comment : str
            Comment of the author.

        Raises
        ------
        ProjectError
            If it does not fit the image, the image's state forbids it, or it can't be written.
        """
        action = member(Action, action, "action", ProjectError)
        if action in REFUSALS | REOPENS | {Action.ACCEPT}:
            raise ProjectError(
                f"No mask is saved to {action.of('an image')}: call the method for that instead."
            )
        request = EditRequest(action, self.author, parent, seconds, comment)
        return versions.save_annotation(self._store, image_id, annotation, request)

    def attach(
        self,
        image_id: int,
        annotation: Annotation,
        *,
        author: str,
        grading: GradingRound = GradingRound.FIRST,
        comment: str = "",
        is_complete: bool = True,
        state: State = State.CORRECTED,
    ) -> Version:
        """Save a mask that a person drew in another program.

        Parameters
        ----------
        image_id : int
            Which image.
        annotation : Annotation
            The mask.
        author : str
            Who drew it.
        grading : GradingRound
            First grading, second grading, or adjudication, which is final.
        comment : str
            Saved with it.
        is_complete : bool
            Whether it finishes the grading; if not, the grading is in progress.
        state : State
            Of a complete first grading, what it was in the other project: corrected, accepted,
            or adjudicated, which is final here, too.

        Raises
        ------
        ProjectError
            If it does not fit the image, the image's state forbids it, or it can't be written.
        """
        grading = member(GradingRound, grading, "grading", ProjectError)
        action = FINISHES[grading] if is_complete else DRAFT_OF[grading]
        if action is Action.CORRECT:
            action = _FINISHED_AS.get(state, action)
        settles = action is Action.ADJUDICATE and grading is GradingRound.FIRST
        request = EditRequest(
            action, check_name(author), comment=comment, elsewhere=True, settles=settles
        )
        return versions.save_annotation(self._store, image_id, annotation, request)

    def accept(
        self,
        image_id: int,
        prediction: int | None = None,
        *,
        seconds: float = 0,
        comment: str = "",
    ) -> Version:
        """Accept a prediction, by default the newest, as this person's grading.

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
        """Mark an image as ungradable, with a reason, in this person's grading round.

        That is the second grading if this person is its second grader, the adjudication once it was
        graded twice, and the first grading otherwise.

        Raises
        ------
        ProjectError
            If there is no reason, or the image's state forbids it.
        """
        request = EditRequest(Action.REFUSE, self.author, None, seconds, comment, reason)
        return versions.refuse(self._store, image_id, request)

    def attach_ungradable(self, image_id: int, reason: str, *, author: str) -> Version:
        """Save that a person found an image ungradable in another project.

        Raises
        ------
        ProjectError
            If there is no reason, or the image's state forbids it.
        """
        request = EditRequest(Action.REFUSE, check_name(author), reason=reason, elsewhere=True)
        return versions.refuse(self._store, image_id, request)

    def reopen(self, image_id: int, version: int | None = None, *, comment: str = "") -> Version:
        """Reopen an image from a version, by default the newest final one; ends a conflict.

        The second grader of an image reopens the own grading only, as long as nobody has
        compared it with the first one. Otherwise all begins anew, with the same second grader.

        Raises
        ------
        ProjectError
            If the image's state forbids it, or this person must not see the version.
        """
        request = EditRequest(Action.REOPEN, self.author, version, comment=comment)
        return versions.reopen(self._store, image_id, request)

    def check_out(
        self, image_id: int, duration: timedelta = leases.DURATION, *, take_over: bool = False
    ) -> Lease:
        """Take or renew the lease of an image; no one else can check it out until it expires.

        Parameters
        ----------
        image_id : int
            Which image.
        duration : timedelta
            Duration of the lease.
        take_over : bool
            Take it from another window of the same person, such as one that has crashed.

        Raises
        ------
        ProjectError
            If another person holds it.
        """
        return leases.check_out(self._store, image_id, duration, take_over=take_over)

    def check_in(self, image_id: int) -> None:
        """Release the lease of an image."""
        leases.check_in(self._store, image_id)

    def autosave(
        self,
        image_id: int,
        annotation: Annotation,
        *,
        parent: int | None = None,
        seconds: float = 0,
        comment: str = "",
    ) -> Autosave:
        """Autosave unsaved work; the next autosave or save of this image replaces it.

        Raises
        ------
        ProjectError
            If it does not fit the image, or can't be written: the last autosave is kept then.
        SavedLocallyError
            If the server can't be reached: it is kept on this computer, until `upload_pending`.
        """
        return autosaves.autosave(self._store, image_id, annotation, parent, seconds, comment)

    def recover(self, slot: Autosave) -> Annotation:
        """Read an autosave and continue it: the next save clears it.

        Raises
        ------
        ProjectError
            If it no longer exists, or is damaged.
        """
        return autosaves.recover(self._store, slot)

    def discard(self, slot: Autosave) -> None:
        """Discard an autosave.

        Raises
        ------
        ProjectError
            If it no longer exists.
        """
        autosaves.discard(self._store, slot)
