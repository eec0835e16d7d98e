"""Explain a mask by class activation maps on the image's own grid.

The score of a class is its logit, before softmax or sigmoid, summed over the pixels that are asked
about; a map weighs the activations of one layer by the gradient of that score.
"""

from __future__ import annotations

import hashlib
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_retina_seg.imaging.cam import Method, combine
from napari_retina_seg.imaging.explanation import Explanation, Question
from napari_retina_seg.imaging.preprocess import Geometry
from napari_retina_seg.imaging.target import Region, Target, WholeClass, check_target, locate, weigh
from napari_retina_seg.inference.decode import decode
from napari_retina_seg.inference.frozen import FrozenSplit, freeze_split
from napari_retina_seg.inference.predict import check_fit, prepare_slice
from napari_retina_seg.inference.predictor import ENGINE_LOCK, load_network
from napari_retina_seg.inference.target_layers import Place, cut, find_target_layers
from napari_retina_seg.io.inputs import ImageLike, as_image
from napari_retina_seg.models.registry import ModelFolder, ModelLike, default_model, load_model
from napari_retina_seg.models.spec import ModelSpec
from napari_retina_seg.saliency.activations import Activations, iter_forward
from napari_retina_seg.types.errors import ImageError, ModelError
from napari_retina_seg.types.image import RetinaImage
from napari_retina_seg.types.progress import CancelToken, Progress, ProgressCallback, finish

Array = npt.NDArray[np.float32]

# What the table of docs/explain.md favours for a whole class.
RECOMMENDED_METHOD = Method.GRAD_CAM
RECOMMENDED_PLACE = "decoder 2"


@dataclass(frozen=True, eq=False)
class Explained(Progress):
    """A progress step that carries the maps of one plane.

    Attributes
    ----------
    explanation : Explanation
        Of the plane.
    """

    explanation: Explanation = field(kw_only=True)


@dataclass(frozen=True, eq=False)
class _Pass:
    """A plane with its forward pass, ready for explanations."""

    activations: Activations
    geometry: Geometry
    labels: npt.NDArray[np.uint8]


class ForwardCache:
    """Caches one forward pass, so that further explanations cost only a backward pass.

    One at a time: the activations of a large photograph take gigabytes.
    """

    def __init__(self) -> None:
        self._key: tuple[str, ...] | None = None
        self._kept: _Pass | None = None

    def get(self, key: tuple[str, ...]) -> _Pass | None:
        """Return the pass of this key; a pass of another key is dropped."""
        if key != self._key:
            self._key = self._kept = None
        return self._kept

    def keep(self, key: tuple[str, ...], one: _Pass) -> None:
        """Store a pass."""
        self._key, self._kept = key, one


def list_target_layers(model: ModelFolder) -> tuple[Place, ...]:
    """List the layers of a model that can be explained, from its input to its output."""
    model.check_weights()
    with ENGINE_LOCK:
        return _opened(model.path, model.spec.model_dump_json()).places


def find_target_layer(places: Sequence[Place], model: str, layer: str = "") -> Place:
    """Find a layer by its place or its own name; without one, the one that is recommended.

    Raises
    ------
    ModelError
        If there is none; the sentence names those that there are.
    """
    if not layer:
        named = (place for place in places if place.name == RECOMMENDED_PLACE)
        return next(named, places[-2:][0])  # the last one only repeats the mask
    for place in places:
        if layer.casefold() in (place.name, place.layer.casefold()):
            return place
    raise ModelError(
        f"'{model}' has no layer '{layer}' to explain: its layers are"
        f" {', '.join(place.name for place in places)}."
    )


def warm(model: ModelFolder, layer: str = "") -> None:
    """Compile a network for a first explanation, divided at a layer of `find_target_layer`."""
    _, halves = _cut(model, layer)
    rows, columns = model.spec.architecture.multiple
    tiny = np.zeros((1, 2 * rows, 2 * columns, model.spec.architecture.channels), np.float32)
    with ENGINE_LOCK:
        halves.backward(*halves.forward(tiny))


def recommended_method(*, whole_class: bool) -> Method:
    """Return the method that suits a target: a whole class, or a place.

    Grad-CAM averages a channel's gradient over the whole image: asked about a place, it lights up
    wherever the image looks alike. HiResCAM leaves the gradient where it is.
    """
    return RECOMMENDED_METHOD if whole_class else Method.HIRES_CAM


