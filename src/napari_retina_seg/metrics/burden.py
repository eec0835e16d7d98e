"""What it costs people to correct a model's masks: time, changes, and how they develop."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

NO_MODEL = "no model's mask"


@dataclass(frozen=True)
class GradedImage:
    """A finished first grading, compared with the mask it began with.

    Attributes
    ----------
    image_id : int
        Which image.
    finished_at : datetime
        When (UTC).
    model, weights_sha256 : str or None
        The model that the mask began with; None if it began with nothing.
    seconds : float or None
        Time in which mouse or keys were used while the image was open; None if none was recorded,
        as on the command line or in another program.
    is_unchanged : bool or None
        Whether no pixel of the model's mask was changed.
    dice : float or None
        Mean Dice of the model's mask and the final one, over the classes but background.
    columns : float or None
        Share of the columns that were changed, 0 … 1: the mean of the classes but background.
    pixels : float or None
        Share of the pixels of the image that were changed, 0 … 1.
    """

    image_id: int
    finished_at: datetime
    model: str | None
    weights_sha256: str | None
    seconds: float | None
    is_unchanged: bool | None = None
    dice: float | None = None
    columns: float | None = None
    pixels: float | None = None


@dataclass(frozen=True)
class ModelBurden:
    """What it cost to correct the masks of one model version.

    Attributes
    ----------
    name : str
        Of the model, with the beginning of its hash where two have one name.
    weights_sha256 : str or None
        Hash of its weights; None for images that began without a mask.
    images, timed : int
        Finished images, and how many of them have a recorded time.
    first, last : datetime
        When the first and the last one was finished.
    minutes : tuple of float or None
        Median, lower and upper quartile of the minutes per image.
    unchanged, dice, columns, pixels : float or None
        Share of the images in which nothing was changed, and means of the figures of
        `GradedImage`; None without a model's mask.
    """

    name: str
    weights_sha256: str | None
    images: int
    timed: int
    first: datetime
    last: datetime
    minutes: tuple[float, float, float] | None
    unchanged: float | None
    dice: float | None
    columns: float | None
    pixels: float | None


@dataclass(frozen=True)
class Burden:
    """What it cost to grade the images of a project.

    Attributes
    ----------
    images : tuple of GradedImage
        In the order in which they were finished.
    models : tuple of ModelBurden
        Model versions in the order of their first image.
    hidden : int
        Images that are left out since this person still has to grade them a second time.
    layered : bool
        Whether the classes are layers.
    """

    images: tuple[GradedImage, ...]
    models: tuple[ModelBurden, ...]
    hidden: int
    layered: bool

    @property
    def names(self) -> dict[str | None, str]:
        """Names of the model versions by the hash of their weights."""
        return {one.weights_sha256: one.name for one in self.models}


def summarise_burden(images: Iterable[GradedImage], *, hidden: int, layered: bool) -> Burden:
    """Summarise gradings by model version.

    Parameters
    ----------
    images : iterable of GradedImage
        Finished first gradings.
    hidden : int
        How many more there are that this person must not see.
    layered : bool
        Whether the classes are layers.
    """
    in_order = tuple(sorted(images, key=lambda one: (one.finished_at, one.image_id)))
    groups: dict[str | None, list[GradedImage]] = {}
    for one in in_order:
        groups.setdefault(one.weights_sha256, []).append(one)
    called = [group[0].model for group in groups.values()]
    models = tuple(
        _summarise(group, is_unique=called.count(group[0].model) == 1) for group in groups.values()
    )
    return Burden(in_order, models, hidden, layered)


def _summarise(group: Sequence[GradedImage], *, is_unique: bool) -> ModelBurden:
    first = group[0]
    name = NO_MODEL if first.weights_sha256 is None else first.model or ""
    if not is_unique and first.weights_sha256 is not None:
        name = f"{name} ({first.weights_sha256[:8]})"
    seconds = [one.seconds for one in group if one.seconds is not None]
    minutes = None
    if seconds:
        middle, low, high = np.percentile(seconds, (50, 25, 75)) / 60
        minutes = float(middle), float(low), float(high)
    return ModelBurden(
        name=name,
        weights_sha256=first.weights_sha256,
        images=len(group),
        timed=len(seconds),
        first=first.finished_at,
        last=group[-1].finished_at,
        minutes=minutes,
        unchanged=_mean([one.is_unchanged for one in group]),
        dice=_mean([one.dice for one in group]),
        columns=_mean([one.columns for one in group]),
        pixels=_mean([one.pixels for one in group]),
    )


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None
