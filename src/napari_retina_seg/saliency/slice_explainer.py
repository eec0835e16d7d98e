"""Explain one plane after another; the forward pass of the last one is kept."""

from __future__ import annotations

import hashlib
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_retina_seg.imaging.cam import Method, combine
from napari_retina_seg.imaging.explanation import ExplainRequest, Explanation, PlaceAnswer
from napari_retina_seg.imaging.occlusion import fill_in, find_place
from napari_retina_seg.imaging.preprocess import Geometry
from napari_retina_seg.imaging.target import Point, Region, WholeClass, locate, weigh
from napari_retina_seg.inference.decode import decode
from napari_retina_seg.inference.predict import prepare_slice
from napari_retina_seg.models.registry import ModelFolder
from napari_retina_seg.models.spec import ModelSpec
from napari_retina_seg.saliency.activations import Activations, iter_forward, iter_logits
from napari_retina_seg.saliency.split_network import split_at
from napari_retina_seg.types.errors import ImageError, ModelError
from napari_retina_seg.types.image import RetinaImage
from napari_retina_seg.types.progress import CancelToken, Progress

Array = npt.NDArray[np.float32]

RECOMMENDED_METHOD = Method.GRAD_CAM  # what the table of docs/explain.md favours for a whole class


@dataclass(frozen=True, eq=False)
class ForwardPass:
    """A plane with its forward pass, ready for explanations.

    Attributes
    ----------
    tensor : array
        ``(rows, columns, channels)`` float32, the network's input.
    activations : Activations
        What the pass left.
    geometry : Geometry
        Where the input lies on the image.
    labels : array
        ``(rows, columns)`` uint8, the mask on the image's grid.
    answers : dict
        What was found out about points and regions with one more pass each.
    """

    tensor: Array
    activations: Activations
    geometry: Geometry
    labels: npt.NDArray[np.uint8]
    answers: dict[str, PlaceAnswer] = field(default_factory=dict)


class ForwardCache:
    """Caches one forward pass, so that further explanations cost only a backward pass.

    One at a time: the activations of a large photograph take gigabytes.
    """

    def __init__(self) -> None:
        self._key: tuple[str, ...] | None = None
        self._kept: ForwardPass | None = None

    def get(self, key: tuple[str, ...]) -> ForwardPass | None:
        """Return the pass of this key; a pass of another key is dropped."""
        if key != self._key:
            self._key = self._kept = None
        return self._kept

    def keep(self, key: tuple[str, ...], one: ForwardPass) -> None:
        """Store a pass."""
        self._key, self._kept = key, one


def recommended_method(*, whole_class: bool) -> Method:
    """Return the method that suits a target: a whole class, or a place.

    Grad-CAM averages a channel's gradient over the whole image: asked about a place, it lights up
    wherever the image looks alike. HiResCAM leaves the gradient where it is.
    """
    return RECOMMENDED_METHOD if whole_class else Method.HIRES_CAM


def unsuitable_reason(method: Method, *, whole_class: bool) -> str:
    """Say what makes a method less suitable for a target than the recommended one.

    Returns
    -------
    str
        The rest of a sentence that begins with the method; empty if it suits.
    """
    averages = method in (Method.GRAD_CAM, Method.GRAD_CAM_PLUS_PLUS)
    if whole_class and not averages:
        return "looks only where the class was drawn when asked about a whole class"
    if averages and not whole_class:
        return (
            "averages over the image, so about a point or region it lights up wherever the image"
            " looks alike"
        )
    return ""