def iter_explain(
    image: RetinaImage,
    model: ModelFolder,
    question: Question,
    *,
    index: int | None = None,
    last: ForwardCache | None = None,
    token: CancelToken | None = None,
) -> Generator[Progress, None, tuple[int, ...]]:
    """Explain an image, one slice of a volume, or a volume slice by slice.

    Parameters
    ----------
    image : RetinaImage
        What the model drew on; lazy pixels are read slice by slice.
    model : ModelFolder
        Which model.
    question : Question
        What to explain, and how.
    index : int, optional
        Only this slice; by default the whole image or volume.
    last : ForwardCache, optional
        Where the forward pass is looked for, and kept.
    token : CancelToken, optional
        Stops the work before the next pass.

    Yields
    ------
    Progress
        Before each pass; `Explained` with the maps of each plane.

    Returns
    -------
    tuple of int
        Slices that were left out, since there is nothing to see or nothing was asked about.

    Raises
    ------
    ModelError
        If the model is broken, takes other images, or has no such class or layer.
    ImageError
        If there is nothing to explain, or the target lies outside the image.
    Cancelled
        If the token said so.
    """
    token, last = token or CancelToken(), last or ForwardCache()
    check_fit(image, model)
    check_target(question.target, image.grid, image.n_slices)
    indices = range(image.n_slices) if index is None else [index]
    yield Progress(0, len(indices), f"Loading {model.name}")
    asker = _Asker(model, question, last, token)
    skipped: list[int] = []
    for done, i in enumerate(indices):
        message = f"{done + 1} of {len(indices)} slices" if len(indices) > 1 else image.name
        yield Progress(done, len(indices), message)
        token.raise_if_cancelled()
        try:
            explanation = yield from asker.ask(image, i)
        except ImageError:
            if done + 1 == len(indices) and len(skipped) == done:
                raise
            skipped.append(i)
            continue
        yield Explained(done + 1, len(indices), message, explanation=explanation)
    return tuple(skipped)


def iter_draw(
    image: RetinaImage,
    model: ModelFolder,
    question: Question,
    *,
    index: int,
    last: ForwardCache,
    token: CancelToken,
) -> Generator[Progress, None, npt.NDArray[np.uint8]]:
    """Draw the mask of a plane, so that the class at a place can be explained.

    The arguments are those of `explain`; the forward pass is kept for the question.

    Returns
    -------
    array
        ``(rows, columns)`` uint8 on the image's own grid.
    """
    check_fit(image, model)
    yield Progress(0, 1, f"Loading {model.name}")
    return (yield from _Asker(model, question, last, token).draw(image, index))


def explain(
    image: ImageLike,
    model: ModelLike | None = None,
    classes: Sequence[str | int] = (),
    *,
    target: Target | None = None,
    layer: str = "",
    method: Method | None = None,
    index: int = 0,
    progress: ProgressCallback | None = None,
    cancel: CancelToken | None = None,
) -> Explanation:
    """Show where in an image, or in one slice of a volume, a model found its evidence.

    Parameters
    ----------
    image : RetinaImage, str, Path or array
        What the model segments; see `segment`.
    model : str, Path or ModelFolder, optional
        Name of a model, path of a model folder, or what `load_model` returns; by default the
        first that fits the image.
    classes : sequence of str or int
        Abbreviations, names or mask values of the classes to explain; by default all of them.
    target : WholeClass, Region or Point, optional
        Which pixels are asked about; by default all that the model gives the class.
    layer : str
        Layer of the network, such as ``"decoder 2"``; by default the one that is recommended.
    method : Method, optional
        Grad-CAM, Grad-CAM++, HiResCAM or LayerCAM; by default the one that suits the target.
    index : int
        Slice of a volume.
    progress : callable, optional
        Called with a `Progress` before each pass through the network.
    cancel : CancelToken, optional
        Stops the work before the next pass.

    Returns
    -------
    Explanation
        With maps of shape ``(classes, rows, columns)`` on the image's own grid.

    Raises
    ------
    ModelError
        If the model is broken, takes another kind of image, or has no such class or layer.
    ReadError
        If the file can't be read.
    ImageError
        If there is nothing to explain, or the target lies outside the image.
    Cancelled
        If `cancel` was used.

    Examples
    --------
    >>> import napari_retina_seg as rs
    >>> why = rs.explain("scan.png", "oct-layers", ["RNFL", "RPE"])
    >>> why.names, why.maps.shape, why.method.value
    (('RNFL', 'RPE'), (2, 160, 192), 'Grad-CAM')
    """
    image = as_image(image)
    folder = default_model(image.modality) if model is None else load_model(model)
    values = tuple(
        folder.spec.scheme.find(one).value if isinstance(one, str) else one for one in classes
    )
    question = Question(values, layer, method, WholeClass() if target is None else target)
    found: list[Explanation] = []

    def keep(step: Progress) -> None:
        if isinstance(step, Explained):
            found.append(step.explanation)
        if progress is not None:
            progress(step)

    finish(iter_explain(image, folder, question, index=index, token=cancel), keep)
    return found[0]


