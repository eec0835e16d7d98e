"""What five corrections at a time teach: the order by expected gain against chance, over rounds.

    python benchmarks/learning.py --data ../shared/data --runs RUNS [--kinds layers vessels]
        [--seeds N …] [--minutes N]

The experts' masks are the grader. A small network learns from a few B-scans of one eye, or from a
few photographs of one camera. In each round a project's queue names the next five images
(`Order.GAIN`, as in the program: the present model segments what is left, and
`Project.rank_images` sorts it) or chance does; their masks are attached, the model is fine-tuned
with all masks so far, and scored on eyes that it never sees. The same number of fine-tunings with
all images at once is what there is to reach. Images are small, so that a slow processor is enough.
What was done stays in RUNS: a further call goes on where the last one was stopped. It writes
``docs/learning_rounds.json``, a plot of each kind, and its section of ``docs/learning.md``.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from learning_images import KINDS, NETWORK, STARTED, Images, Kind, choose, patient
from matplotlib.figure import Figure
from tables import markdown_table, replace_section

from napari_retina_seg.datasets.labelled import LabelledImage
from napari_retina_seg.datasets.split import Split
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
EACH = 5  # images in each round
ROUNDS = 4
ROUNDING = 1e-4  # of the scores
QUEUE, CHANCE, ALL = "queue", "chance", "all"
COLORS = {QUEUE: "#0072b2", CHANCE: "#d55e00", ALL: "#000000"}
LABELS = {QUEUE: "expected gain", CHANCE: "chance", ALL: "all images"}

Found = dict[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--runs", type=Path, required=True, help="folder for runs and projects")
    parser.add_argument("--kinds", nargs="*", choices=list(KINDS), default=list(KINDS))
    parser.add_argument("--seeds", type=int, nargs="*", default=[1, 2, 3, 4, 5])
    parser.add_argument("--minutes", type=float, default=1e9, help="begin no seed after these")
    parser.add_argument("--report", action="store_true", help="only write what was found")
    arguments = parser.parse_args()
    started = time.monotonic()
    for name in () if arguments.report else arguments.kinds:
        runs = arguments.runs / name
        images = KINDS[name].shrink(arguments.data, runs / "images")
        for seed in arguments.seeds:
            if time.monotonic() - started > 60 * arguments.minutes:
                break
            run_seed(KINDS[name], choose(images, seed), seed, runs / f"seed-{seed}")
            report(arguments.runs)
    report(arguments.runs)


def run_seed(kind: Kind, images: Images, seed: int, folder: Path) -> None:
    """Run what is left of a seed."""
    found = read(folder)
    recipe = Recipe.model_validate({**kind.recipe, "seed": seed})
    first = trained(recipe, images.start, None, folder / "start")
    if "start" not in found:
        found |= {"start": score(first, images.unseen), "images": len(images.start + images.pool)}
        keep(folder, found)
    for arm in (QUEUE, CHANCE, ALL):
        run_arm(kind, arm, images, first, seed, folder)


def run_arm(
    kind: Kind, arm: str, images: Images, model: ModelFolder, seed: int, folder: Path
) -> None:
    """Correct, fine-tune and score, round after round."""
    order = np.random.default_rng(1000 + seed).permutation(len(images.pool))
    by_name = {image.name: image for image in images.pool}
    for number in range(1, ROUNDS + 1):
        found = read(folder)
        rounds = found.setdefault(arm, [])
        if number > len(rounds):
            before = [name for one in rounds for name in one["chosen"]]
            if arm == QUEUE:
                names = propose(kind, model, images, before, folder / "project")
            elif arm == CHANCE:
                names = [images.pool[i].name for i in order[EACH * (number - 1) : EACH * number]]
            else:
                names = sorted(set(by_name) - set(before))
            rounds.append({"chosen": names})
            keep(folder, found)
        taught = [by_name[name] for one in rounds[:number] for name in one["chosen"]]
        model = tuned(kind, model, (*images.start, *taught), seed, folder / f"{arm}-{number}")
        if "dice" not in rounds[number - 1]:
            rounds[number - 1]["dice"] = score(model, images.unseen)
            keep(folder, found)
            print(folder.name, arm, number, rounds[number - 1], flush=True)


def propose(
    kind: Kind, model: ModelFolder, images: Images, before: Collection[str], folder: Path
) -> list[str]:
    """Return the next images of the project's queue, after the masks so far were attached."""
    is_new = not (folder / "project.sqlite").exists()
    with (
        Project.create(folder, scheme=kind.recipe["scheme"], author="Benchmark")
        if is_new
        else Project(folder, author="Benchmark")
    ) as project:
        project.add_images(
            [image.path for image in images.pool],
            patient_of=patient,
        )
        by_name = {image.name: image for image in images.pool}
        for image in project.images():
            if image.name in before and image.state is State.UNREVIEWED:
                drawn = Annotation(np.asarray(by_name[image.name].labels(), np.uint8))
                project.attach(image.id, drawn, author="Reference")
        left = Filters(states=frozenset({State.UNREVIEWED}))
        predict_images(project, model, [image.id for image in project.images(left)])
        project.rank_images()
        return [image.name for image in project.queue(left, Order.GAIN, limit=EACH)]


