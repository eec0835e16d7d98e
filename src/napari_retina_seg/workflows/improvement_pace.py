"""How far an improvement is in all: its trainings, and its tests in steps of a training."""

from __future__ import annotations

import math
import time
from collections.abc import Generator
from dataclasses import dataclass
from typing import TypeVar

from napari_retina_seg.imaging.preprocess import FundusPreprocessing
from napari_retina_seg.training.samples import steps_per_epoch
from napari_retina_seg.types.progress import Progress
from napari_retina_seg.workflows.improvement_plan import Plan

T = TypeVar("T")

_PASSES = 3  # a step of a training goes forwards, and backwards at twice the cost
_LEAST = 5.0  # seconds before the time that is left is shown


@dataclass
class Pace:
    """Counts steps of all parts of an improvement, and how long those of this process took.

    Attributes
    ----------
    plan : Plan
        What is to be done.
    done : float
        Steps that are done, also by an earlier process.
    epochs : int
        Of each training.
    """

    plan: Plan
    done: float = 0
    epochs: int = 0
    _worked: float = 0
    _started: float | None = None  # after the first step, which compiles the network

    def __post_init__(self) -> None:
        self.epochs = self.epochs or self.plan.recipe.training.epochs

    @property
    def total(self) -> float:
        """Steps of all parts."""
        jobs = len(self.plan.folds) + self.plan.is_cross_validation
        tested = {patient for fold in self.plan.folds for patient in fold}
        images = sum(len(self.plan.corrections.by_patient[patient]) for patient in tested)
        return jobs * self.training + 2 * images * self.test

    @property
    def training(self) -> float:
        """Steps of one training."""
        images = len(self.plan.corrections.images)
        return float(self.epochs * steps_per_epoch(self.plan.recipe, images))

    @property
    def test(self) -> float:
        """What the test of an image costs in steps of a training, in the mean."""
        recipe = self.plan.recipe
        images = self.plan.corrections.images
        pixels = sum(sum(image.pixels) for image in images) / len(images)
        if isinstance(recipe.preprocessing, FundusPreprocessing):
            pixels = recipe.preprocessing.diameter**2
        learnt = recipe.training.batch * math.prod(recipe.training.crop)
        return max(0.1, pixels / (_PASSES * learnt))

    def iter_part(
        self, job: Generator[Progress, None, T], called: str, whole: float
    ) -> Generator[Progress, None, T]:
        """Run a part that takes `whole` steps, and say how much of all is done and left."""
        before, first = self.done, None
        yield Progress(round(before), round(self.total), f"{called}: preparing")
        while True:
            try:
                step = next(job)
            except StopIteration as end:
                self.done = before + whole
                return end.value  # type: ignore[no-any-return]
            now = whole * min(1.0, step.done / max(1, step.total))
            first = now if first is None else first  # an earlier process may have done some
            self._worked += max(0.0, before + now - max(self.done, before + first))
            self.done = max(self.done, before + now)
            yield Progress(
                round(self.done), round(self.total), f"{called}: {step.message}{self._left()}"
            )

    def _left(self) -> str:
        if self._started is None:
            self._started, self._worked = time.monotonic(), 0
        seconds = time.monotonic() - self._started
        if seconds < _LEAST or self._worked < 1:
            return ""
        left = seconds / self._worked * max(0.0, self.total - self.done)
        return f"; about {duration(left)} left in all"


def duration(seconds: float) -> str:
    """Say a time in seconds, minutes or hours."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
