"""`ProjectView`: what a project lets be seen."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any, Self

import numpy.typing as npt

from napari_retina_seg.core.image import RetinaImage
from napari_retina_seg.core.labels import LabelScheme
from napari_retina_seg.core.progress import CancelToken, Progress, ProgressCallback, finish
from napari_retina_seg.project import autosaves, double_gradings, history, images, queue
from napari_retina_seg.project.check import iter_check
from napari_retina_seg.project.drawing import Drawing
from napari_retina_seg.project.files import IntegrityProblem
from napari_retina_seg.project.opening import open_store
from napari_retina_seg.project.permissions import check_permitted, find_permissions
from napari_retina_seg.project.states import Action
from napari_retina_seg.project.values import (
    Autosave,
    DoubleGrading,
    Filters,
    Order,
    Permissions,
    ProjectImage,
    ProjectInfo,
    Status,
    Version,
)


class ProjectView:
    """An open annotation project, seen with the eyes of the person who works on it.

    All methods may be called from any thread. Images are named by their `ProjectImage.id`,
    versions by their number.

    Parameters
    ----------
    folder : str or Path
        Where it is.
    author : str
        Who works on it.

    Raises
    ------
    ProjectError
        If there is no project, it is damaged, or a newer program made it; or nobody is named.
    """

    def __init__(self, folder: str | Path, *, author: str) -> None:
        self._store = open_store(Path(folder), author)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the database; leases stay until they are given back or expire."""
        self._store.database.close()

    @property
    def folder(self) -> Path:
        """Where it is."""
        return self._store.folder

    @property
    def author(self) -> str:
        """Who works on it."""
        return self._store.author

    @property
    def info(self) -> ProjectInfo:
        """What it says of itself."""
        return self._store.info

    @property
    def scheme(self) -> LabelScheme:
        """The classes of all masks."""
        return self._store.scheme

    @property
    def read_only(self) -> bool:
        """Whether the folder can't be written, so that it can only be looked at."""
        return self._store.database.read_only

    def check_place(self) -> None:
        """Raise `ProjectError` if the folder has vanished since it was opened."""
        self._store.database.check_place()

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
        """Return a page of the images, in order; it costs the same wherever it begins.

        Parameters
        ----------
        filters : Filters, optional
            Which images are wanted; by default all.
        order : Order
            In which order.
        after, before : int, optional
            The page begins after this image, or ends before it, whether the filters let that one
            through or not.
        limit : int
            At most so many.
        """
        return queue.list_images(self._store, filters or Filters(), order, after, before, limit)

    def images(self, filters: Filters | None = None) -> Iterator[ProjectImage]:
        """Go through all images, or those that are wanted, in the order of adding."""
        return queue.all_images(self._store, filters)

    def authors(self) -> tuple[str, ...]:
        """Return who made the newest human versions, of images that this person may know of."""
        return queue.list_authors(self._store)

    def status(self) -> Status:
        """Count images by state, and list who works on what."""
        return queue.find_status(self._store)

    def history(self, image_id: int) -> tuple[Version, ...]:
        """Return the versions of an image that this person may see, oldest first."""
        return history.list_versions(self._store, image_id)

    def permissions(self, image_id: int) -> Permissions:
        """Return what this person may do to an image now, and what the work begins with."""
        return find_permissions(self._store, image_id)

    def check_permissions(self, image_id: int, action: Action) -> None:
        """Raise `ProjectError` if this person must not do this, whatever the image's state."""
        check_permitted(self._store, image_id, action)

    def drawing(self, image_id: int, number: int) -> Drawing:
        """Read a version's mask, its boundaries and what is questionable in it.

        Raises
        ------
        ProjectError
            If it has no mask, must not be seen, or a file is missing, cut or altered.
        """
        return history.read_drawing(self._store, image_id, number)

    def probabilities(self, image_id: int, number: int) -> npt.NDArray[Any] | None:
        """Read a prediction's probabilities, ``([slices,] classes, rows, columns)`` float16.

        Raises
        ------
        ProjectError
            If the file is missing, cut or altered.
        """
        return history.read_probabilities(self._store, image_id, number)

    def truth(self, image_id: int) -> Version | None:
        """Return the version that counts as truth; None before people are done with the image.

        Raises
        ------
        ProjectError
            If this person reads the image a second time and is not done, mask or none.
        """
        return history.find_truth(self._store, image_id)

    def double_gradings(self) -> tuple[DoubleGrading, ...]:
        """Return the images with two final readings, by people who did not know of each other.

        Raises
        ------
        ProjectError
            If this person is a second reader who has images left to read.
        """
        return double_gradings.list_double_gradings(self._store)

    def second_gradings_left(self) -> int:
        """Return how many images have a second reader who is not done with them."""
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
            What is cut, altered or missing, and files that belong to nothing.

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
