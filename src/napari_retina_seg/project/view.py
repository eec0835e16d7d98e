"""`ProjectView`: read access to a project."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import Any, Self

import numpy.typing as npt

from napari_retina_seg.metrics.burden import Burden
from napari_retina_seg.project import (
    assignments,
    autosaves,
    burden,
    double_gradings,
    history,
    images,
    model_uses,
    names,
    queue,
    ranking,
    removals,
)
from napari_retina_seg.project.check import iter_check
from napari_retina_seg.project.files import IntegrityProblem
from napari_retina_seg.project.filters import Filters, Order
from napari_retina_seg.project.model_uses import ModelUse
from napari_retina_seg.project.notifications import ChangeListener
from napari_retina_seg.project.opening import open_store
from napari_retina_seg.project.permissions import check_permitted, find_permissions
from napari_retina_seg.project.policies import list_members
from napari_retina_seg.project.roles import Member, Role
from napari_retina_seg.project.states import Action
from napari_retina_seg.project.values import (
    Autosave,
    ConfirmedName,
    DoubleGrading,
    Permissions,
    ProjectImage,
    ProjectInfo,
    Removal,
    Status,
    Version,
)
from napari_retina_seg.types.annotation import Annotation
from napari_retina_seg.types.errors import ProjectError
from napari_retina_seg.types.image import RetinaImage
from napari_retina_seg.types.labels import LabelScheme
from napari_retina_seg.types.progress import CancelToken, Progress, ProgressCallback, finish


class ProjectView:
    """An open annotation project, as visible to the person who works on it.

    All methods are thread-safe. Images are identified by `ProjectImage.id`, versions by their
    number.

    Parameters
    ----------
    folder : str or Path
        Where it is.
    author : str
        Who works on it.

    Raises
    ------
    ProjectError
        If there is no project, it is damaged, it was made by a newer program, or
        the author's name is empty.
    """

    def __init__(self, folder: str | Path, *, author: str) -> None:
        self._store = open_store(Path(folder), author)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the database; leases stay until they are released or expire."""
        self._store.database.close()

    @property
    def folder(self) -> Path:
        """Its folder."""
        return self._store.folder

    @property
    def author(self) -> str:
        """Who works on it."""
        return self._store.author

    @property
    def info(self) -> ProjectInfo:
        """Its description."""
        return self._store.info

    @property
    def scheme(self) -> LabelScheme:
        """The classes of all masks."""
        return self._store.scheme

    @property
    def read_only(self) -> bool:
        """Whether the folder is read-only."""
        return self._store.database.read_only

    def listen(self) -> ChangeListener | None:
        """Return what tells of others' changes; None for a project in its folder.

        Raises
        ------
        ProjectError
            If the server can't be reached.
        """
        return self._store.database.listen()

    @property
    def read_only_reason(self) -> str:
        """Why nothing can be saved; empty if it can."""
        member = self._store.database.member
        if member is not None and member.role is Role.READER:
            return "You are a reader of this study: ask its owner for another role to change it."
        return "The project can't be written, so it is read-only." if self.read_only else ""

    def check_place(self) -> None:
        """Raise `ProjectError` if the folder has vanished since it was opened."""
        self._store.database.check_place()

    def check_records(self) -> None:
        """Raise `ProjectError` if a record is not as it was saved; see also `check`."""
        self._store.database.check_records()

    def image(self, image_id: int) -> ProjectImage:
        """Return an image; raises `ProjectError` if there is none."""
        return images.get_image(self._store, image_id)

    def find_image(self, text: str) -> ProjectImage:
        """Find an image by its name, by its number (``#12``), or by a file with its content.

        Raises
        ------
        ProjectError
            If there is none, or there are several.
        """
        return images.find_image(self._store, text)

    def read_image(self, image_id: int) -> RetinaImage:
        """Read the pixels of an image.

        Raises
        ------
        ProjectError
            If the file is missing, or was changed since it was added.
        ReadError
            If it can't be read.
        """
        return images.read_pixels(self._store, image_id)

    def queue(
        self,
        filters: Filters | None = None,
        order: Order = Order.ADDED,
        *,
        after: int | None = None,
        before: int | None = None,
        limit: int = 100,
    ) -> tuple[ProjectImage, ...]:
        """Return a page of the images, in order; the cost does not depend on where it begins.

        Parameters
        ----------
        filters : Filters, optional
            Which images; by default all.
        order : Order
            Order of the images.
        after, before : int, optional
            The page begins after this image, or ends before it, whether it passes the filters or
            not.
        limit : int
            Maximum number of images.
        """
        return queue.list_images(self._store, filters or Filters(), order, after, before, limit)

    def images(self, filters: Filters | None = None) -> tuple[ProjectImage, ...]:
        """Return all or the filtered images, in the order of adding."""
        return tuple(queue.all_images(self._store, filters))

    def confirmed_names(self) -> dict[int, ConfirmedName]:
        """Return whose names were confirmed as harmless, by whom and when, by image number."""
        return names.list_confirmed(self._store)

    def authors(self) -> tuple[str, ...]:
        """Return the authors of the newest human versions that are visible to this person."""
        return queue.list_authors(self._store)

    def people(self) -> tuple[str, ...]:
        """Return everybody who worked on the project or is to, this person included."""
        return assignments.list_people(self._store)

    def members(self) -> tuple[Member, ...]:
        """Return the members of a study on a server, by name; none if it enforces no roles."""
        with self._store.database.reading() as session:
            return list_members(session)

    def removals(self, image_id: int) -> tuple[Removal, ...]:
        """Return when an image was removed from the project and restored, oldest first."""
        return removals.list_removals(self._store, image_id)

    def model_uses(self) -> tuple[ModelUse, ...]:
        """Return which models were taken into use, oldest first: the last one is in use."""
        return model_uses.list_uses(self._store)

    def burden(self) -> Burden:
        """Return what correcting the models' masks cost, by model version, from the records.

        Each image counts once, by its first grading when that was finished for the first time.
        Images that this person still has to grade a second time are left out, as are removed ones.
        """
        return burden.find_burden(self._store)

    def predictions_without_figures(self) -> dict[int, int]:
        """Return the newest predictions that the order by gain knows little of, by image number.

        An earlier version of the program made them; they have probabilities.
        """
        return ranking.list_without_figures(self._store)

    def status(self) -> Status:
        """Count images by state, and list leases and autosaves."""
        return queue.find_status(self._store)

    def history(self, image_id: int) -> tuple[Version, ...]:
        """Return the versions of an image that this person may see, oldest first."""
        return history.list_versions(self._store, image_id)

    def permissions(self, image_id: int) -> Permissions:
        """Return what this person may do to an image now, and what the work starts from."""
        return find_permissions(self._store, image_id)

    def check_permissions(self, image_id: int, action: Action) -> None:
        """Raise `ProjectError` if this person must never do this, in any state of the image."""
        check_permitted(self._store, image_id, action)

    def annotation(self, image_id: int, number: int) -> Annotation:
        """Read the mask, boundaries and questionable pixels of a version.

        Raises
        ------
        ProjectError
            If it has no mask, must not be seen, or a file is missing, cut or altered.
        """
        return history.read_annotation(self._store, image_id, number)

    def probabilities(self, image_id: int, number: int) -> npt.NDArray[Any] | None:
        """Read a prediction's probabilities, ``([slices,] classes, rows, columns)`` float16.

        Raises
        ------
        ProjectError
            If the file is missing, cut or altered.
        """
        return history.read_probabilities(self._store, image_id, number)

    def truth(self, image_id: int) -> Version | None:
        """Return the version that counts as truth; None before the image is finished.

        An adjudication counts before the first grading; a prediction never counts. An image that
        the first grader called ungradable has none until it is adjudicated. Of two versions in
        conflict the one that was saved first counts until the image is reopened.

        Raises
        ------
        ProjectError
            If this person is a second grader who has not finished, whether there is a mask or not.
        """
        return history.find_truth(self._store, image_id)

    def double_gradings(self) -> tuple[DoubleGrading, ...]:
        """Return the images with two final gradings, made independently.

        Raises
        ------
        ProjectError
            If this person is a second grader with images left.
        """
        return double_gradings.list_double_gradings(self._store)

    def second_gradings_left(self) -> int:
        """Return the number of images whose second grading is still open."""
        return double_gradings.count_left(self._store)

    def recoverable(self, image_id: int | None = None) -> tuple[Autosave, ...]:
        """Return this person's unsaved work, newest first, of one image or of all."""
        return autosaves.recoverable(self._store, image_id)

    def check(
        self,
        *,
        progress: ProgressCallback | None = None,
        cancel: CancelToken | None = None,
    ) -> tuple[IntegrityProblem, ...]:
        """Verify the hash of every file; nothing is changed.

        Parameters
        ----------
        progress : callable, optional
            Called with a `Progress` before each file.
        cancel : CancelToken, optional
            Stops it before the next file.

        Returns
        -------
        tuple of IntegrityProblem
            Truncated, altered, missing and orphaned files.

        Raises
        ------
        Cancelled
            If `cancel` was used.
        """
        return finish(self.iter_check(cancel), progress)

    def iter_check(
        self, token: CancelToken | None = None
    ) -> Generator[Progress, None, tuple[IntegrityProblem, ...]]:
        """Verify the hash of every file step by step; see `check`."""
        return iter_check(self._store, token or CancelToken())


def check_opened(project: object) -> None:
    """Raise `ProjectError` if something else than an open project was passed, e.g. its path."""
    if not isinstance(project, ProjectView):
        raise ProjectError(
            f"{project!r} is not an open project: open it first, as in Project(folder,"
            " author='Ann')."
        )
