"""What five corrections at a time teach: the order by expected gain against chance, over rounds.

    python benchmarks/learning.py --data ../shared/data --runs RUNS [--seeds N …] [--minutes N]

The experts' masks are the grader. A small network learns from a few B-scans of one eye. In each
round a project's queue names the next five images (`Order.GAIN`, as in the program: the present
model segments what is left, and `Project.rank_images` sorts it) or chance does; their masks are
attached, the model is fine-tuned with all masks so far, and scored on two eyes that it never sees.
The same number of fine-tunings with all images at once is what there is to reach. Scans have half
their rows and a quarter of their columns, so that a slow processor is enough. What was done stays
in RUNS: a further call goes on where the last one was stopped. It writes
``docs/learning_rounds.json``, a plot, and its section of ``docs/learning.md``.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure
from tables import markdown_table, replace_section

from napari_retina_seg.datasets.labelled import LabelledImage
from napari_retina_seg.datasets.layouts import read_dataset
from napari_retina_seg.datasets.split import Split
from napari_retina_seg.imaging.surfaces import to_labels
from napari_retina_seg.inference.evaluate import iter_evaluate
from napari_retina_seg.io.atomic import write_atomically
from napari_retina_seg.metrics.measures import Key
from napari_retina_seg.models.recipe import Recipe
from napari_retina_seg.models.registry import ModelFolder, open_model
from napari_retina_seg.project.filters import Filters, Order
from napari_retina_seg.project.project import Project
from napari_retina_seg.project.states import State
from napari_retina_seg.training.fine_tuning import fine_tuning_recipe
from napari_retina_seg.training.run_folder import RunFolder
from napari_retina_seg.training.starting_point import StartingPoint
from napari_retina_seg.training.train import iter_train
from napari_retina_seg.types.annotation import Annotation
from napari_retina_seg.types.progress import finish
from napari_retina_seg.workflows.predicting import predict_images

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "docs/learning_rounds.json"
PAGE = ROOT / "docs/learning.md"
PLOT = ROOT / "docs/images/learning_rounds.png"
EYES = ("Subject1", "Subject2", "Subject3", "Subject4", "Subject5")  # Subject8 is Subject1's eye
UNSEEN = ("Subject6", "Subject7")
STARTED, EACH = 5, 5  # images to begin with, and in each round
ROUNDS = 4
ACROSS = 4  # columns that become one
QUEUE, CHANCE, ALL = "queue", "chance", "all"
COLORS = {QUEUE: "#0072b2", CHANCE: "#d55e00", ALL: "#000000"}
LABELS = {QUEUE: "expected gain", CHANCE: "chance", ALL: "all images"}

Found = dict[str, Any]

FIRST: dict[str, Any] = {  # how the network learns before the rounds
    "name": "few-eyes",
    "scheme": "oct-layers",
    "seed": 1,
    "card": {
        "title": "Layers, learnt from five B-scans",
        "description": "For benchmarks/learning.py only.",
        "modality": "oct",
        "licence": "CC BY 4.0",
    },
    "postprocessing": {"kind": "surfaces", "smoothing": 2},
    "architecture": {
        "kind": "unet",
        "channels": 1,
        "widths": [8, 16, 24, 32],
        "residual": True,
        "batch_norm": True,
        "transposed": False,
        "stem_strides": [1, 1],
    },
    "preprocessing": {"kind": "oct"},
    "training": {"crop": [192, 96], "batch": 4, "epochs": 1, "steps_per_epoch": 300, "ema": 0.97},
    "loss": {"cross_entropy": 1, "dice": 0.5},
    "optimizer": {"name": "adamw", "learning_rate": 4e-3, "weight_decay": 1e-4, "warmup": 20},
    "callbacks": {"monitor": "none"},
    "augmentation": {
        "rotation": 10,
        "scale": [0.87, 1.18],
        "flip_columns": True,
        "gain": 0.15,
        "gamma": 0.2,
        "noise": 0.12,
        "speckle": 0.3,
    },
}
# Of a fine-tuning; the rest is the program's own recipe for OCT scans.
CHANGES: dict[str, Any] = {
    "training.crop": [192, 96],
    "training.epochs": 1,
    "training.steps_per_epoch": 60,
    "training.batch_statistics": "fast",
    "training.kept_share": 0,
    "optimizer.learning_rate": 2e-3,
    "callbacks.monitor": "none",
}


@dataclass(frozen=True)
class Scans:
    """The B-scans of a seed.

    Attributes
    ----------
    start : tuple of LabelledImage
        What the first model learns from.
    pool : tuple of LabelledImage
        What may be corrected.
    unseen : tuple of LabelledImage
        Of other eyes, to score.
    """

    start: tuple[LabelledImage, ...]
    pool: tuple[LabelledImage, ...]
    unseen: tuple[LabelledImage, ...]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--runs", type=Path, required=True, help="folder for runs and projects")
    parser.add_argument("--seeds", type=int, nargs="*", default=[1, 2, 3, 4, 5])
    parser.add_argument("--minutes", type=float, default=1e9, help="begin no seed after these")
    parser.add_argument("--report", action="store_true", help="only write what was found")
    arguments = parser.parse_args()
    started = time.monotonic()
    if not arguments.report:
        images = shrunk(arguments.data / "oct_layers", arguments.runs / "scans")
        for seed in arguments.seeds:
            if time.monotonic() - started > 60 * arguments.minutes:
                break
            run_seed(chosen(images, seed), seed, arguments.runs / f"seed-{seed}")
            report(arguments.runs)
    report(arguments.runs)


def shrunk(source: Path, folder: Path) -> tuple[LabelledImage, ...]:
    """Write all scans in fewer rows and columns, once, and read them."""
    for image in read_dataset(source):
        if image.group not in EYES + UNSEEN or (folder / f"{image.name}_mask.png").exists():
            continue
        if image.read_heights is None:
            raise SystemExit(f"{image.path} has no boundaries.")
        folder.mkdir(parents=True, exist_ok=True)
        pixels = image.pixels()
        rows, columns = pixels.shape[0] // 2, pixels.shape[1] // ACROSS
        small = cv2.resize(pixels, (columns, rows), interpolation=cv2.INTER_AREA)
        heights = image.read_heights()[:, : ACROSS * columns].reshape(-1, columns, ACROSS)
        heights = heights.mean(axis=2)
        heights = (heights - 0.5) / 2  # of the edges of pixels, whose centres are whole numbers
        cv2.imwrite(str(folder / f"{image.name}.png"), small)
        table = "\n".join(",".join(f"{height:.3f}" for height in one) for one in heights.T)
        head = ",".join(f"b{number}" for number in range(len(heights)))
        (folder / f"{image.name}_boundaries.csv").write_text(f"{head}\n{table}\n")
        labels = to_labels(heights.astype(np.float32), rows)
        cv2.imwrite(str(folder / f"{image.name}_mask.png"), labels)  # last: the scan is complete
    return read_dataset(folder)


def chosen(images: Sequence[LabelledImage], seed: int) -> Scans:
    """Return what a seed starts with: five scans of one eye, another one for each seed."""
    first = EYES[(seed - 1) % len(EYES)]
    rng = np.random.default_rng(seed)
    own = [image for image in images if image.group == first]
    start = {own[index].name for index in rng.permutation(len(own))[:STARTED]}
    return Scans(
        tuple(image for image in own if image.name in start),
        tuple(image for image in images if image.group in EYES and image.name not in start),
        tuple(image for image in images if image.group in UNSEEN),
    )


def run_seed(scans: Scans, seed: int, folder: Path) -> None:
    """Run what is left of a seed."""
    found = read(folder)
    recipe = Recipe.model_validate({**FIRST, "seed": seed})
    first = trained(recipe, scans.start, None, folder / "start")
    if "start" not in found:
        found |= {"start": score(first, scans.unseen), "images": len(scans.start + scans.pool)}
        keep(folder, found)
    for arm in (QUEUE, CHANCE, ALL):
        run_arm(arm, scans, first, seed, folder)


def run_arm(arm: str, scans: Scans, model: ModelFolder, seed: int, folder: Path) -> None:
    """Correct, fine-tune and score, round after round."""
    order = np.random.default_rng(1000 + seed).permutation(len(scans.pool))
    by_name = {image.name: image for image in scans.pool}
    for number in range(1, ROUNDS + 1):
        found = read(folder)
        rounds = found.setdefault(arm, [])
        if number > len(rounds):
            before = [name for one in rounds for name in one["chosen"]]
            if arm == QUEUE:
                names = propose(model, scans, before, folder / "project")
            elif arm == CHANCE:
                names = [scans.pool[i].name for i in order[EACH * (number - 1) : EACH * number]]
            else:
                names = sorted(set(by_name) - set(before))
            rounds.append({"chosen": names})
            keep(folder, found)
        taught = [by_name[name] for one in rounds[:number] for name in one["chosen"]]
        model = tuned(model, (*scans.start, *taught), seed, folder / f"{arm}-{number}")
        if "dice" not in rounds[number - 1]:
            rounds[number - 1]["dice"] = score(model, scans.unseen)
            keep(folder, found)
            print(folder.name, arm, number, rounds[number - 1], flush=True)


def propose(model: ModelFolder, scans: Scans, before: Sequence[str], folder: Path) -> list[str]:
    """Return the next images of the project's queue, after the masks so far were attached."""
    is_new = not (folder / "project.sqlite").exists()
    with (
        Project.create(folder, scheme="oct-layers", author="Benchmark")
        if is_new
        else Project(folder, author="Benchmark")
    ) as project:
        project.add_images(
            [image.path for image in scans.pool],
            patient_of=lambda name: name.split("_", maxsplit=1)[0],
        )
        by_name = {image.name: image for image in scans.pool}
        for image in project.images():
            if image.name in before and image.state is State.UNREVIEWED:
                drawn = Annotation(np.asarray(by_name[image.name].labels(), np.uint8))
                project.attach(image.id, drawn, author="Reference")
        left = Filters(states=frozenset({State.UNREVIEWED}))
        predict_images(project, model, [image.id for image in project.images(left)])
        project.rank_images()
        return [image.name for image in project.queue(left, Order.GAIN, limit=EACH)]


