"""Whether maps of evidence mean something, for every shipped model, method and layer.

    python benchmarks/explain.py --data ../shared/data [--only NAME ...]

asks each model about test images, and measures how its drawing suffers when the pixels are removed
that a map holds most important (deletion), how soon it comes back when they are shown first
(insertion), how much of the map lies on the class, and how like the map stays when the network
forgets all that it has learnt. It writes ``docs/explain.json``, ``docs/explain.md`` and the curves
in ``docs/images/explain_curves.png``.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from explain_report import write_documents
from scipy.stats import spearmanr
from skimage.filters import sobel

from napari_retina_seg.core.cam import Method, combine
from napari_retina_seg.core.image import Modality, Spacing
from napari_retina_seg.core.progress import CancelToken, finish
from napari_retina_seg.data.labelled import LabelledImage
from napari_retina_seg.data.layouts import read_dataset
from napari_retina_seg.engine.activations import Activations, forward
from napari_retina_seg.engine.frozen import freeze_halves
from napari_retina_seg.engine.places import Place, cut, find_places
from napari_retina_seg.engine.predict import load_network, load_predictor
from napari_retina_seg.engine.sanity import randomise_from_top
from napari_retina_seg.models.registry import BUNDLED, ModelFolder, list_models

Array = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "docs/explain.json"
WINDOW = (496, 384)  # of the network's input, from its middle
SHARES = (0.02, 0.05, 0.15, 0.4)  # of the pixels, removed or shown
NEAR = 10  # px around the class
BLUR = 20  # px, of what stands in for a removed pixel
SEEDS = (0, 1)
ASKED = {Modality.OCT: ("oct_layers", (2, 4)), Modality.FUNDUS: ("chase_db1", (1, 1))}


@dataclass(frozen=True, eq=False)
class Case:
    """A part of a test image as the network takes it, the expert's mask of it, and a class."""

    pixels: Array
    truth: npt.NDArray[np.uint8]
    value: int


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--only", nargs="*", help="measure these models; keep the others' figures")
    arguments = parser.parse_args()
    results = json.loads(RESULTS.read_text()) if RESULTS.is_file() else {}
    for model in list_models():
        if not model.path.is_relative_to(BUNDLED):
            continue
        if arguments.only is None or model.name in arguments.only:
            results[model.name] = measure(model, arguments.data)
            print(model.name, flush=True)
            RESULTS.write_text(json.dumps(results, indent=1) + "\n")
    write_documents(results, ROOT)


def measure(model: ModelFolder, data: Path) -> dict[str, Any]:
    """Measure every layer and method of a model, and the two maps that know nothing of it."""
    cases = list(read_cases(model, data))
    rows: dict[str, list[dict[str, Any]]] = {}
    for case in cases:
        for name, found in maps_of(model, case).items():
            rows.setdefault(name, []).append(curves(model, case, found) | mass(case, found))
    likeness = forgotten(model, cases[0])
    return {
        "weights_sha256": model.spec.weights_sha256,
        "classes": [model.spec.scheme.classes[case.value].abbreviation for case in cases],
        "maps": {
            name: mean(measured) | ({"likeness": likeness[name]} if name in likeness else {})
            for name, measured in rows.items()
        },
    }


def read_cases(model: ModelFolder, data: Path) -> Iterator[Case]:
    folder, values = ASKED[model.spec.modality]
    images = [image for image in read_dataset(data / folder) if image.split == "test"]
    step = len(images) // len(values)
    for image, value in zip(images[::step], values, strict=False):
        yield read_case(model, image, value)