def tuned(
    kind: Kind, model: ModelFolder, images: Sequence[LabelledImage], seed: int, folder: Path
) -> ModelFolder:
    changes = {**kind.changes, "seed": seed, "name": f"few-eyes-{folder.name}"}
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
    """Return the mean Dice of the classes but the background."""
    return round(finish(iter_evaluate(model, images)).means[Key("dice")].value, 4)


def read(folder: Path) -> Found:
    file = folder / "found.json"
    return json.loads(file.read_text()) if file.is_file() else {}


def keep(folder: Path, found: Mapping[str, Any]) -> None:
    write_atomically(folder / "found.json", json.dumps(found, indent=1).encode())


def report(runs: Path) -> None:
    """Write what was found so far: JSON, plots and section."""
    results, parts = {}, []
    for name, kind in KINDS.items():
        found = {one.name: read(one) for one in sorted((runs / name).glob("seed-*"))}
        whole = {seed: one for seed, one in found.items() if is_whole(one)}
        if whole:
            results[name] = whole
            plot(kind, whole.values(), plot_file(name))
            parts.append(section(kind, whole, plot_file(name)))
    if results:
        RESULTS.write_text(json.dumps(results, indent=1) + "\n")
        content = "\n\n".join(parts)
        replace_section(PAGE, "rounds: written by benchmarks/learning.py", content)


def plot_file(name: str) -> Path:
    return ROOT / f"docs/images/learning_{name}.png"


def is_whole(one: Mapping[str, Any]) -> bool:
    return all(
        len(one.get(arm, [])) == ROUNDS and "dice" in one[arm][-1] for arm in (QUEUE, CHANCE, ALL)
    )


def curve(one: Mapping[str, Any], arm: str) -> list[float]:
    return [one["start"], *(each["dice"] for each in one[arm])]


def plot(kind: Kind, found: Any, file: Path) -> None:
    """Plot the measure over the number of images: each seed thin, the mean thick."""
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
    axes.set(xlabel="images learnt from", ylabel=kind.measure)
    axes.legend(frameon=False)
    file.parent.mkdir(exist_ok=True)
    figure.savefig(file, dpi=110, metadata={"Software": None})


def section(kind: Kind, found: Mapping[str, Found], file: Path) -> str:
    seeds = list(found.values())
    ends = {arm: np.array([one[arm][-1]["dice"] for one in seeds]) for arm in (QUEUE, CHANCE, ALL)}
    most, images = STARTED + EACH * ROUNDS, seeds[0]["images"]
    rows = []
    for number in range(ROUNDS + 1):
        cells = [cell([curve(one, arm)[number] for one in seeds]) for arm in (QUEUE, CHANCE)]
        gains = np.array([curve(one, QUEUE)[number] - curve(one, CHANCE)[number] for one in seeds])
        ahead = f"{gains.mean():+.4f}, ahead in {(gains > 0).sum()} of {len(seeds)}"
        rows.append([str(STARTED + EACH * number), *cells, ahead if number else ""])
    rows.append([f"{images} (all)", cell(ends[ALL]), "", ""])
    return "\n\n".join(
        [
            f"## {kind.title}, five images a round",
            f"A small network (channels {', '.join(map(str, NETWORK['widths']))}) for {kind.what}."
            f" In each of {ROUNDS} rounds the network is fine-tuned with {EACH} more images of the"
            " pool, the first of the program's queue by expected gain or chosen by chance, and all"
            f" before. {len(seeds)} seeds, each with other images to begin with: mean"
            " (least to most). Written by `benchmarks/learning.py`.",
            markdown_table(["images learnt from", "expected gain", "chance", "difference"], rows),
            f"![{kind.measure}, over the number of images](images/{file.name})",
            verdict(ends, most, images),
        ]
    )


def verdict(ends: Mapping[str, npt.NDArray[np.float64]], most: int, images: int) -> str:
    """Say whether what was aimed at was reached."""
    queue, chance, whole = (float(ends[arm].mean()) for arm in (QUEUE, CHANCE, ALL))
    if abs(queue - whole) < ROUNDING:
        reached = "reached, within rounding"
    else:
        reached = "reached" if queue > whole else "missed"
    return (
        f"Aim: the score of all {images} images with at most half of them, in the mean over the"
        f" seeds: {queue:.4f} with {most} against {whole:.4f}, {reached}. Aim: better than chance"
        f" in the mean after the last round: {queue:.4f} against {chance:.4f},"
        f" {'reached' if queue > chance else 'missed'}; the difference spreads by"
        f" {(ends[QUEUE] - ends[CHANCE]).std():.4f} over the seeds (standard deviation)."
    )


def cell(values: Any) -> str:
    values = np.asarray(values)
    return f"{values.mean():.4f} ({values.min():.4f} to {values.max():.4f})"


if __name__ == "__main__":
    main()
