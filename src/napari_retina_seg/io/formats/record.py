"""`MaskRecord`: a mask with all metadata that is exported with it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol

import numpy as np
import numpy.typing as npt

from napari_retina_seg.types.annotation import IGNORE, Annotation
from napari_retina_seg.types.errors import ImageError, WriteError
from napari_retina_seg.types.file_names import name_key
from napari_retina_seg.types.image import Laterality, Placement, Spacing
from napari_retina_seg.types.labels import LabelScheme

IGNORE_NAME = "ignore"  # what their region is called where classes go by names
TRUTH_STATES = frozenset({"corrected", "accepted", "second read", "adjudicated"})

Labels = npt.NDArray[np.uint8]


class Maker(StrEnum):
    """Whether a person or a model made a mask; unknown in files of other programs."""

    HUMAN = "human"
    PREDICTION = "prediction"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Attribution:
    """Author, model and state of a mask.

    Attributes
    ----------
    maker : Maker
        Whether a person drew, corrected or accepted it.
    author : str or None
        Which person.
    state : str
        State, e.g. ``corrected``; empty if unknown.
    model, weights_sha256 : str or None
        What drew it, or drew the prediction that a person went on from.
    program : str
        Version of this program.
    made_at : datetime or None
        When.
    """

    maker: Maker = Maker.UNKNOWN
    author: str | None = None
    state: str = ""
    model: str | None = None
    weights_sha256: str | None = None
    program: str = ""
    made_at: datetime | None = None

    def __post_init__(self) -> None:
        if self.maker is Maker.HUMAN and not self.author:
            raise ImageError("A mask by a person needs an author: name one.")

    @property
    def is_truth(self) -> bool:
        """Whether it is a final mask of a person, and so counts as truth."""
        return self.maker is Maker.HUMAN and self.state in TRUTH_STATES


@dataclass(frozen=True, eq=False)
class MaskRecord(Annotation):
    """An `Annotation` with its metadata; nothing is read from an image's header.

    Attributes
    ----------
    scheme : LabelScheme
        What the values mean.
    name : str
        Of the image, without folder and suffix: it becomes part of files, so that a name which
        identifies the patient must be replaced (`identity.pseudonymise`) before.
    spacing : Spacing
        Pixel sizes in µm.
    laterality : Laterality
        Which eye.
    attribution : Attribution
        Who made it.
    image_suffix : str
        Of the image's file, e.g. ``.png``, for formats that refer to images by their files.
    image_sha256 : str or None
        Hash of the image's file.
    placement : Placement or None
        Where the image lies in the patient, for formats that say it.
    is_complete : bool
        Whether all that the file holds of it could be read.
    is_named_by_file : bool
        Whether its card leaves the name out, since that of the file stands for it: then a file that
        is renamed does not keep the old name inside.

    Raises
    ------
    ImageError
        If these do not fit together.
    """

    scheme: LabelScheme = field(kw_only=True)
    name: str = field(kw_only=True)
    spacing: Spacing = field(default_factory=Spacing, kw_only=True)
    laterality: Laterality = field(default=Laterality.UNKNOWN, kw_only=True)
    attribution: Attribution = field(default=Attribution(), kw_only=True)
    image_suffix: str = field(default=".png", kw_only=True)
    image_sha256: str | None = field(default=None, kw_only=True)
    placement: Placement | None = field(default=None, kw_only=True)
    is_complete: bool = field(default=True, kw_only=True)
    is_named_by_file: bool = field(default=False, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_name()
        self._check_labels()
        if self.ignore is not None and len(self.scheme) > IGNORE:
            raise ImageError(
                f"'{self.scheme.name}' has a class {IGNORE}, which stands for what is"
                " questionable: leave the region out."
            )
        lines = self.boundaries
        if lines is not None and lines.shape[-2] != len(self.scheme.surfaces):
            raise ImageError(
                f"'{self.scheme.name}' has {len(self.scheme.surfaces)} boundaries: received those"
                f" of '{self.name}' of shape {lines.shape}."
            )

    def _check_name(self) -> None:
        if not self.name.strip(". ") or not self.name.isprintable() or set(self.name) & set("/\\"):
            raise ImageError(
                f"{self.name!r} is not a valid name for an image: use letters and"
                " numbers, without a folder."
            )

    def _check_labels(self) -> None:
        if not self.labels.size:
            raise ImageError(f"The mask of '{self.name}' is empty: {self.labels.shape}.")
        if self.labels.max() >= len(self.scheme):
            raise ImageError(
                f"The mask of '{self.name}' has the value {self.labels.max()}: the classes of"
                f" '{self.scheme.name}' are 0 to {len(self.scheme) - 1}."
            )

    @property
    def planes(self) -> Labels:
        """The raster as ``(slices, rows, columns)``, of one slice if it is no volume."""
        raster = self.raster()
        return raster if self.is_volume else raster[np.newaxis]

    def file_of(self, index: int) -> str:
        """Return the name of the file of a slice's image."""
        number = f"_{index:04d}" if self.is_volume else ""
        return f"{self.name}{number}{self.image_suffix}"


class Attributed(Protocol):
    """A mask by a person or a model."""

    @property
    def name(self) -> str:
        """Of the image."""

    @property
    def attribution(self) -> Attribution:
        """Who made it."""


def require_truth(records: Iterable[Attributed]) -> None:
    """Raise `WriteError` for masks that no person has made or accepted.

    Raises
    ------
    WriteError
        If there is one; the sentence names it.
    """
    for record in records:
        attribution = record.attribution
        if attribution.is_truth:
            continue
        why = {
            Maker.PREDICTION: "is an unreviewed prediction",
            Maker.UNKNOWN: "has no recorded author",
            Maker.HUMAN: f"is not finished ({attribution.state or 'no state'})",
        }[attribution.maker]
        raise WriteError(
            f"The mask of '{record.name}' {why}: accept or correct it before it counts as truth."
        )


def shared_scheme(records: Sequence[MaskRecord]) -> LabelScheme:
    """Return the common scheme of the records of one file.

    Raises
    ------
    WriteError
        If there are two schemes, two records of one name, or no record.
    """
    names = Counter(name_key(record.name) for record in records)
    for record in records:
        if names[name_key(record.name)] > 1:
            raise WriteError(
                f"Two masks are of an image called '{record.name}': export one version of each, and"
                " rename images of the same name."
            )
    schemes: dict[str, LabelScheme] = {}
    for record in records:
        schemes.setdefault(record.scheme.name, record.scheme)
        if schemes[record.scheme.name] != record.scheme or len(schemes) > 1:
            raise WriteError(
                f"The masks have the classes of {' and '.join(map(repr, schemes))}: export those of"
                " one scheme at a time."
            )
    if not schemes:
        raise WriteError("There is no mask to export: choose some.")
    return next(iter(schemes.values()))
