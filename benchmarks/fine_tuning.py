"""What a few corrected photographs of an unknown camera are worth, and by which recipe.

    python benchmarks/fine_tuning.py --data ../shared/data --runs RUNS [--only NAME …] [--seeds N]
        [--all]

A camera that `fundus-vessels` never saw is made of HRF's test images: half of the field at twice
the magnification, other colours, less contrast, blur, noise and JPEG, the same at each call. Six of
its photographs, of six patients, are learnt from; nine of other patients are tested, and four
photographs of CHASE_DB1's test patients show what was lost on the cameras that it knew. With
``--all`` the thirty photographs of HRF's training patients are learnt from, too: what there is to
get back. Figures are kept for each model: those of earlier weights stay what they are. Every
recipe is a change of ``recipes/fine-tune/fundus.toml`` and runs through `iter_train`; one that was
stopped goes on. It writes ``docs/learning.json`` after each run, and its section of
``docs/learning.md``.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from tables import markdown_table, replace_section

from napari_retina_seg.datasets.labelled import LabelledImage
from napari_retina_seg.datasets.layouts import read_dataset
from napari_retina_seg.datasets.split import Split
from napari_retina_seg.inference.evaluate import iter_evaluate
from napari_retina_seg.inference.predictor import load_network
from napari_retina_seg.metrics.measures import Key
from napari_retina_seg.models.packaging import halve_weights, write_model
from napari_retina_seg.models.registry import SHORT_NAMES, ModelFolder, load_model, open_model
from napari_retina_seg.training.fine_tuning import fine_tuning_recipe
from napari_retina_seg.training.run_folder import RunFolder
from napari_retina_seg.training.starting_point import StartingPoint
from napari_retina_seg.training.train import iter_train
from napari_retina_seg.types.progress import finish

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "docs/learning.json"
PAGE = ROOT / "docs/learning.md"
TITLES = {"fundus": "Vessels", "oct": "Layers"}
TAUGHT = ("11", "12")  # numbers of HRF's test patients to learn from; the others are tested

Pixels = npt.NDArray[np.uint8]

ZOOM, SIZE = 0.5, 0.9  # of the field that the camera sees, and of its pixels
COLORS = np.array([[0.7, 0.05, 0.25], [0.3, 0.6, 0.1], [0.1, 0.15, 0.75]], np.float32)
CONTRAST, BLUR, NOISE, QUALITY = 0.7, 0.8, 0.5, 92
SPECKLE, GAMMA = 0.35, 1.3
INTRODUCTION = """\
The shipped models on a camera that they never saw, before and after fine-tuning with a few of its
images. The camera is made of test images: of HRF's, half of the field at twice the magnification,
in other colours, with less contrast, blur, noise and JPEG; of OCT scans, with blur, more speckle
and less contrast. F1 is the mean over the images, for vessels inside the field of view, for layers
the mean Dice of the classes. On the known camera (vessels: CHASE_DB1's test patients; layers: the
unaltered scans) nothing should be lost. With several seeds: mean (least to most). `gentle`
augments little and lets batch statistics follow slowly, as Keras does by default; `fast` lets them
follow within some ten steps; `kept` does not change them. The number is the learning
rate; a share of the parent is mixed into the weights afterwards. A number of images stands where
more were learnt from than a grader would correct: those of the training patients, too, for what
there is to get back. The shipped models come first; the recipe was chosen with their predecessors.
Written by `benchmarks/fine_tuning.py`."""

# Complete, whatever the recipe of the program says by now.
COMMON = {
    "training.batch": 4,
    "training.steps_per_epoch": 20,
    "training.ema": 0.95,
    "training.batch_statistics": "slow",
    "training.kept_share": 0,
    "optimizer.warmup": 10,
}
SMALL = {**COMMON, "training.crop": [256, 256]}
GENTLE = {
    "augmentation.scale": [0.9, 1.1],
    "augmentation.aspect": [0.95, 1.05],
    "augmentation.gain": 0.1,
    "augmentation.mixing": 0.05,
    "augmentation.grey": 0,
    "augmentation.illumination": 0.2,
    "augmentation.noise": 0.1,
    "augmentation.blur": 0.5,
    "augmentation.coarse": 1.3,
}
LIGHT = {**SMALL, **GENTLE}
KEPT, FAST = ({"training.batch_statistics": how} for how in ("kept", "fast"))
RECIPES: dict[str, dict[str, Any]] = {
    "gentle-1e-3": {**LIGHT, "optimizer.learning_rate": 1e-3},
    "fast-1e-3": {**LIGHT, **FAST, "optimizer.learning_rate": 1e-3},
    "kept-1e-3": {**LIGHT, **KEPT, "optimizer.learning_rate": 1e-3},
    "kept-5e-4": {**LIGHT, **KEPT, "optimizer.learning_rate": 5e-4},
    "kept-2e-3": {**LIGHT, **KEPT, "optimizer.learning_rate": 2e-3},
}
SCAN_SMALL = {**COMMON, "training.crop": [384, 128]}
SCAN_RECIPES: dict[str, dict[str, Any]] = {
    f"{how}-1e-3": {
        **SCAN_SMALL,
        "training.batch_statistics": how,
        "optimizer.learning_rate": 1e-3,
    }
    for how in ("slow", "fast", "kept")
}


@dataclass(frozen=True)
class Trial:
    """A model, and the images of an unknown camera that it learns from and is tested on.

    Attributes
    ----------
    parent : str
        The model to begin with.
    taught, tested, known : tuple of LabelledImage
        Of the unknown camera, of different patients; and of one that the model knew.
    more : tuple of LabelledImage
        Of the unknown camera, of further patients, for what there is to reach.
    unaltered : tuple of LabelledImage
        Those that are tested, before the unknown camera was made of them.
    recipes : mapping
        Changes of the recipe by name.
    """

    parent: str
    taught: tuple[LabelledImage, ...]
    tested: tuple[LabelledImage, ...]
    known: tuple[LabelledImage, ...]
    more: tuple[LabelledImage, ...]
    unaltered: tuple[LabelledImage, ...]
    recipes: Mapping[str, Mapping[str, Any]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--runs", type=Path, required=True, help="folder for the training runs")
    parser.add_argument("--kind", choices=("fundus", "oct"), default="fundus")
    parser.add_argument("--only", nargs="*", help="recipes; by default all")
    parser.add_argument("--seeds", type=int, nargs="*", default=[1])
    parser.add_argument("--epochs", type=int, default=10, help="of 20 steps")
    parser.add_argument(
        "--shares", type=float, nargs="*", default=[], help="of the parent in weights mixed later"
    )
    parser.add_argument("--all", action="store_true", help="learn from all there is")
    arguments = parser.parse_args()
    trial = (photographs if arguments.kind == "fundus" else scans)(arguments.data)
    parent = load_model(trial.parent)
    section = f"{arguments.kind} {parent.name}"
    found = read().get(section, {"runs": {}})
    if "parent" not in found:
        sides = {"learnt from": trial.taught, "tested": trial.tested, "known": trial.known}
        found["images"] = {name: len(images) for name, images in sides.items()}
        found["parent"] = score(parent, trial)
        write(section, found)
    if "unaltered" not in found:
        found["unaltered"] = found["parent"]["F1 known"]
        if trial.unaltered != trial.known:
            means = finish(iter_evaluate(parent, trial.unaltered)).means
            found["unaltered"] = round(means[Key("dice")].value, 4)
        write(section, found)
    recipes = arguments.only if arguments.only is not None else list(trial.recipes)
    taught = trial.taught + (trial.more if arguments.all else ())
    for seed, name in product(arguments.seeds, recipes):
        from_all = f", {len(taught)} images" if arguments.all else ""
        key = f"{name}, {arguments.epochs * 20} steps, seed {seed}{from_all}"
        changes = {**trial.recipes[name], "training.epochs": arguments.epochs, "seed": seed}
        folder = arguments.runs / parent.name / key.replace(", ", "_").replace(" ", "-")
        model = train(parent, changes, taught, folder)
        for share in (0.0, *arguments.shares):
            called = (f"{name}, {share:.0%} of the parent" if share else name) + from_all
            mixed = mix(model, parent, share, folder) if share else model
            place = f"{key}, {share:g}" if share else key
            if place not in found["runs"]:
                figures = {"recipe": called, "seed": seed, **took(model), **score(mixed, trial)}
                found["runs"][place] = figures
                write(section, found)
                print(place, figures, flush=True)
    replace_section(PAGE, "recipes: written by benchmarks/fine_tuning.py", page(read()))


def photographs(data: Path) -> Trial:
    """Return photographs of the unknown camera, made of HRF's test images."""
    labelled = read_dataset(data / "hrf")
    images = [image for image in labelled if image.split == "test"]
    others = [image for image in labelled if image.split == "train"]
    camera = [unknown_camera(image, number) for number, image in enumerate(images)]
    known = [one for one in read_dataset(data / "chase_db1") if one.split == "test"][::2]
    return Trial(
        "fundus-vessels",
        tuple(image for image in camera if image.name.startswith(TAUGHT)),
        tuple(image for image in camera if not image.name.startswith(TAUGHT)),
        tuple(known),
        tuple(unknown_camera(image, 100 + number) for number, image in enumerate(others)),
        tuple(image for image in images if not image.name.startswith(TAUGHT)),
        RECIPES,
    )