class _Asker:
    """Explains one target with one model, plane after plane."""

    def __init__(
        self, model: ModelFolder, question: Question, last: ForwardCache, token: CancelToken
    ) -> None:
        self._spec = model.spec
        self._values = question.values or tuple(range(len(model.spec.scheme)))
        _check_classes(model.spec, self._values)
        self._place, self._halves = _cut(model, question.layer)
        self._target = question.target
        whole = isinstance(self._target, WholeClass)
        self._method = question.method or recommended_method(whole_class=whole)
        self._last = last
        self._token = token

    def draw(
        self, image: RetinaImage, index: int
    ) -> Generator[Progress, None, npt.NDArray[np.uint8]]:
        """Draw the mask of one plane."""
        one = yield from self._passed(image, index)
        return one.labels

    def ask(self, image: RetinaImage, index: int) -> Generator[Progress, None, Explanation]:
        """Explain one plane."""
        if not isinstance(self._target, WholeClass):
            locate(self._target, image.grid, index)  # before the network runs in vain
        one = yield from self._passed(image, index)
        if one.activations.cells.shape[:2] == (1, 1):
            raise ImageError(
                f"'{image.name}' is so small that {self._place.name} is a single cell, which"
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
        return Explanation(
            maps=np.stack(maps),
            values=self._values,
            labels=one.labels,
            scheme=self._spec.scheme,
            model=self._spec.name,
            weights_sha256=self._spec.weights_sha256,
            place=self._place.words,
            method=self._method,
            target=self._target,
            index=index,
            untargeted=tuple(untargeted),
        )

    def _passed(self, image: RetinaImage, index: int) -> Generator[Progress, None, _Pass]:
        plane = image.plane(index)
        spacing = image.spacing
        valid = image.valid_plane(index)
        seen = _fingerprint(plane) if valid is None else _fingerprint(plane) + _fingerprint(valid)
        key = (self._spec.model_dump_json(), self._place.layer, seen, repr(spacing))
        known = self._last.get(key)
        if known is not None:
            return known
        _, prepared = prepare_slice(image, self._spec, index)
        multiple = self._spec.architecture.multiple
        activations = yield from iter_forward(self._halves, prepared.tensor, multiple, self._token)
        one = _decoded(activations, prepared.geometry, self._spec)
        self._last.keep(key, one)
        return one

    def _map(self, one: _Pass, value: int, weights: Array) -> Array:
        # Per pixel asked about: large classes shall not drown small ones.
        gradient = one.activations.gradient(value, weights / weights.sum())
        cells = combine(one.activations.cells, gradient, self._method)
        on_input = one.activations.spread(np.maximum(cells, 0))
        return one.geometry.restore(on_input, outside=0)


@dataclass(frozen=True, eq=False)
class _Opened:
    """A model's network, split at the target layer."""

    network: Any
    places: tuple[Place, ...]


@lru_cache(maxsize=2)
def _opened(path: Path, spec_json: str) -> _Opened:
    spec = ModelSpec.model_validate_json(spec_json)
    network = load_network(ModelFolder(path, spec))
    return _Opened(network, find_target_layers(network, spec.architecture.multiple))


@lru_cache(maxsize=4)
def _halves(opened: _Opened, layer: str) -> FrozenSplit:
    return freeze_split(cut(opened.network, layer))


def _cut(model: ModelFolder, layer: str) -> tuple[Place, FrozenSplit]:
    place = find_target_layer(list_target_layers(model), model.name, layer)
    with ENGINE_LOCK:
        opened = _opened(model.path, model.spec.model_dump_json())
        return place, _halves(opened, place.layer)


def _check_classes(spec: ModelSpec, values: Sequence[int]) -> None:
    known = len(spec.scheme)
    unknown = [value for value in values if not 0 <= value < known]
    if unknown:
        names = ", ".join(label.abbreviation for label in spec.scheme.classes)
        raise ModelError(
            f"'{spec.name}' has no class {unknown[0]}: its classes are {names}, with the values 0"
            f" to {known - 1}."
        )


def _decoded(activations: Activations, geometry: Geometry, spec: ModelSpec) -> _Pass:
    """Draw the mask that goes with the logits."""
    scores = activations.logits
    if spec.architecture.outputs == 1:
        probabilities = 1 / (1 + np.exp(-scores[..., 1:]))
    else:
        powers = np.exp(scores - scores.max(axis=-1, keepdims=True))
        probabilities = powers / powers.sum(axis=-1, keepdims=True)
    output = np.asarray(probabilities, np.float32)
    labels = decode(output, geometry, spec, probabilities=False).labels
    return _Pass(activations, geometry, labels)


def _fingerprint(plane: npt.NDArray[Any]) -> str:
    content = hashlib.blake2b(np.ascontiguousarray(plane).data, digest_size=16)
    return f"{content.hexdigest()} {plane.shape} {plane.dtype}"