class SliceExplainer:
    """Explains one target with one model, plane after plane."""

    def __init__(
        self,
        model: ModelFolder,
        request: ExplainRequest,
        last: ForwardCache,
        token: CancelToken,
        *,
        answers: bool = False,
    ) -> None:
        self._spec = model.spec
        self._values = request.values or tuple(range(len(model.spec.scheme)))
        _check_classes(model.spec, self._values)
        self._target_layer, self._split = split_at(model, request.layer)
        self._target = request.target
        whole = isinstance(self._target, WholeClass)
        self._method = request.method or recommended_method(whole_class=whole)
        self._last = last
        self._token = token
        self._answers = answers  # also what the model would say without the place

    def iter_draw(
        self, image: RetinaImage, index: int
    ) -> Generator[Progress, None, npt.NDArray[np.uint8]]:
        """Draw the mask of one plane."""
        one = yield from self._passed(image, index)
        return one.labels

    def iter_explain(
        self, image: RetinaImage, index: int
    ) -> Generator[Progress, None, Explanation]:
        """Explain one plane."""
        if not isinstance(self._target, WholeClass):
            locate(self._target, image.grid, index)  # before the network runs in vain
        one = yield from self._passed(image, index)
        if one.activations.cells.shape[:2] == (1, 1):
            raise ImageError(
                f"'{image.name}' is so small that {self._target_layer.name} is a single cell, which"
                " locates nothing: choose a finer layer."
            )
        maps, untargeted = [], []
        for done, value in enumerate(self._values):
            if not image.is_volume:  # there the slices are the steps
                name = self._spec.scheme.classes[value].abbreviation
                yield Progress(done, len(self._values), f"{image.name}: {name}")
            self._token.raise_if_cancelled()
            target = self._target
            if isinstance(target, WholeClass):
                target = Region((one.labels == value) & one.geometry.predicted)
            if isinstance(target, Region) and not target.mask.any():
                untargeted.append(value)
                maps.append(np.zeros(image.grid, np.float32))
            else:
                maps.append(self._map(one, value, weigh(target, one.geometry, index)))
        answer = yield from self._answered(one, image, index)
        return Explanation(
            maps=np.stack(maps),
            values=self._values,
            labels=one.labels,
            scheme=self._spec.scheme,
            model=self._spec.name,
            weights_sha256=self._spec.weights_sha256,
            layer=self._target_layer.description,
            method=self._method,
            target=self._target,
            index=index,
            untargeted=tuple(untargeted),
            answer=answer,
        )

    def _answered(
        self, one: ForwardPass, image: RetinaImage, index: int
    ) -> Generator[Progress, None, PlaceAnswer | None]:
        """Say what is predicted at a place, and once more with the place filled in."""
        target = self._target
        if isinstance(target, WholeClass) or not self._answers:
            return None
        key = repr(target) if isinstance(target, Point) else _fingerprint(target.mask)
        if key in one.answers:
            return one.answers[key]
        yield Progress(len(self._values), len(self._values), f"{image.name}: without this place")
        weights = weigh(target, one.geometry, index)
        filled = fill_in(one.tensor, find_place(target, one.geometry, index), one.geometry)
        without = None
        if filled is not None:
            multiple = self._spec.architecture.multiple
            logits = yield from iter_logits(self._split, filled, multiple, weights > 0, self._token)
            without = self._mean_probabilities(logits, weights)
        drawn = np.bincount(one.labels[locate(target, image.grid, index)])
        one.answers[key] = PlaceAnswer(
            self._spec.scheme,
            int(drawn.argmax()),
            self._mean_probabilities(one.activations.logits, weights),
            without,
            is_point=isinstance(target, Point),
        )
        return one.answers[key]

    def _mean_probabilities(self, logits: Array, weights: Array) -> tuple[float, ...]:
        """Return each class's probability, as a weighted mean over the pixels."""
        asked = weights > 0
        found = _probabilities(logits[asked].astype(np.float64), self._spec)
        if found.shape[-1] == 1:
            found = np.concatenate([1 - found, found], axis=-1)
        return tuple(float(mean) for mean in np.average(found, axis=0, weights=weights[asked]))

    def _passed(self, image: RetinaImage, index: int) -> Generator[Progress, None, ForwardPass]:
        plane = image.plane(index)
        spacing = image.spacing
        valid = image.valid_plane(index)
        seen = _fingerprint(plane) if valid is None else _fingerprint(plane) + _fingerprint(valid)
        key = (self._spec.model_dump_json(), self._target_layer.layer, seen, repr(spacing))
        known = self._last.get(key)
        if known is not None:
            return known
        _, prepared = prepare_slice(image, self._spec, index)
        multiple = self._spec.architecture.multiple
        activations = yield from iter_forward(self._split, prepared.tensor, multiple, self._token)
        labels = _decoded(activations.logits, prepared.geometry, self._spec)
        one = ForwardPass(prepared.tensor, activations, prepared.geometry, labels)
        self._last.keep(key, one)
        return one

    def _map(self, one: ForwardPass, value: int, weights: Array) -> Array:
        # Per pixel asked about: large classes shall not drown small ones.
        gradient = one.activations.gradient(value, weights / weights.sum())
        cells = combine(one.activations.cells, gradient, self._method)
        on_input = one.activations.spread(np.maximum(cells, 0))
        return one.geometry.restore(on_input, outside=0)


def _check_classes(spec: ModelSpec, values: Sequence[int]) -> None:
    known = len(spec.scheme)
    unknown = [value for value in values if not 0 <= value < known]
    if unknown:
        names = ", ".join(label.abbreviation for label in spec.scheme.classes)
        raise ModelError(
            f"'{spec.name}' has no class {unknown[0]}: its classes are {names}, with the values 0"
            f" to {known - 1}."
        )


def _decoded(logits: Array, geometry: Geometry, spec: ModelSpec) -> npt.NDArray[np.uint8]:
    """Draw the mask that goes with the logits."""
    output = np.asarray(_probabilities(logits, spec), np.float32)
    return decode(output, geometry, spec, probabilities=False).labels


def _probabilities(logits: npt.NDArray[Any], spec: ModelSpec) -> npt.NDArray[Any]:
    """Return the network's outputs: of a sigmoid one, that of the second class."""
    if spec.architecture.outputs == 1:
        return np.asarray(1 / (1 + np.exp(-logits[..., 1:])))
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True))


def _fingerprint(plane: npt.NDArray[Any]) -> str:
    content = hashlib.blake2b(np.ascontiguousarray(plane).data, digest_size=16)
    return f"{content.hexdigest()} {plane.shape} {plane.dtype}"
