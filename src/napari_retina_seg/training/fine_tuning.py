"""The recipe ``fine-tune``: go on with a trained model, on other images."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from napari_retina_seg.io.schemes import find_scheme, make_scheme
from napari_retina_seg.models.overrides import explain, replaced
from napari_retina_seg.models.recipe import SHIPPED, Recipe
from napari_retina_seg.models.spec import ModelSpec, SurfacePostprocessing
from napari_retina_seg.training.starting_point import StartingPoint
from napari_retina_seg.types.errors import DataError, RetinaSegError
from napari_retina_seg.types.labels import LabelScheme

FINE_TUNE = "fine-tune"
_SETTINGS = SHIPPED / FINE_TUNE


def read_recipe(
    source: str | Path, changes: Mapping[str, Any], start: StartingPoint | None
) -> Recipe:
    """Read a recipe; ``fine-tune`` is made from the model to start from.

    Parameters
    ----------
    source : str or Path
        ``fine-tune``, the name of a recipe of the program, or a TOML file.
    changes : mapping
        Values by dotted key that replace the recipe's.
    start : StartingPoint or None
        What the training begins with.

    Raises
    ------
    DataError
        If the recipe is wrong, or there is no model to fine-tune.
    """
    if str(source) != FINE_TUNE:
        return Recipe.read(Path(source), dict(changes))
    if start is None:
        raise DataError(
            "Fine-tuning goes on with a model: name it with --start-from, e.g. --start-from"
            " fundus-vessels."
        )
    if start.model is None:
        raise DataError(
            f"'{start.weights}' holds only weights, so it can't be fine-tuned: start"
            " from a model folder, or train by a recipe of its architecture."
        )
    return fine_tuning_recipe(start.model.spec, changes)


def fine_tuning_recipe(model: ModelSpec, changes: Mapping[str, Any] | None = None) -> Recipe:
    """Return the recipe that fine-tunes a model.

    Classes, architecture, pre- and postprocessing are the model's; loss, optimizer, crops and
    augmentation are those of ``recipes/fine-tune/oct.toml`` or ``fundus.toml``. With another
    ``scheme`` among the changes the model learns to draw its classes.

    Parameters
    ----------
    model : ModelSpec
        What to go on with.
    changes : mapping, optional
        Values by dotted key that replace the recipe's.

    Raises
    ------
    DataError
        If a change is wrong.
    """
    changes = dict(changes or {})
    settings = _SETTINGS / f"{model.modality.value}.toml"
    values = tomllib.loads(settings.read_text(encoding="utf-8"))
    kept = model.model_dump(mode="json", exclude_none=True)
    values |= {
        "name": f"{model.name[:57]}-tuned",
        **{key: kept[key] for key in ("scheme", "architecture", "preprocessing", "postprocessing")},
        "card": {
            "title": model.title if model.ancestors else f"{model.title}, fine-tuned",
            "description": (
                "Fine-tuned on the images named here; how well it does on others was not measured."
                " For research and annotation, not a medical device."
            ),
            "modality": kept["modality"],
            "licence": "not stated",
        },
    }
    values["training"]["crop"] = _fitting(values["training"]["crop"], model)
    try:
        if "scheme" in changes:
            _draw_others(values, model, _as_scheme(changes["scheme"]))
        return Recipe.model_validate(replaced(values, changes))
    except RetinaSegError as error:
        raise DataError(f"The recipe '{FINE_TUNE}' is wrong: {error}") from error
    except ValidationError as error:
        raise DataError(f"The recipe '{FINE_TUNE}' is wrong at {explain(error, Recipe)}") from error


def _as_scheme(given: Any) -> LabelScheme:
    """Return the scheme of a recipe: by its name, from a TOML file, or a table."""
    if not isinstance(given, dict):
        return find_scheme(given)
    try:
        return make_scheme(given)
    except ValueError as error:
        raise DataError(f"its [scheme]: {error}") from error


def _draw_others(values: dict[str, Any], model: ModelSpec, scheme: LabelScheme) -> None:
    """Let a recipe draw other classes than the model that it goes on with."""
    if scheme.names == model.scheme.names:
        return
    values["architecture"]["classes"] = len(scheme)
    if scheme.surfaces and not isinstance(model.postprocessing, SurfacePostprocessing):
        values["postprocessing"] = {"kind": "surfaces"}
    elif not scheme.surfaces:
        values["postprocessing"] = {"kind": "threshold" if len(scheme) == 2 else "argmax"}
    values["card"]["title"] = f"{scheme.name}, fine-tuned from {model.name}"
    # The model before draws other classes: there is nothing to stay as good as it at.
    values["training"]["kept_share"] = 0


def _fitting(crop: list[int], model: ModelSpec) -> list[int]:
    """Return the next smaller crop whose sides the network can divide."""
    return [
        max(side // step, 1) * step
        for side, step in zip(crop, model.architecture.multiple, strict=True)
    ]
