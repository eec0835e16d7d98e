"""Recipes: everything that decides what a training run learns, in one small TOML file."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeFloat,
    PositiveFloat,
    PositiveInt,
    ValidationError,
)

from napari_retina_seg.core.errors import DataError
from napari_retina_seg.core.image import Modality
from napari_retina_seg.core.preprocess import Preprocessing
from napari_retina_seg.data.augment import Augmentation
from napari_retina_seg.models.config import Architecture
from napari_retina_seg.models.spec import Postprocessing


class Training(BaseModel):
    """How the weights are found: AdamW, a linear warm-up and a cosine down to nothing.

    Attributes
    ----------
    crop : tuple of int
        ``(rows, columns)`` of the random crops.
    batch, steps, warmup : int
        Crops per step; steps; steps over which the learning rate rises.
    learning_rate, weight_decay : float
        At the top of the warm-up; decoupled.
    averaging : float
        Share that each step keeps of the weights' running mean, which is what is validated and
        saved; 0 takes the weights as they are.
    dice_weight : float
        Weight of ``1 - Dice`` beside the cross-entropy.
    validate_every : int
        Steps between two looks at the validation images, each of which saves the weights.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    crop: tuple[PositiveInt, PositiveInt]
    batch: PositiveInt = 8
    steps: PositiveInt
    warmup: PositiveInt = 50
    learning_rate: PositiveFloat = 2e-3
    weight_decay: NonNegativeFloat = 1e-4
    averaging: Annotated[float, Field(ge=0, lt=1)] = 0
    dice_weight: NonNegativeFloat = 0.5
    validate_every: PositiveInt = 100


class Card(BaseModel):
    """What users are told of the model; see `ModelSpec`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: str
    description: str
    modality: Modality
    training_data: str
    licence: str


class Recipe(BaseModel):
    """A training run.

    Attributes
    ----------
    name, scheme : str
        Name of the model; label scheme of its masks, one of `core.labels.SCHEMES`.
    card : Card
        What users are told of the model.
    datasets : tuple of str
        Folders of training data, below one root.
    validation : tuple of str
        ``dataset/group`` to take out of the training split for validation, where a data set has
        no split of that name.
    seed : int
        From which all that is random follows.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    scheme: Literal["oct-layers", "fundus-vessels"]
    card: Card
    datasets: Annotated[tuple[str, ...], Field(min_length=1)]
    validation: tuple[str, ...] = ()
    seed: int = 1
    architecture: Architecture
    preprocessing: Annotated[Preprocessing, Field(discriminator="kind")]
    postprocessing: Postprocessing
    augmentation: Augmentation = Augmentation()
    training: Training

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a recipe from TOML; `DataError` names the first thing that is wrong with it."""
        try:
            return cls.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
        except (OSError, tomllib.TOMLDecodeError) as error:
            raise DataError(f"The recipe '{path}' can't be read: {error}.") from error
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            raise DataError(
                f"The recipe '{path}' is wrong at '{where}': {first['msg']}."
            ) from error