def tuned(
    model: ModelFolder, images: Sequence[LabelledImage], seed: int, folder: Path
) -> ModelFolder:
    changes = {**CHANGES, "seed": seed, "name": f"few-eyes-{folder.name}"}
    return trained(fine_tuning_recipe(model.spec, changes), images, model, folder)


def trained(
    recipe: Recipe, images: Sequence[LabelledImage], parent: ModelFolder | None, folder: Path
) -> ModelFolder:
    """Train, or return what was trained before."""
    run = RunFolder(folder)
    if run.finished:
        return open_model(run.model)
    start = None if parent is None else StartingPoint(parent.weights, parent)
    sides = Split(tuple(replace(image, split="train") for image in images), (), ())
    return finish(iter_train(recipe, sides, run, start=start, resume=run.recipe.is_file()))


def score(model: ModelFolder, images: Sequence[LabelledImage]) -> float:
    """Return the mean Dice of the layers."""
    return round(finish(iter_evaluate(model, images)).means[Key("dice")].value, 4)


def read(folder: Path) -> Found:
    file = folder / "found.json"
    return json.loads(file.read_text()) if file.is_file() else {}


def keep(folder: Path, found: Mapping[str, Any]) -> None:
    write_atomically(folder / "found.json", json.dumps(found, indent=1).encode())


