"""`LabelledImage`: an image with its experts' masks, independent of the layout."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_retina_seg.imaging.fov import FieldOfView
from napari_retina_seg.imaging.preprocess import Plane
from napari_retina_seg.types.errors import DataError, ImageError
from napari_retina_seg.types.image import Modality, Spacing
from napari_retina_seg.types.labels import LabelScheme
from napari_retina_seg.types.splits import SplitName

Labels = npt.NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class LabelledImage:
    """One image of a data set with its expert mask; both are read on demand.

    Attributes
    ----------
    name : str
        Name of the image, unique in its data set.
    dataset : str
        Name of the data set.
    group : str
        Patient or eye; all images of a group belong to one split.
    modality : Modality
        OCT or fundus.
    path : Path
        The file that messages name.
    read_pixels : callable
        Returns ``(rows, columns)`` or ``(rows, columns, 3)`` RGB.
    read_labels : callable
        Returns the reference classes, ``(rows, columns)`` whole numbers.
    split : str or None
        ``train``, ``val`` or ``test`` where the data set says so itself.
    references : mapping
        Other experts' masks by name, e.g. ``second_observer``.
    read_heights : callable or None
        Returns boundary heights ``(boundaries, columns)`` in px, in anatomical order.
    read_field : callable or None
        Returns the official field of view, ``(rows, columns)`` bool.
    read_ignored : callable or None
        Returns where nothing is known, ``(rows, columns)`` bool: background in the masks, learnt
        from nor scored.
    read_valid : callable or None
        Returns which pixels hold data by what the file states (no padding, for example),
        ``(rows, columns)`` bool, or None if all do.
    read_spacing : callable or None
        Returns the pixel sizes that the file states; None where such files state none.
    scheme : str or None
        Name of the `LabelScheme` whose classes the masks hold, where the data set says so itself.
    own_scheme : LabelScheme or None
        These classes, where they are no scheme of the program.
    layout : str
        What its data set was recognised by, in words for people.
    group_guessed : bool
        Whether the patient is unknown, so that the image counts as a patient of its own.
    """

    name: str
    dataset: str
    group: str
    modality: Modality
    path: Path
    read_pixels: Callable[[], Plane]
    read_labels: Callable[[], npt.NDArray[Any]]
    split: SplitName | None = None
    references: Mapping[str, Callable[[], npt.NDArray[Any]]] = field(default_factory=dict)
    read_heights: Callable[[], npt.NDArray[np.float64]] | None = None
    read_field: Callable[[], npt.NDArray[np.bool_]] | None = None
    read_ignored: Callable[[], npt.NDArray[np.bool_]] | None = None
    read_valid: Callable[[], npt.NDArray[np.bool_] | None] | None = None
    read_spacing: Callable[[], Spacing] | None = None
    scheme: str | None = None
    own_scheme: LabelScheme | None = None
    layout: str = ""
    group_guessed: bool = False

    @property
    def full_name(self) -> str:
        """``dataset/name``, unique among data sets."""
        return f"{self.dataset}/{self.name}"

    @property
    def full_group(self) -> str:
        """``dataset/group``, unique among data sets."""
        return f"{self.dataset}/{self.group}"

    def pixels(self) -> Plane:
        """Return ``(rows, columns)`` or ``(rows, columns, 3)`` RGB."""
        return self.read_pixels()

    def valid(self) -> npt.NDArray[np.bool_] | None:
        """Return which pixels the file states to hold data, ``(rows, columns)``; None if all do.

        Their values may say more: see `combine_valid`.
        """
        return None if self.read_valid is None else self.read_valid()

    def spacing(self) -> Spacing:
        """Return the pixel sizes, as far as they are known."""
        return Spacing() if self.read_spacing is None else self.read_spacing()

    def labels(self, reference: str | None = None) -> Labels:
        """Return the classes, ``(rows, columns)`` uint8.

        Parameters
        ----------
        reference : str, optional
            The expert, a key of `references`; by default the reference of the data set.

        Raises
        ------
        DataError
            If there is no such reference, or its values are no classes.
        """
        read = self.read_labels if reference is None else self.references.get(reference)
        if read is None:
            known = ", ".join(self.references) or "none"
            raise DataError(
                f"'{self.name}' of {self.dataset} has no mask by '{reference}': there is {known}."
            )
        values = read()
        if values.size and (values.min() < 0 or values.max() > 255):
            raise DataError(
                f"The mask of '{self.path}' has values from {values.min()} to {values.max()}:"
                " class values lie between 0 and 255."
            )
        return values.astype(np.uint8)

    def ignored(self) -> npt.NDArray[np.bool_] | None:
        """Return where nothing is known, ``(rows, columns)``; None if not stated."""
        return None if self.read_ignored is None else self.read_ignored()

    def given_field(self) -> FieldOfView | None:
        """Return the field of view that the data set gives, None where it gives none.

        Raises
        ------
        DataError
            If it shows no retina.
        """
        if self.read_field is None:
            return None
        try:
            return FieldOfView.given(self.read_field())
        except ImageError as error:
            raise DataError(f"'{self.path}': {error}") from error

    def heights(self) -> npt.NDArray[np.float64]:
        """Return the boundaries, ``(boundaries, columns)`` in px, in anatomical order."""
        if self.read_heights is None:
            raise DataError(f"'{self.name}' of {self.dataset} has no boundary heights.")
        return self.read_heights()


def content_hash(pixels: Plane) -> str:
    """Return the SHA-256 of an image's pixels, whatever file they are in.

    Parameters
    ----------
    pixels : array
        ``(rows, columns)``, or with a last axis of colours.

    Returns
    -------
    str
        64 hexadecimal digits.
    """
    head = f"{pixels.shape} {pixels.dtype}".encode()
    return hashlib.sha256(head + pixels.tobytes()).hexdigest()
