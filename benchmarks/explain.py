"""Whether maps of evidence mean something, for every shipped model, method and layer.

    python benchmarks/explain.py --data ../shared/data [--only NAME ...]

asks each model about test images, and measures how its drawing suffers when the pixels are removed
that a map holds most important (deletion), how soon it comes back when they are shown first
(insertion), how much of the map lies on the class, and how like the map stays when the network
forgets what it has learnt, all at once or from the top down. It writes ``docs/explain.json``,
``docs/explain.md`` and the curves in ``docs/images/explain_curves.png``.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from explain_curves import Case, Mask, class_curves, draw, point_curves
from explain_report import write_documents
from scipy.stats import spearmanr
from skimage.filters import sobel
from skimage.metrics import structural_similarity

from napari_retina_seg.datasets.labelled import LabelledImage
from napari_retina_seg.datasets.layouts import read_dataset
from napari_retina_seg.imaging.cam import Method, combine
from napari_retina_seg.inference.frozen import FrozenSplit, freeze_split
from napari_retina_seg.inference.predictor import load_network
from napari_retina_seg.inference.target_layers import cut, find_target_layers
from napari_retina_seg.models.registry import BUNDLED, ModelFolder, list_models
from napari_retina_seg.saliency.activations import Activations, iter_forward
from napari_retina_seg.saliency.randomisation import randomise_from_top
from napari_retina_seg.saliency.slice_explainer import RECOMMENDED_METHOD
from napari_retina_seg.saliency.split_network import RECOMMENDED_LAYER
from napari_retina_seg.types.image import Modality, Spacing
from napari_retina_seg.types.progress import CancelToken, finish

Array = npt.NDArray[np.float32]

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "docs/explain.json"
WINDOW = (496, 384)  # of the network's input, from its middle
NEAR = 10  # px around the class
SEEDS = (0, 1)
EVERY = 2  # test image: neighbours are alike, and every map costs eight passes
PLACED = 2  # of those, on which points are asked about
POINT_LAYERS = (RECOMMENDED_LAYER, "bottleneck")
ASKED = {Modality.OCT: "oct_layers", Modality.FUNDUS: "chase_db1"}


@dataclass(frozen=True, eq=False)
class Looked:
    """A network with a view into each of its layers."""

    model: ModelFolder
    network: Any
    views: dict[str, FrozenSplit]  # by the layer's place

    def passed(self, place: str, pixels: Array) -> Activations:
        """Run the network up to a place, and on to the logits."""
        multiple = self.model.spec.architecture.multiple
        return finish(iter_forward(self.views[place], pixels, multiple, CancelToken()))


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
    looked = look_into(model, load_network(model))
    classes: dict[str, list[dict[str, Any]]] = {}
    points: dict[str, list[dict[str, Any]]] = {}
    for number, case in enumerate(cases):
        drawn = draw(model, case.pixels) == case.value
        if drawn.any():
            for name, found in (maps_of(looked, case, drawn) | blind_maps(case)).items():
                measured = class_curves(model, case, drawn, found) | mass(case, found)
                classes.setdefault(name, []).append(measured)
        for point in points_of(drawn) if number < PLACED else []:
            found_at = maps_of(looked, case, point, POINT_LAYERS) | blind_maps(case)
            for name, found in found_at.items():
                points.setdefault(name, []).append(point_curves(model, case, point, found))
    likeness = forgotten(looked, cases[0])
    return {
        "weights_sha256": model.spec.weights_sha256,
        "images": len(cases),
        "classes": [model.spec.scheme.classes[case.value].abbreviation for case in cases],
        "maps": {
            name: mean(measured) | liken(likeness["class"], name)
            for name, measured in classes.items()
        },
        "points": {
            name: mean(measured) | liken(likeness["point"], name)
            for name, measured in points.items()
        },
        "cascade": cascade(looked, cases[0]),
    }


def liken(likeness: Mapping[str, float], name: str) -> dict[str, float]:
    return {"likeness": likeness[name]} if name in likeness else {}


def look_into(model: ModelFolder, network: Any, only: str = "") -> Looked:
    places = find_target_layers(network, model.spec.architecture.multiple)
    views = {
        place.name: freeze_split(cut(network, place.layer))
        for place in places
        if only in ("", place.name)
    }
    return Looked(model, network, views)


def read_cases(model: ModelFolder, data: Path) -> Iterator[Case]:
    """Read all test images, and ask about one class after another."""
    folder, classes = ASKED[model.spec.modality], len(model.spec.scheme) - 1
    images = [image for image in read_dataset(data / folder) if image.split == "test"]
    for number, image in enumerate(images[::EVERY]):
        yield read_case(model, image, 1 + number % classes)


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


def maps_of(
    looked: Looked, case: Case, asked: Mask, places: Iterable[str] = ()
) -> dict[str, Array]:
    """Draw the maps of layers, by default all, and methods, at the size of the network's input."""
    maps = {}
    for place in places or looked.views:
        passed = looked.passed(place, case.pixels)
        for name, cells in cells_of(passed, case.value, asked).items():
            maps[f"{place}, {name}"] = passed.spread(cells)
    return maps