def report(runs: Path) -> None:
    """Write what was found so far: JSON, plot and section."""
    found = {one.name: read(one) for one in sorted(runs.glob("seed-*"))}
    whole = {name: one for name, one in found.items() if is_whole(one)}
    if not whole:
        return
    RESULTS.write_text(json.dumps(whole, indent=1) + "\n")
    plot(whole.values())
    replace_section(PAGE, "rounds: written by benchmarks/learning.py", section(whole))


def is_whole(one: Mapping[str, Any]) -> bool:
    return all(
        len(one.get(arm, [])) == ROUNDS and "dice" in one[arm][-1] for arm in (QUEUE, CHANCE, ALL)
    )


def curve(one: Mapping[str, Any], arm: str) -> list[float]:
    return [one["start"], *(each["dice"] for each in one[arm])]


def plot(found: Any) -> None:
    """Plot Dice over the number of corrected images: each seed thin, the mean thick."""
    figure = Figure(figsize=(5.2, 3.4), layout="constrained")
    axes = figure.subplots()
    numbers = [STARTED + EACH * number for number in range(ROUNDS + 1)]
    for arm in (QUEUE, CHANCE):
        lines = np.array([curve(one, arm) for one in found])
        for line in lines:
            axes.plot(numbers, line, color=COLORS[arm], alpha=0.25, linewidth=0.8)
        axes.plot(numbers, lines.mean(axis=0), "o-", color=COLORS[arm], label=LABELS[arm])
    whole = float(np.mean([one[ALL][-1]["dice"] for one in found]))
    axes.axhline(whole, color=COLORS[ALL], linestyle="--", linewidth=1, label=LABELS[ALL])
    axes.set(xlabel="B-scans learnt from", ylabel="Dice of the layers, unseen eyes")
    axes.legend(frameon=False)
    PLOT.parent.mkdir(exist_ok=True)
    figure.savefig(PLOT, dpi=110, metadata={"Software": None})