def read_case(model: ModelFolder, image: LabelledImage, value: int) -> Case:
    prepared = model.spec.preprocessing.prepare(image.pixels(), Spacing())
    top, left, bottom, right = prepared.geometry.box
    size = prepared.geometry.working
    truth = cv2.resize(
        image.labels()[top:bottom, left:right], size[::-1], interpolation=cv2.INTER_NEAREST
    )
    multiple = model.spec.architecture.multiple
    sides = [
        min(whole, wanted) // step * step
        for whole, wanted, step in zip(size, WINDOW, multiple, strict=True)
    ]
    start = [(whole - side) // 2 for whole, side in zip(size, sides, strict=True)]
    window = tuple(slice(low, low + side) for low, side in zip(start, sides, strict=True))
    return Case(np.ascontiguousarray(prepared.tensor[window]), truth[window], value)


def maps_of(model: ModelFolder, case: Case) -> dict[str, Array]:
    """Draw the maps of all layers and methods, and two that do not look at the network."""
    network = load_network(model)
    asked = (drawn(model, case.pixels) == case.value).astype(np.float32)
    maps = {}
    for place in find_places(network, model.spec.architecture.multiple):
        passed = run(network, model, case, place)
        gradient = passed.gradient(case.value, asked)
        for method in Method:
            cells = combine(passed.cells, gradient, method)
            maps[f"{place.name}, {method.value}"] = passed.spread(np.maximum(cells, 0))
    size = case.truth.shape
    noise = np.random.default_rng(0).random((size[0] // 8, size[1] // 8)).astype(np.float32)
    maps["random"] = cv2.resize(noise, size[::-1])
    maps["edges"] = cv2.GaussianBlur(sobel(case.pixels.mean(axis=2)).astype(np.float32), (0, 0), 2)
    return maps


def run(network: Any, model: ModelFolder, case: Case, place: Place) -> Activations:
    multiple = model.spec.architecture.multiple
    return finish(
        forward(freeze_halves(cut(network, place.layer)), case.pixels, multiple, CancelToken())
    )


def drawn(model: ModelFolder, pixels: Array) -> npt.NDArray[np.uint8]:
    """Return the class that the network gives each pixel."""
    output = load_predictor(model).run(pixels)
    if output.shape[-1] == 1:
        return (output[..., 0] > model.spec.postprocessing.threshold).astype(np.uint8)
    return output.argmax(axis=-1).astype(np.uint8)


def curves(model: ModelFolder, case: Case, found: Array) -> dict[str, list[float]]:
    """Remove, or show, pixels by the map's order, and watch the class's Dice to the whole."""
    whole = drawn(model, case.pixels) == case.value
    blurred = cv2.GaussianBlur(case.pixels, (0, 0), BLUR).reshape(case.pixels.shape)
    ties = np.random.default_rng(0).random(found.shape) * 1e-6 * max(float(found.max()), 1e-12)
    rank = np.argsort(np.argsort(-(found + ties).ravel())).reshape(found.shape) / found.size
    result: dict[str, list[float]] = {"deletion": [], "insertion": []}
    for share in SHARES:
        first = (rank < share)[..., np.newaxis]
        for name, pixels in (
            ("deletion", np.where(first, blurred, case.pixels)),
            ("insertion", np.where(first, case.pixels, blurred)),
        ):
            result[name].append(dice(whole, drawn(model, pixels) == case.value))
    return result


def dice(one: Mask, other: Mask) -> float:
    return float(2 * (one & other).sum() / max(1, one.sum() + other.sum()))


def mass(case: Case, found: Array) -> dict[str, float]:
    """Return the share of the map on the expert's class, and on and around it."""
    own = (case.truth == case.value).astype(np.uint8)
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * NEAR + 1, 2 * NEAR + 1))
    near = cv2.dilate(own, disc)
    total = max(float(found.sum()), 1e-12)
    return {
        "inside": float(found[own > 0].sum()) / total,
        "near": float(found[near > 0].sum()) / total,
        "area": float(own.mean()),
        "area near": float(near.mean()),
    }


def forgotten(model: ModelFolder, case: Case) -> dict[str, float]:
    """Return the rank correlation of each map with that of the same network untrained."""
    network = load_network(model)
    places = find_places(network, model.spec.architecture.multiple)
    asked = (drawn(model, case.pixels) == case.value).astype(np.float32)
    trained = flat_maps(network, model, case, places, asked)
    found: dict[str, list[float]] = {name: [] for name in trained}
    for seed in SEEDS:
        randomise_from_top(network, model.spec.architecture, network.layers[1].name, seed)
        for name, values in flat_maps(network, model, case, places, asked).items():
            both = trained[name].any() and values.any()
            found[name].append(abs(spearmanr(trained[name], values)[0]) if both else 0.0)
    return {name: float(np.mean(values)) for name, values in found.items()}


def flat_maps(
    network: Any, model: ModelFolder, case: Case, places: tuple[Place, ...], asked: Array
) -> dict[str, Array]:
    maps = {}
    for place in places:
        passed = run(network, model, case, place)
        gradient = passed.gradient(case.value, asked)
        for method in Method:
            cells = np.maximum(combine(passed.cells, gradient, method), 0)
            maps[f"{place.name}, {method.value}"] = cells.ravel()
    return maps


def mean(measured: list[Mapping[str, Any]]) -> dict[str, Any]:
    return {key: np.mean([each[key] for each in measured], axis=0).tolist() for key in measured[0]}


if __name__ == "__main__":
    main()
