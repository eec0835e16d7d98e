"""Form for the numbers and choices of a recipe, generated from the recipe's own schema."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import Any

from magicgui.widgets import Container, create_widget
from magicgui.widgets.bases import ValueWidget
from pydantic import BaseModel
from qtpy.QtWidgets import QWidget

from napari_retina_seg._napari.widgets import stack
from napari_retina_seg.models.describe import describe_recipe
from napari_retina_seg.models.recipe import Optimizer, Recipe, Training

_SECTIONS: dict[str, type[BaseModel]] = {"training": Training, "optimizer": Optimizer}
_LARGEST = 1e6
_DIGITS = 4  # after the first, of a number with decimals
_NUMBERS = {"integer": int, "number": float}


class RecipeForm(QWidget):
    """A row for each number and choice of `Training` and `Optimizer`, with the recipe's values."""

    def __init__(self) -> None:
        super().__init__()
        self._recipe: Recipe | None = None
        self._fields: dict[str, ValueWidget[Any]] = {}
        self._shown: dict[str, Any] = {}  # what the fields made of the recipe's values
        self._container: Container[Any] | None = None
        self.setLayout(stack())

    def show_recipe(self, recipe: Recipe | None) -> None:
        """Show another recipe; what was changed of the same recipe is kept."""
        if _numbers(recipe) == _numbers(self._recipe):
            return
        self._recipe = recipe
        if self._container is not None:
            self.layout().removeWidget(self._container.native)
            self._container.native.deleteLater()
            self._container = None
        self._fields = {} if recipe is None else dict(_make_fields(recipe))
        self._shown = {key: field.value for key, field in self._fields.items()}
        if self._fields:
            self._container = Container(widgets=list(self._fields.values()), labels=True)
            self.layout().addWidget(self._container.native)

    @property
    def options(self) -> tuple[str, ...]:
        """Options of the command for what was changed: ``("--set", "training.epochs=5")``."""
        changed = (
            f"{key}={json.dumps(field.value)}"
            for key, field in self._fields.items()
            if field.value != self._shown[key]
        )
        return tuple(part for text in changed for part in ("--set", text))

    def field(self, key: str) -> ValueWidget[Any]:
        """Return the widget of a key, as ``"training.epochs"``."""
        return self._fields[key]


def _numbers(recipe: Recipe | None) -> object:
    return None if recipe is None else (recipe.training, recipe.optimizer)


def _value(recipe: Recipe, key: str) -> Any:
    section, _, name = key.partition(".")
    return getattr(getattr(recipe, section), name)


def _make_fields(recipe: Recipe) -> Iterator[tuple[str, ValueWidget[Any]]]:
    meanings = {each.key: each.meaning for each in describe_recipe(recipe)}
    for section, kind in _SECTIONS.items():
        for name, schema in kind.model_json_schema()["properties"].items():
            value = _value(recipe, f"{section}.{name}")
            options = _options(schema, value)
            if options is not None:
                label = name.replace("_", " ")
                key = f"{section}.{name}"
                made = create_widget(value=value, label=label, options=options)
                made.tooltip = f"{meanings[key]} {key}, as in a recipe and in --set."
                yield key, made


def _options(schema: dict[str, Any], value: Any) -> dict[str, Any] | None:
    """Return what magicgui must know of a field; None of what is no number and no choice."""
    if "enum" in schema:
        return {"choices": schema["enum"]}
    if "prefixItems" in schema:  # magicgui makes a box for each of the numbers
        return {"options": {"min": 1, "max": int(_LARGEST)}}
    kinds = [schema, *schema.get("anyOf", ())]
    number = next((_NUMBERS[each["type"]] for each in kinds if each.get("type") in _NUMBERS), None)
    if number is None or value is None:
        return None
    if number is int:
        least = max(each.get("exclusiveMinimum", -1) + 1 for each in kinds)
        return {"min": least, "max": int(_LARGEST)}
    # The step sets how many decimals are kept.
    step = 10.0 ** (min(math.floor(math.log10(value or 0.1)), 0) - _DIGITS)
    largest = min(each.get("exclusiveMaximum", _LARGEST) for each in kinds)
    return {"min": 0.0, "max": largest - step, "step": step}
