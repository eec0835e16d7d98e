"""Requests for explanations of a mask, and the resulting maps."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from napari_retina_seg.imaging.cam import Method
from napari_retina_seg.imaging.target import REGION, Region, Target, WholeClass
from napari_retina_seg.types.choices import member
from napari_retina_seg.types.errors import ImageError
from napari_retina_seg.types.labels import LabelScheme

Array = npt.NDArray[np.float32]

_LEAST = 0.005  # probabilities nearer to 0 or 1 are not written as 0 or 100 %


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


@dataclass(frozen=True)
class PlaceAnswer:
    """What a model says of a place, and what it would say without seeing it.

    For the second, the place (a region, or a disc around a point) was filled in smoothly from its
    surroundings and went through the network once more: occlusion sensitivity (Zeiler and Fergus
    2014). It says how much the answer rests on the place itself rather than on what is around it.

    Attributes
    ----------
    scheme : LabelScheme
        The classes.
    drawn : int
        Mask value that the model draws there; the most frequent one of a region.
    probabilities : tuple of float
        By mask value: the network's probabilities, as means over the pixels asked about.
    without : tuple of float or None
        The same with the place filled in; None if the place is all there is.
    is_point : bool
        Whether the place is a point with what is around it.
    """

    scheme: LabelScheme
    drawn: int
    probabilities: tuple[float, ...]
    without: tuple[float, ...] | None
    is_point: bool

    @property
    def sentence(self) -> str:
        """The answer in words."""
        where = "here" if self.is_point else "in the region, on average"
        ranked = _ranked(self.probabilities)
        if ranked[0] == self.drawn:
            first = f"Predicted {where}: {self._list(self.probabilities, 'next ')}."
        else:
            drawn, likely = (self._name(value) for value in (self.drawn, ranked[0]))
            often = "" if self.is_point else "mostly "
            first = (
                f"Drawn {often}as {drawn} ({_percent(self.probabilities[self.drawn])}), though"
                f" {likely} is more probable {where} ({_percent(self.probabilities[ranked[0]])})."
            )
        return f"{first} {self._describe_without(ranked[0])}"

    def _describe_without(self, before: int) -> str:
        if self.without is None:
            return "Nothing is around the region to fill it in from."
        winner = _ranked(self.without)[0]
        place = "this place" if self.is_point else "the region"
        start = f"With {place} filled in from around it,"
        if winner == before:
            return f"{start} still {self._list(self.without, 'next ')}."
        share, left = _percent(self.without[winner]), _percent(self.without[before])
        return f"{start} {self._name(winner)} would win: {share}, {self._name(before)} {left}."

    def _list(self, probabilities: tuple[float, ...], word: str) -> str:
        """Return the likeliest class, and the next one if it has a share."""
        first, second = _ranked(probabilities)[:2]
        listed = f"{self._name(first)} {_percent(probabilities[first])}"
        if probabilities[second] < _LEAST:
            return listed
        return f"{listed}, {word}{self._name(second)} {_percent(probabilities[second])}"

    def _name(self, value: int) -> str:
        return self.scheme.classes[value].abbreviation


def _ranked(probabilities: tuple[float, ...]) -> list[int]:
    return sorted(range(len(probabilities)), key=lambda value: -probabilities[value])


def _percent(share: float) -> str:
    if share < _LEAST:
        return "under 1 %"
    return "over 99 %" if share > 1 - _LEAST else f"{100 * share:.0f} %"


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
    answer : PlaceAnswer or None
        What the model says of a point or region, and what it would say without it; None for whole
        classes, and where a whole volume is explained.
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
    answer: PlaceAnswer | None = None

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
        """Caption of the maps on the screen."""
        return self._caption(self.target.description)

    @property
    def file_caption(self) -> str:
        """Caption in files, without names of layers and files, which may be those of patients."""
        is_named = isinstance(self.target, Region)
        return self._caption(REGION if is_named else self.target.description)

    def _caption(self, target: str) -> str:
        return f"Evidence by {self.method.value} of {self.model} at {self.layer}, for {target}."

    def _list(self, values: tuple[int, ...]) -> str:
        return ", ".join(self.scheme.classes[value].abbreviation for value in values)
