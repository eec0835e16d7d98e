"""How long an improvement takes and how much memory, from a few real steps on this computer."""

from __future__ import annotations

import time
from collections.abc import Generator
from dataclasses import dataclass

import psutil

from napari_retina_seg.training.samples import batches, prepare_sample, steps_per_epoch
from napari_retina_seg.training.starting_point import StartingPoint
from napari_retina_seg.training.trainer import Trainer
from napari_retina_seg.types.progress import CancelToken, Progress
from napari_retina_seg.workflows.improvement_pace import Pace, duration
from napari_retina_seg.workflows.improvement_plan import Plan

_WARM, _TIMED = 1, 3  # steps; the first one compiles the network
_IMAGES = 2  # of which crops are learnt from; their preparation is timed for all
_GB = 1e9


@dataclass(frozen=True)
class Estimate:
    """What an improvement takes.

    Attributes
    ----------
    seconds : float
        Of all trainings and tests.
    memory, free : int
        Bytes that the program holds while it trains, and those that the computer has left for it.
    batch : int
        Crops of a step that memory allows; the recipe's, or fewer.
    wanted : int
        Crops of a step by the recipe.
    """

    seconds: float
    memory: int
    free: int
    batch: int
    wanted: int

    @property
    def sentence(self) -> str:
        """The estimate in words."""
        needs = f"about {duration(self.seconds)} and {self.memory / _GB:.1f} GB of memory"
        text = f"It takes {needs} on this computer as it is now; {self.free / _GB:.1f} GB are free."
        if self.batch < self.wanted:
            return f"{text} Memory is short: {self.batch} crops a step instead of {self.wanted}."
        if self.memory > self.free:
            return f"{text} Close other programs, or choose a smaller batch in the settings."
        return text


def iter_estimate(
    plan: Plan, token: CancelToken | None = None
) -> Generator[Progress, None, Estimate]:
    """Train for a few steps, and throw the result away.

    Parameters
    ----------
    plan : Plan
        What is to be done.
    token : CancelToken, optional
        Stops it before the next step.

    Yields
    ------
    Progress
        Before each step.

    Returns
    -------
    Estimate
        For the whole plan, of which nothing is done yet.
    """
    token = token or CancelToken()
    free = psutil.virtual_memory().available
    recipe, images = plan.recipe, [image.labelled for image in plan.corrections.images]
    started = time.monotonic()
    samples = [prepare_sample(image, recipe) for image in images[:_IMAGES]]
    preparing = (time.monotonic() - started) / len(samples) * len(images)
    start = StartingPoint(plan.model.weights, plan.model)
    trainer = Trainer.build(recipe, steps_per_epoch(recipe, len(images)), start)
    steps = _WARM + _TIMED
    memory, timed = 0, time.monotonic()
    for number, (crops, targets) in enumerate(batches(samples, recipe, 0, steps), 1):
        token.raise_if_cancelled()
        yield Progress(number, steps, "Trying a few steps")
        trainer.try_step(crops, targets, number)
        memory = max(memory, psutil.Process().memory_info().rss)
        if number == _WARM:
            timed = time.monotonic()
    a_step = (time.monotonic() - timed) / _TIMED
    jobs = len(plan.folds) + plan.is_cross_validation
    seconds = a_step * Pace(plan).total + jobs * preparing
    return Estimate(seconds, memory, free, trainer.batch, recipe.training.batch)