def scans(data: Path) -> Trial:
    """Return B-scans of an unknown device, made of the validation and the test eye."""
    images = read_dataset(data / "oct_layers")
    taught = [image for image in images if image.split == "val"][::2]
    known = [image for image in images if image.split == "test"]
    others = [image for image in images if image.split == "train"]
    return Trial(
        "oct-layers",
        tuple(unknown_device(image, number) for number, image in enumerate(taught)),
        tuple(unknown_device(image, 100 + number) for number, image in enumerate(known)),
        tuple(known),
        tuple(unknown_device(image, 200 + number) for number, image in enumerate(others)),
        tuple(known),
        SCAN_RECIPES,
    )


def unknown_device(image: LabelledImage, seed: int) -> LabelledImage:
    """Return a B-scan as another device would have taken it: less contrast, more speckle."""

    def pixels() -> Pixels:
        seen = cv2.GaussianBlur(image.pixels().astype(np.float32), (0, 0), 1.2)
        noise = 1 + SPECKLE * np.random.default_rng(seed).standard_normal(seen.shape)
        seen = 255 * (np.clip(seen * noise, 0, 255) / 255) ** GAMMA
        return np.asarray(40 + 0.6 * seen, np.uint8)

    return replace(image, dataset="unknown device", read_pixels=pixels, references={})