def section(found: Mapping[str, Found]) -> str:
    seeds = list(found.values())
    ends = {arm: np.array([one[arm][-1]["dice"] for one in seeds]) for arm in (QUEUE, CHANCE, ALL)}
    most = STARTED + EACH * ROUNDS
    images = seeds[0]["images"]
    rows = []
    for number in range(ROUNDS + 1):
        cells = [cell([curve(one, arm)[number] for one in seeds]) for arm in (QUEUE, CHANCE)]
        gains = np.array([curve(one, QUEUE)[number] - curve(one, CHANCE)[number] for one in seeds])
        ahead = f"{gains.mean():+.4f}, ahead in {(gains > 0).sum()} of {len(seeds)}"
        rows.append([str(STARTED + EACH * number), *cells, ahead if number else ""])
    rows.append([f"{images} (all)", cell(ends[ALL]), "", ""])
    return "\n\n".join(
        [
            "## Layers, five images a round",
            f"A small network (channels {', '.join(map(str, FIRST['architecture']['widths']))};"
            f" scans of half the rows and a quarter of the columns) learns from {STARTED} B-scans"
            f" of one eye. In each of {ROUNDS} rounds it is fine-tuned with {EACH} more of the"
            f" {images} scans of five eyes: the first of the program's queue by expected gain, or"
            " chosen by chance. Dice is the mean of the layers over 20 scans of two other eyes;"
            f" {len(seeds)} seeds, each with other scans to begin with: mean"
            " (least to most). Written by `benchmarks/learning.py`.",
            markdown_table(["scans learnt from", "expected gain", "chance", "difference"], rows),
            f"![Dice over the number of scans](images/{PLOT.name})",
            verdict(ends, most, images),
        ]
    )


def verdict(ends: Mapping[str, npt.NDArray[np.float64]], most: int, images: int) -> str:
    """Say whether what was aimed at was reached."""
    short = ends[ALL].mean() - ends[QUEUE].mean()
    reached = "Reached" if short <= 0 else f"Missed by {short:.4f}"
    gain = ends[QUEUE].mean() - ends[CHANCE].mean()
    better = "Reached" if gain > 0 else "Missed"
    return (
        f"Aim: the Dice of all images with at most half of them ({most} of {images}), in the mean"
        f" over the seeds. {reached}. Aim: better than chance in the mean after the last round."
        f" {better} ({gain:+.4f}; spread of the difference over the seeds"
        f" {(ends[QUEUE] - ends[CHANCE]).std():.4f})."
    )


def cell(values: Any) -> str:
    values = np.asarray(values)
    return f"{values.mean():.4f} ({values.min():.4f} to {values.max():.4f})"


if __name__ == "__main__":
    main()
