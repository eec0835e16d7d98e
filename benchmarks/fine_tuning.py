"""What a few corrected photographs of an unknown camera are worth, and by which recipe.

    python benchmarks/fine_tuning.py --data ../shared/data --runs RUNS [--only NAME …] [--seeds N]

A camera that `fundus-vessels` never saw is made of HRF's test images: half of the field at twice
the magnification, other colours, less contrast, blur, noise and JPEG, the same at each call. Six of
its photographs, of six patients, are learnt from; nine of other patients are tested, and four
photographs of CHASE_DB1's test patients show what was lost on the cameras that it knew. Every
recipe is a change of ``recipes/fine-tune/fundus.toml`` and runs through `iter_train`; one that was
stopped goes on. It writes ``docs/learning.json`` after each run, and ``docs/learning.md``.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from tables import markdown_table

from napari_retina_seg.datasets.labelled import LabelledImage
from napari_retina_seg.datasets.layouts import read_dataset
from napari_retina_seg.datasets.split import Split
from napari_retina_seg.inference.evaluate import iter_evaluate
from napari_retina_seg.metrics.measures import Key
from napari_retina_seg.models.registry import ModelFolder, load_model, open_model
from napari_retina_seg.training.fine_tuning import fine_tuning_recipe
from napari_retina_seg.training.run_folder import RunFolder
from napari_retina_seg.training.starting_point import StartingPoint
from napari_retina_seg.training.train import iter_train
from napari_retina_seg.types.progress import finish

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "docs/learning.json"
PAGE = ROOT / "docs/learning.md"
PARENT = "fundus-vessels"
TAUGHT = ("11", "12")  # numbers of HRF's test patients to learn from; the others are tested

Pixels = npt.NDArray[np.uint8]

ZOOM, SIZE = 0.5, 0.9  # of the field that the camera sees, and of its pixels
COLORS = np.array([[0.7, 0.05, 0.25], [0.3, 0.6, 0.1], [0.1, 0.15, 0.75]], np.float32)
CONTRAST, BLUR, NOISE, QUALITY = 0.7, 0.8, 0.5, 92

SMALL = {"training.crop": [256, 256], "training.batch": 4, "training.steps_per_epoch": 20}
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
LIGHT = {**SMALL, **GENTLE, "optimizer.learning_rate": 1e-3}
RECIPES: dict[str, dict[str, Any]] = {
    "kept-1e-3": {**LIGHT, "training.batch_statistics": "kept"},
    "fast-1e-3": {**LIGHT, "training.batch_statistics": "fast"},
    "gentle-5e-4": {**SMALL, **GENTLE, "optimizer.learning_rate": 5e-4},
    "gentle-1e-3": {**SMALL, **GENTLE, "optimizer.learning_rate": 1e-3},
    "gentle-2e-3": {**SMALL, **GENTLE, "optimizer.learning_rate": 2e-3},
    "strong-1e-3": {**SMALL, "optimizer.learning_rate": 1e-3},
    "strong-2e-3": {**SMALL, "optimizer.learning_rate": 2e-3},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--runs", type=Path, required=True, help="folder for the training runs")
    parser.add_argument("--only", nargs="*", default=list(RECIPES), help="recipes; by default all")
    parser.add_argument("--seeds", type=int, nargs="*", default=[1])
    parser.add_argument("--epochs", type=int, default=5)
    arguments = parser.parse_args()
    images = [image for image in read_dataset(arguments.data / "hrf") if image.split == "test"]
    camera = [unknown_camera(image, number) for number, image in enumerate(images)]
    taught = tuple(image for image in camera if image.name.startswith(TAUGHT))
    tested = [image for image in camera if not image.name.startswith(TAUGHT)]
    known = [one for one in read_dataset(arguments.data / "chase_db1") if one.split == "test"][::2]
    results = json.loads(RESULTS.read_text()) if RESULTS.is_file() else {"runs": {}}
    parent = load_model(PARENT)
    if "parent" not in results:
        results["images"] = {"learnt from": len(taught), "tested": len(tested), "known": len(known)}
        results["parent"] = score(parent, tested, known)
        write(results)
    for seed in arguments.seeds:
        for name in arguments.only:
            key = f"{name}, {arguments.epochs * 20} steps, seed {seed}"
            if key not in results["runs"]:
                changes = {**RECIPES[name], "training.epochs": arguments.epochs, "seed": seed}
                folder = arguments.runs / key.replace(", ", "_").replace(" ", "-")
                model = train(parent, changes, taught, folder)
                results["runs"][key] = {
                    "recipe": name,
                    "seed": seed,
                    **took(model),
                    **score(model, tested, known),
                }
                write(results)
                print(key, results["runs"][key], flush=True)
    write(results)


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


def took(model: ModelFolder) -> dict[str, int]:
    """Return the steps of a training and its seconds, those of the validation left out."""
    record = model.spec.training
    return {} if record is None else {"steps": record.steps, "seconds": round(record.seconds)}


def score(
    model: ModelFolder, tested: Sequence[LabelledImage], known: Sequence[LabelledImage]
) -> dict[str, float]:
    """Return F1 inside the field of view on both cameras, and the AUC on the unknown one."""
    new = finish(iter_evaluate(model, tested))
    old = finish(iter_evaluate(model, known))
    return {
        "F1": round(new.means[Key("dice")].value, 4),
        "AUC": round(new.means[Key("auc")].value, 4),
        "F1 known": round(old.means[Key("dice")].value, 4),
    }


def write(results: dict[str, Any]) -> None:
    RESULTS.write_text(json.dumps(results, indent=1) + "\n")
    PAGE.write_text(page(results))


def page(results: Mapping[str, Any]) -> str:
    parent, images = results["parent"], results["images"]
    figures = (f"{parent[name]:.3f}" for name in ("F1", "AUC", "F1 known"))
    rows = [["before", "", "", *figures, ""]]
    for (name, steps), runs in grouped(results["runs"].values()).items():
        gain = np.mean([run["F1"] for run in runs]) - parent["F1"]
        rows.append(
            [
                name,
                str(steps),
                str(len(runs)),
                spread(runs, "F1"),
                spread(runs, "AUC"),
                spread(runs, "F1 known"),
                f"{gain:+.3f}",
            ]
        )
    header = ["recipe", "steps", "seeds", "F1", "AUC", "F1, known cameras", "gain in F1"]
    return (
        "# What corrections teach\n\n"
        f"`{PARENT}` on a camera that it never saw, made of HRF's test images (half of the field,"
        " other colours, less contrast, blur, noise, JPEG), before and after fine-tuning with"
        f" {images['learnt from']} of its photographs. F1 is inside the field of view, the mean"
        f" over {images['tested']} photographs of other patients; known cameras are"
        f" {images['known']} photographs of CHASE_DB1's test patients, on which nothing"
        " should be lost. With several seeds: mean (least to most). Written by"
        " `benchmarks/fine_tuning.py`.\n\n" + markdown_table(header, rows) + "\n"
    )


def grouped(runs: Iterable[Mapping[str, Any]]) -> dict[tuple[str, int], list[Mapping[str, Any]]]:
    found: dict[tuple[str, int], list[Mapping[str, Any]]] = {}
    for run in runs:
        found.setdefault((run["recipe"], run["steps"]), []).append(run)
    return found


def spread(runs: Sequence[Mapping[str, Any]], key: str) -> str:
    values = [run[key] for run in runs]
    mean = f"{np.mean(values):.3f}"
    return mean if len(values) == 1 else f"{mean} ({min(values):.3f} to {max(values):.3f})"


if __name__ == "__main__":
    started = time.monotonic()
    main()
    print(f"{time.monotonic() - started:.0f} s")
