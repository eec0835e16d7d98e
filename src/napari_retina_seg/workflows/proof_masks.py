"""The masks that both models of an improvement drew on the images of the proof."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from napari_retina_seg.datasets.labelled import LabelledImage
from napari_retina_seg.io.atomic import write_atomically
from napari_retina_seg.io.masks import encode_grey_png, read_class_values
from napari_retina_seg.types.annotation import Annotation
from napari_retina_seg.types.confined import confined
from napari_retina_seg.types.errors import ReadError
from napari_retina_seg.types.labels import LabelScheme

_FOLDER = "masks"
_CURRENT, _CANDIDATE = "in-use", "candidate"
_NAME = re.compile(r"#(\d+)(?: slice (\d+))?")


@dataclass(frozen=True)
class Place:
    """Which image of a project, or which slice of it, an image of the proof is.

    Attributes
    ----------
    image : int
        Number of the image in its project.
    slice_index : int or None
        Of a slice of a volume, from 0.
    """

    image: int
    slice_index: int | None = None

    @classmethod
    def of(cls, name: str) -> Place | None:
        """Read the name of an image of the proof; None of any other."""
        found = _NAME.fullmatch(name)
        if found is None:
            return None
        return cls(int(found[1]), int(found[2]) - 1 if found[2] else None)

    @property
    def stem(self) -> str:
        """Name of its files."""
        return str(self.image) + ("" if self.slice_index is None else f"-{self.slice_index + 1}")


@dataclass(frozen=True)
class ProofMasks:
    """Files of masks in the folder of a run.

    Attributes
    ----------
    run : Path
        The folder.
    scheme : LabelScheme
        The classes.
    """

    run: Path
    scheme: LabelScheme

    def keep_candidate(self, image: LabelledImage, drawn: Annotation) -> None:
        """Write what the new model drew."""
        self._write(image, drawn, _CANDIDATE)

    def keep_current(self, image: LabelledImage, drawn: Annotation) -> None:
        """Write what the model in use drew."""
        self._write(image, drawn, _CURRENT)

    def read(self, place: Place) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]] | None:
        """Return the masks of the model in use and of the new one; None if they are not there.

        Raises
        ------
        RetinaSegError
            If a file is a link to somewhere else, or no mask of these classes.
        """
        paths = [self._path(place, kind) for kind in (_CURRENT, _CANDIDATE)]
        if not all(path.is_file() for path in paths):
            return None
        current, candidate = map(self._read, paths)
        return current, candidate

    def _read(self, path: Path) -> npt.NDArray[np.uint8]:
        values = read_class_values(path)
        if values.ndim != 2 or values.max(initial=0) >= len(self.scheme):
            raise ReadError(f"'{path.name}' is no mask of '{self.scheme.name}'.")
        return values.astype(np.uint8)

    def _write(self, image: LabelledImage, drawn: Annotation, kind: str) -> None:
        place = Place.of(image.name)
        if place is not None:
            png = encode_grey_png(drawn.labels, self.scheme)
            write_atomically(self._path(place, kind), png)

    def _path(self, place: Place, kind: str) -> Path:
        return confined(self.run, f"{_FOLDER}/{place.stem}-{kind}.png")