def cells_of(passed: Activations, value: int, asked: Mask) -> dict[str, Array]:
    gradient = passed.gradient(value, asked.astype(np.float32))
    return {
        method.value: np.maximum(combine(passed.cells, gradient, method), 0) for method in Method
    }


def blind_maps(case: Case) -> dict[str, Array]:
    """Draw two maps that do not look at the network."""
    size = case.truth.shape
    noise = np.random.default_rng(0).random((size[0] // 8, size[1] // 8)).astype(np.float32)
    edges = sobel(case.pixels.mean(axis=2)).astype(np.float32)
    return {"random": cv2.resize(noise, size[::-1]), "edges": cv2.GaussianBlur(edges, (0, 0), 2)}


def points_of(drawn: Mask) -> Iterator[Mask]:
    """Choose two pixels of the class as drawn, a third and two thirds across it."""
    rows, columns = np.nonzero(drawn)
    across = np.argsort(columns, kind="stable")
    for share in (1 / 3, 2 / 3) if rows.size else ():
        chosen = across[int(share * rows.size)]
        point = np.zeros(drawn.shape, bool)
        point[rows[chosen], columns[chosen]] = True
        yield point


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


def forgotten(looked: Looked, case: Case) -> dict[str, dict[str, float]]:
    """Return the rank correlation of each map with that of the same network untrained."""
    drawn = draw(looked.model, case.pixels) == case.value
    asked = {"class": drawn, "point": next(points_of(drawn))}
    found: dict[str, dict[str, list[float]]] = {name: {} for name in asked}
    for seed in SEEDS:
        fresh = forget(looked.model, looked.network.layers[1].name, seed)
        for place in looked.views:
            both = looked.passed(place, case.pixels), fresh.passed(place, case.pixels)
            for what, pixels in asked.items():
                own, other = (cells_of(each, case.value, pixels) for each in both)
                for name in own:
                    # Of a point both maps are empty nearly everywhere, which is no likeness.
                    seen = (own[name] > 0) | (other[name] > 0) if what == "point" else None
                    correlation = rank_correlation(own[name], other[name], seen)
                    found[what].setdefault(f"{place}, {name}", []).append(correlation)
    return {
        what: {name: float(np.mean(values)) for name, values in maps.items()}
        for what, maps in found.items()
    }


def cascade(looked: Looked, case: Case) -> dict[str, dict[str, float]]:
    """Return how like the map that is offered first stays, layer by layer forgotten from the top.

    Adebayo et al. 2018, figure 2: each step randomises one more stage of the network.
    """
    asked = draw(looked.model, case.pixels) == case.value
    multiple = looked.model.spec.architecture.multiple
    own = cells_of(looked.passed(RECOMMENDED_LAYER, case.pixels), case.value, asked)
    trained = own[RECOMMENDED_METHOD.value]
    steps: dict[str, dict[str, float]] = {}
    for place in reversed(find_target_layers(looked.network, multiple)):
        fresh = forget(looked.model, place.layer, SEEDS[0], RECOMMENDED_LAYER)
        made = cells_of(fresh.passed(RECOMMENDED_LAYER, case.pixels), case.value, asked)
        map_made = made[RECOMMENDED_METHOD.value]
        steps[place.name] = {
            "rank correlation": rank_correlation(trained, map_made),
            "ssim": likeness_of(trained, map_made),
        }
    return steps


def forget(model: ModelFolder, layer: str, seed: int, only: str = "") -> Looked:
    network = load_network(model)
    randomise_from_top(network, model.spec.architecture, layer, seed)
    return look_into(model, network, only)


def rank_correlation(one: Array, other: Array, where: Mask | None = None) -> float:
    if not (one.any() and other.any()):
        return 0.0
    chosen = np.ones(one.shape, bool) if where is None else where
    return abs(float(spearmanr(one[chosen], other[chosen])[0]))


def likeness_of(one: Array, other: Array) -> float:
    scaled = [each / max(float(each.max()), 1e-12) for each in (one, other)]
    return float(structural_similarity(*scaled, data_range=1))


def mean(measured: list[Mapping[str, Any]]) -> dict[str, Any]:
    return {key: np.mean([each[key] for each in measured], axis=0).tolist() for key in measured[0]}


if __name__ == "__main__":
    main()
