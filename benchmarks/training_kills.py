"""Whether fine-tuning survives kills: the same model, to the bit; a part of ``reliability.py``."""

from __future__ import annotations

import json
import random
import time
from collections import Counter
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any

import cv2

from napari_retina_seg.datasets.layouts import read_data
from napari_retina_seg.datasets.split import split_images
from napari_retina_seg.imaging.phantom import phantom_bscan
from napari_retina_seg.models.registry import SPEC_FILE
from napari_retina_seg.training.run_folder import RunFolder

START = "oct-layers"
SHAPE = (96, 96)
KILLS_OF_A_RUN = 3
SHORTER = 0.9
PRELOAD = ("tensorflow", "keras", "napari_retina_seg.training.train")
QUICK = {
    "training.crop": [64, 64],
    "training.batch": 1,
    "training.epochs": 6,
    "training.steps_per_epoch": 1,
    "optimizer.warmup": 0,
}


def kill_trainings(
    workshop: Path, kills: int, seed: int, context: ForkServerContext
) -> dict[str, Any]:
    """Fine-tune a model again and again; kill each run a few times, and resume it to its end."""
    if not kills:
        return {"kills": 0}
    for number, name in enumerate("abcd"):
        phantom = phantom_bscan(number, *SHAPE)
        for kind, pixels in (("images", phantom.image.pixels), ("masks", phantom.labels)):
            path = workshop / "data" / kind / f"{name}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(cv2.imencode(".png", pixels)[1].tobytes())
    started = time.monotonic()
    _run(workshop, "whole", context).join()
    lasted = time.monotonic() - started
    expected = _weights(workshop / "whole")
    draw = random.Random(seed)  # noqa: S311 - moments of kills
    killed, failures = Counter[str](), list[str]()
    runs = same = 0
    while sum(killed.values()) < kills:
        runs += 1
        run = RunFolder(workshop / f"killed-{runs}")
        moments = iter([draw.uniform(0.1, 1) for _ in range(KILLS_OF_A_RUN)])
        while not run.finished:
            process, moment = _run(workshop, run.path.name, context), next(moments, None)
            process.join(None if moment is None else moment * lasted)
            if process.exitcode is None:
                process.kill()
                process.join()
                killed[_stage(run)] += 1
            elif process.exitcode:
                failures.append(f"run {runs} ended with exit code {process.exitcode}")
                break
        lasted *= SHORTER  # the first run may have shared the machine, and lasted long
        if run.finished and _weights(run.path) == expected:
            same += 1
        elif run.finished:
            failures.append(f"run {runs} has other weights than the one that was not killed")
    return {
        "kills": sum(killed.values()),
        "runs": runs,
        "same weights": same,
        "killed": dict(killed.most_common()),
        "failures": failures,
    }


def _run(workshop: Path, name: str, context: ForkServerContext) -> Any:
    process = context.Process(target=_tune, args=(workshop, name))
    process.start()
    return process


def _tune(workshop: Path, name: str) -> None:
    from napari_retina_seg.training.fine_tuning import read_recipe
    from napari_retina_seg.training.starting_point import find_starting_point
    from napari_retina_seg.training.train import iter_train
    from napari_retina_seg.types.progress import finish

    start = find_starting_point(START)
    run = RunFolder(workshop / name)
    recipe = read_recipe("fine-tune", {**QUICK, "name": "tuned"}, start)
    split = split_images(read_data([workshop / "data"]), seed=1)
    finish(iter_train(recipe, split, run, start=start, resume=run.recipe.is_file()))


def _weights(run: Path) -> str:
    return json.loads((run / "model" / SPEC_FILE).read_text())["weights_sha256"]


def _stage(run: RunFolder) -> str:
    if not run.recipe.is_file():
        return "before the run began"
    if not run.log.is_file():
        return "before the first epoch was saved"
    return "while its model was written" if run.model.is_dir() else "between two epochs"