def unknown_camera(image: LabelledImage, seed: int) -> LabelledImage:
    """Return a photograph as another camera would have taken it, with its mask."""
    return replace(
        image,
        dataset="unknown camera",
        read_pixels=lambda: photograph(image.pixels(), seed),
        read_labels=lambda: seen_part(image.labels()),
        references={},
    )


def photograph(pixels: Pixels, seed: int) -> Pixels:
    """Take ``(rows, columns, 3)`` again with the unknown camera."""
    box, inside = field(pixels.shape[:2])
    seen = np.where(inside[..., np.newaxis], pixels[box], 0).astype(np.float32) @ COLORS.T
    seen = cv2.resize(seen, None, fx=SIZE, fy=SIZE, interpolation=cv2.INTER_AREA)
    inside = cv2.resize(inside.astype(np.uint8), seen.shape[1::-1]) > 0
    seen = cv2.GaussianBlur(seen, (0, 0), BLUR)
    mean = seen[inside].mean(axis=0)
    seen = mean + CONTRAST * (seen - mean)
    seen += np.random.default_rng(seed).normal(0, NOISE, seen.shape)
    shown = np.where(inside[..., np.newaxis], np.clip(seen, 0, 255), 0).astype(np.uint8)
    stored = cv2.imencode(".jpg", shown[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1]
    return np.asarray(cv2.imdecode(stored, cv2.IMREAD_COLOR)[..., ::-1], np.uint8)


def seen_part(labels: Pixels) -> Pixels:
    """Return the part of a mask that the unknown camera sees, at its resolution."""
    vessels = (labels[field(labels.shape)[0]] > 0).astype(np.float32)
    share = cv2.resize(vessels, None, fx=SIZE, fy=SIZE, interpolation=cv2.INTER_AREA)
    return np.asarray(share > 0.5, np.uint8)


def field(shape: tuple[int, ...]) -> tuple[tuple[slice, slice], npt.NDArray[np.bool_]]:
    """Return the square around the centre that the camera sees, and the round field in it."""
    rows, columns = shape[:2]
    radius = round(rows / 2 * ZOOM)
    box = tuple(slice(side // 2 - radius, side // 2 + radius) for side in (rows, columns))
    y, x = np.mgrid[: 2 * radius, : 2 * radius] + 0.5 - radius
    return (box[0], box[1]), x**2 + y**2 < radius**2


def train(
    parent: ModelFolder,
    changes: Mapping[str, Any],
    images: tuple[LabelledImage, ...],
    folder: Path,
) -> ModelFolder:
    """Fine-tune by a changed recipe, or go on with a run that was stopped."""
    run = RunFolder(folder)
    if run.finished:
        return open_model(run.model)
    recipe = fine_tuning_recipe(parent.spec, {"callbacks.monitor": "none", **changes})
    start = StartingPoint(parent.weights, parent)
    split = Split(images, (), ())
    return finish(iter_train(recipe, split, run, start=start, resume=run.recipe.is_file()))


def mix(model: ModelFolder, parent: ModelFolder, share: float, folder: Path) -> ModelFolder:
    """Return a model whose weights are partly its parent's, as `training.kept_share` makes it."""
    network = load_network(model)
    pairs = zip(network.get_weights(), load_network(parent).get_weights(), strict=True)
    network.set_weights([(1 - share) * own + share * first for own, first in pairs])
    weights = folder / "mixed.weights.h5"
    network.save_weights(weights)
    spec = model.spec.model_dump(mode="json", exclude={"weights_sha256"})
    return write_model(folder / f"mixed-{share:g}", halve_weights(weights), spec)


def took(model: ModelFolder) -> dict[str, int]:
    """Return the steps of a training and its seconds, those of the validation left out."""
    record = model.spec.training
    return {} if record is None else {"steps": record.steps, "seconds": round(record.seconds)}


def score(model: ModelFolder, trial: Trial) -> dict[str, float]:
    """Return the mean Dice (F1) on both cameras; of vessels also the AUC on the unknown one."""
    new = finish(iter_evaluate(model, trial.tested)).means
    old = finish(iter_evaluate(model, trial.known)).means
    scores = {"F1": new[Key("dice")].value, "F1 known": old[Key("dice")].value}
    if Key("auc") in new:
        scores["AUC"] = new[Key("auc")].value
    return {name: round(value, 4) for name, value in scores.items()}


def read() -> dict[str, Any]:
    return json.loads(RESULTS.read_text()) if RESULTS.is_file() else {}


def write(section: str, found: Mapping[str, Any]) -> None:
    results = read()
    runs = results.get(section, {}).get("runs", {})  # another process may have added some
    content = {**results, section: {**found, "runs": {**runs, **found["runs"]}}}
    RESULTS.write_text(json.dumps(content, indent=1) + "\n")


def page(results: Mapping[str, Any]) -> str:
    parts = [INTRODUCTION]
    shipped = SHORT_NAMES.values()
    for section in sorted(results, key=lambda one: one.split()[1] not in shipped):
        found = results[section]
        kind, model = section.split()
        images = found["images"]
        parts += [
            f"## {TITLES[kind]}: `{model}`",
            f"{images['learnt from']} images to learn from, {images['tested']} of other patients"
            f" to test, {images['known']} of the known camera. The unknown camera costs"
            f" {cost(found):.3f}: unaltered, the tested images have an F1 of"
            f" {found['unaltered']:.3f}.",
            table(found),
        ]
    return "\n\n".join(parts)


def cost(found: Mapping[str, Any]) -> float:
    """Return how much F1 the model loses on the unknown camera."""
    return float(found["unaltered"] - found["parent"]["F1"])


def table(found: Mapping[str, Any]) -> str:
    parent = found["parent"]
    names = [name for name in ("F1", "AUC", "F1 known") if name in parent]
    rows = [["before", "", "", *(f"{parent[name]:.3f}" for name in names), "", "", ""]]
    for (name, steps), runs in grouped(found["runs"].values()).items():
        gain, loss = (mean(runs, key) - parent[key] for key in ("F1", "F1 known"))
        figures = [spread(runs, name) for name in names]
        changes = (f"{gain:+.3f}", f"{gain / cost(found):.0%}", f"{loss:+.3f}")
        rows.append([name, str(steps), str(len(runs)), *figures, *changes])
    header = ["recipe", "steps", "seeds", *names, "F1 gained", "of the loss", "F1 known, change"]
    return markdown_table(header, rows)


def mean(runs: Sequence[Mapping[str, Any]], key: str) -> float:
    return float(np.mean([run[key] for run in runs]))


def grouped(runs: Iterable[Mapping[str, Any]]) -> dict[tuple[str, int], list[Mapping[str, Any]]]:
    found: dict[tuple[str, int], list[Mapping[str, Any]]] = {}
    for run in runs:
        found.setdefault((run["recipe"], run["steps"]), []).append(run)
    return found


def spread(runs: Sequence[Mapping[str, Any]], key: str) -> str:
    values = [run[key] for run in runs]
    center = f"{mean(runs, key):.3f}"
    return center if len(values) == 1 else f"{center} ({min(values):.3f} to {max(values):.3f})"


if __name__ == "__main__":
    started = time.monotonic()
    main()
    print(f"{time.monotonic() - started:.0f} s")
