"""The keys of a recipe, explained from the settings' own classes and docstrings."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass
from enum import Enum
from typing import Any, Union, get_args, get_origin, get_type_hints

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from napari_retina_seg.models.recipe import Recipe
from napari_retina_seg.types.labels import SCHEMES, LabelScheme

# Of each number in a recipe, so that no key is without one; see the test.
UNITS = {
    "seed": "",
    "architecture.channels": "channels",
    "architecture.classes": "classes",
    "architecture.widths": "channels",
    "architecture.dropout": "share",
    "architecture.stem_strides": "px",
    "preprocessing.axial_um": "µm",
    "preprocessing.lateral_um": "µm",
    "preprocessing.rows": "px",
    "preprocessing.columns": "px",
    "preprocessing.diameter": "px",
    "preprocessing.background": "diameters",
    "postprocessing.smoothing": "px",
    "postprocessing.threshold": "probability",
    "augmentation.rotation": "degrees",
    "augmentation.scale": "factor",
    "augmentation.aspect": "factor",
    "augmentation.shear": "columns per row",
    "augmentation.translation": "share of the crop",
    "augmentation.gain": "natural logarithm",
    "augmentation.mixing": "share",
    "augmentation.grey": "probability",
    "augmentation.gamma": "natural logarithm",
    "augmentation.illumination": "brightness of the input",
    "augmentation.noise": "brightness of the input",
    "augmentation.speckle": "share of the brightness",
    "augmentation.blur": "px",
    "augmentation.coarse": "factor",
    "augmentation.shadow": "probability",
    "augmentation.camera.chance": "probability",
    "augmentation.camera.mixed_colors": "probability",
    "augmentation.camera.without_colors": "probability",
    "augmentation.camera.tone": "natural logarithm",
    "augmentation.camera.light": "natural logarithm",
    "augmentation.camera.haze": "share of the contrast",
    "augmentation.camera.resolution": "factor",
    "augmentation.camera.defocus": "px of the sensor",
    "augmentation.camera.sensor_noise": "share of the brightness range",
    "augmentation.camera.jpeg": "probability",
    "augmentation.camera.cut": "probability",
    "augmentation.camera.margin": "px",
    "loss.cross_entropy": "weight",
    "loss.focal": "weight",
    "loss.focal_alpha": "share",
    "loss.focal_gamma": "exponent",
    "loss.dice": "weight",
    "loss.dice_smoothing": "px",
    "loss.focal_share": "share",
    "loss.cl_dice": "weight",
    "optimizer.learning_rate": "per step",
    "optimizer.weight_decay": "share of the rate",
    "optimizer.warmup": "steps",
    "callbacks.reduce_lr_on_plateau.factor": "factor",
    "callbacks.reduce_lr_on_plateau.patience": "epochs",
    "callbacks.reduce_lr_on_plateau.min_lr": "per step",
    "callbacks.early_stopping.patience": "epochs",
    "training.crop": "px",
    "training.batch": "crops",
    "training.devices": "devices",
    "training.epochs": "epochs",
    "training.steps_per_epoch": "steps",
    "training.foreground_share": "share",
    "training.ema": "share",
    "training.kept_share": "share",
}
_OF_KIND = "Which of these it is; each kind has keys of its own."
_NAMES = re.compile(r"^(\w+(?:, \w+)*) :")


@dataclass(frozen=True)
class RecipeKey:
    """A key of a recipe.

    Attributes
    ----------
    key : str
        Dotted, as for ``--set``.
    value, default : str
        In this recipe, and where a recipe does not say.
    meaning : str
        What it does.
    unit : str
        Of its numbers; empty of texts and switches.
    choices : tuple of str
        Values that it may have, if they are few.
    """

    key: str
    value: str
    default: str
    meaning: str
    unit: str = ""
    choices: tuple[str, ...] = ()


def describe_recipe(recipe: Recipe) -> tuple[RecipeKey, ...]:
    """Return all keys that a recipe has or may get, in the order of the settings' classes.

    Where there are several kinds of network, pre- or postprocessing, the keys are those of the
    recipe's kind.
    """
    return tuple(_walk(Recipe, recipe, "", ()))


def _walk(kind: type[Any], holder: Any, prefix: str, kinds: tuple[str, ...]) -> Iterator[RecipeKey]:
    """Yield the keys of a table and the tables in it.

    Parameters
    ----------
    kind : type
        Of the table.
    holder : object
        The table; None if the recipe lacks it.
    prefix : str
        Of its keys.
    kinds : tuple of str
        Kinds of table that could stand in its place.
    """
    meanings = _meanings(kind)
    for name, (annotation, default) in _settings(kind).items():
        key = f"{prefix}{name}"
        value = None if holder is None else getattr(holder, name)
        inner = type(value) if value is not None else _optional_table(annotation)
        if inner is not None and _is_table(inner):
            yield from _walk(inner, value, f"{key}.", _kinds(annotation))
            continue
        yield RecipeKey(
            key,
            _text(value),
            "must be given" if default is PydanticUndefined else _text(default),
            _OF_KIND if name == "kind" else meanings.get(name, ""),
            UNITS.get(key, ""),
            kinds if name == "kind" else _choices(annotation),
        )


def _kinds(annotation: Any) -> tuple[str, ...]:
    """Return the kinds of table among which a key chooses."""
    tables = [each for each in get_args(annotation) if isinstance(each, type) and _is_table(each)]
    settings = [_settings(table) for table in tables]
    return tuple(each["kind"][1] for each in settings if "kind" in each)


def _is_table(kind: type[Any]) -> bool:
    return kind is not LabelScheme and (issubclass(kind, BaseModel) or is_dataclass(kind))


def _settings(kind: type[Any]) -> dict[str, tuple[Any, Any]]:
    """Return type and default of each setting of a table."""
    if issubclass(kind, BaseModel):
        return {
            name: (field.annotation, field.get_default(call_default_factory=True))
            for name, field in kind.model_fields.items()
        }
    hints = get_type_hints(kind)
    return {field.name: (hints[field.name], field.default) for field in fields(kind)}


def _optional_table(annotation: Any) -> type[Any] | None:
    """Return the table that a key may hold but does not."""
    members = [each for each in get_args(annotation) if isinstance(each, type)]
    return next((each for each in members if _is_table(each)), None)


def _choices(annotation: Any) -> tuple[str, ...]:
    """Return the values of a key that has only few."""
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return tuple(str(member.value) for member in annotation)
    members = get_args(annotation)
    if get_origin(annotation) is Union or not members:
        return ()
    return tuple(members) if all(isinstance(each, str) for each in members) else ()


def _text(value: Any) -> str:
    """Return a value as in TOML, a scheme by its name."""
    if value is None:
        return "not set"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, LabelScheme):
        known = SCHEMES.get(value.name) == value
        return value.name if known else f"{value.name}: {', '.join(value.names)}"
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, tuple):
        return f"[{', '.join(_text(each) for each in value)}]"
    return str(value)


def _meanings(kind: type[Any]) -> dict[str, str]:
    """Return what the docstrings of a class and its bases say of each attribute."""
    found: dict[str, str] = {}
    for each in reversed(kind.__mro__):
        if each is not BaseModel and each.__doc__:
            found |= _attributes(inspect.cleandoc(each.__doc__))
    return found


def _attributes(doc: str) -> dict[str, str]:
    """Parse the section ``Attributes`` of a docstring as numpydoc lays it out."""
    _, _, section = doc.partition("Attributes\n----------\n")
    found: dict[str, str] = {}
    names: list[str] = []
    for line in section.splitlines():
        if heading := _NAMES.match(line):
            names = heading[1].split(", ")
            found |= dict.fromkeys(names, "")
        elif line.startswith(" "):
            found |= {name: f"{found[name]} {line.strip()}".strip() for name in names}
    return {name: text.replace("``", "") for name, text in found.items()}
