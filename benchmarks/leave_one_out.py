"""What a camera or an eye costs that a training never saw.

    python benchmarks/leave_one_out.py --data ../shared/data --runs RUNS [--only NAME …] [--report]

trains the first recipes of our own models in fewer and smaller steps: vessels on one of the two
labelled cameras, or on both, and scores all on the test images of each; layers on the eyes of all
patients but one, and scores on that patient's. A finished run in RUNS is not trained again. It
writes ``docs/leave_one_out.json`` and its tables in ``docs/accuracy.md``.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from accuracy import summarise
from accuracy_tables import LAYERS, RESULTS, ROOT, VESSELS, write_documents

from napari_retina_seg.datasets.labelled import LabelledImage
from napari_retina_seg.datasets.layouts import read_dataset
from napari_retina_seg.datasets.split import Split
from napari_retina_seg.inference.evaluate import iter_evaluate
from napari_retina_seg.models.recipe import Recipe
from napari_retina_seg.models.registry import open_model
from napari_retina_seg.training.run_folder import RunFolder
from napari_retina_seg.training.train import iter_train
from napari_retina_seg.types.progress import finish

FOUND = ROOT / "docs/leave_one_out.json"
CAMERAS = {"CHASE_DB1": "chase_db1", "HRF": "hrf"}
SAME_PATIENT = {"Subject8": "Subject1"}  # the same eye, traced twice
SHORT = {  # of both recipes
    "training.epochs": 1,
    "training.batch_statistics": "fast",
    "training.ema": 0.97,
    "callbacks.monitor": "none",
}
VESSEL_CHANGES = {**SHORT, "training.crop": [256, 256], "training.batch": 4}
LAYER_CHANGES = {**SHORT, "training.crop": [384, 128], "training.batch": 4}
VESSEL_STEPS, LAYER_STEPS = 600, 250


@dataclass(frozen=True)
class Fold:
    """One training, and what it is scored on.

    Attributes
    ----------
    recipe : Recipe
        How it is trained.
    images : tuple of LabelledImage
        What it learns from.
    tests : dict of str to sequence of LabelledImage
        Images by name of their set.
    keys : dict of str to str
        Measures by their names in the tables.
    """

    recipe: Recipe
    images: tuple[LabelledImage, ...]
    tests: dict[str, Sequence[LabelledImage]]
    keys: dict[str, str]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--runs", type=Path, required=True)
    parser.add_argument("--only", nargs="*", help="names of folds")
    parser.add_argument("--report", action="store_true", help="only write the tables")
    arguments = parser.parse_args()
    found = json.loads(FOUND.read_text()) if FOUND.is_file() else {}
    for name, fold in () if arguments.report else folds(arguments.data):
        if name in found or (arguments.only and name not in arguments.only):
            continue
        found[name] = scored(fold, RunFolder(arguments.runs / name))
        FOUND.write_text(json.dumps(found, indent=1) + "\n")
        print(name, found[name], flush=True)
    write_documents(json.loads(RESULTS.read_text()))


def folds(data: Path) -> Iterator[tuple[str, Fold]]:
    """Yield the trainings, those of vessels first."""
    changes = {**VESSEL_CHANGES, "training.steps_per_epoch": VESSEL_STEPS}
    recipe = Recipe.read(Path("fundus-vessels"), changes)
    cameras = {name: read_dataset(data / folder) for name, folder in CAMERAS.items()}
    tests = {name: of_split(images, "test") for name, images in cameras.items()}
    for known in (*([name] for name in cameras), list(cameras)):
        images = tuple(image for name in known for image in of_split(cameras[name], "train"))
        yield f"vessels-{'-'.join(known)}", Fold(recipe, images, tests, VESSELS)
    yield from layer_folds(data / "oct_layers")


def of_split(images: Sequence[LabelledImage], split: str) -> list[LabelledImage]:
    return [image for image in images if image.split == split]


def layer_folds(folder: Path) -> Iterator[tuple[str, Fold]]:
    """Yield a training for each patient, who is left out of it."""
    recipe = Recipe.read(
        Path("oct-layers"), {**LAYER_CHANGES, "training.steps_per_epoch": LAYER_STEPS}
    )
    images = read_dataset(folder)
    by_patient: dict[str, list[LabelledImage]] = {}
    for image in images:
        by_patient.setdefault(SAME_PATIENT.get(image.group, image.group), []).append(image)
    for patient, own in sorted(by_patient.items()):
        others = tuple(image for image in images if image not in own)
        tests = {patient: [image for image in own if image.group == patient]}
        yield f"layers-without-{patient}", Fold(recipe, others, tests, LAYERS)


def scored(fold: Fold, run: RunFolder) -> dict[str, Any]:
    """Train, if that was not done, and score."""
    if not run.finished:
        sides = Split(tuple(replace(one, split="train") for one in fold.images), (), ())
        finish(iter_train(fold.recipe, sides, run, resume=run.recipe.is_file()))
    model = open_model(run.model)
    return {
        "images": len(fold.images),
        "test": {
            name: summarise(finish(iter_evaluate(model, images)), fold.keys)
            for name, images in fold.tests.items()
        },
    }


if __name__ == "__main__":
    main()
