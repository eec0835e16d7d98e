"""Requests for explanations of a mask, and the resulting maps."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from napari_retina_seg.imaging.cam import Method
from napari_retina_seg.imaging.target import Target, WholeClass
from napari_retina_seg.types.choices import member
from napari_retina_seg.types.errors import ImageError
from napari_retina_seg.types.labels import LabelScheme

Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class ExplainRequest:
    """What to explain, and how.

    Attributes
    ----------
    values : tuple of int
        The classes, by mask value; empty for all of them.
    layer : str
        Position of the network's layer, such as ``decoder 2``, or its own name; empty for the
        one that is recommended.
    method : Method or None
        How activations and gradients become a map; None for the one that is recommended.
    target : Target
        Which pixels are asked about.
    """

    values: tuple[int, ...] = ()
    layer: str = ""
    method: Method | None = None
    target: Target = field(default_factory=WholeClass)

    def __post_init__(self) -> None:
        if self.method is not None:
            method = member(Method, self.method, "method", ImageError)
            object.__setattr__(self, "method", method)


@dataclass(frozen=True, eq=False)
class Explanation:
    """Maps of one plane on its own grid: where the network found its evidence for each class.

    Attributes
    ----------
    maps : array
        ``(classes, rows, columns)`` float32, not negative: logits per pixel asked about, so that
        the classes of one explanation can be compared, however large they are.
    values : tuple of int
        The classes of the maps, by mask value.
    labels : array
        ``(rows, columns)`` uint8, the mask that the model draws.
    scheme : LabelScheme
        What the values mean.
    model, weights_sha256 : str
        Name of the model and hash of its weights.
    layer : str
        The layer, such as ``decoder 2 (cells of 4 × 8 px)``.
    method : Method
        How activations and gradients became a map.
    target : Target
        Which pixels were asked about.
    index : int
        The slice.
    untargeted : tuple of int
        Classes that the network gives no pixel, so that there was nothing to ask about.
    """

    maps: Array
    values: tuple[int, ...]
    labels: npt.NDArray[np.uint8]
    scheme: LabelScheme
    model: str
    weights_sha256: str
    layer: str
    method: Method
    target: Target
    index: int = 0
    untargeted: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        expected = (len(self.values), *self.labels.shape)
        if self.maps.shape != expected:
            raise ImageError(
                f"Maps of {len(self.values)} classes have the shape {expected}: received"
                f" {self.maps.shape}."
            )

    @property
    def names(self) -> tuple[str, ...]:
        """Abbreviations of the explained classes, in the order of the maps."""
        return tuple(self.scheme.classes[value].abbreviation for value in self.values)

    @property
    def silent(self) -> tuple[int, ...]:
        """Explained classes without positive evidence."""
        return tuple(
            value
            for value, plane in zip(self.values, self.maps, strict=True)
            if value not in self.untargeted and not plane.any()
        )

    @property
    def message(self) -> str:
        """Why maps are empty, in sentences; empty if none is."""
        sentences = []
        if self.untargeted:
            sentences.append(
                f"The model draws no pixel of {self._list(self.untargeted)} here, so there is"
                " nothing to explain for it: choose a point or a region to ask why."
            )
        if self.silent:
            sentences.append(
                f"No positive evidence in {self.layer.partition(' (')[0]} for"
                f" {self._list(self.silent)}"
                f" ({self.method.value}): try another layer."
            )
        return " ".join(sentences)

    def normalised(self, *, shared: bool) -> Array:
        """Scale the maps to 0 … 1.

        Parameters
        ----------
        shared : bool
            By the largest value of all classes, so that they can be compared; else each class by
            its own.

        Returns
        -------
        array
            Shape of the maps; what is empty stays 0.
        """
        tops = self.maps.max(axis=(1, 2), keepdims=True)
        if shared:
            tops = tops.max(axis=0, keepdims=True)
        return np.asarray(self.maps / np.where(tops > 0, tops, 1), np.float32)

    @property
    def caption(self) -> str:
        """Caption of the maps."""
        return (
            f"Evidence by {self.method.value} of {self.model} at {self.layer}, for"
            f" {self.target.description}."
        )

    def _list(self, values: tuple[int, ...]) -> str:
        return ", ".join(self.scheme.classes[value].abbreviation for value in values)
