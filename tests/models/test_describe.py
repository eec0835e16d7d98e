from pathlib import Path

import pytest

from napari_retina_seg.models.describe import UNITS, describe_recipe
from napari_retina_seg.models.overrides import known_keys, parse_overrides
from napari_retina_seg.models.recipe import Recipe, shipped_recipes


@pytest.fixture(scope="module")
def described():
    found = {}
    for name in shipped_recipes():
        found |= {key.key: key for key in describe_recipe(Recipe.read(Path(name)))}
    return found


def test_every_key_of_every_recipe_has_a_meaning(described) -> None:
    assert [key.key for key in described.values() if not key.meaning] == []
    tables = {key.rpartition(".")[0] for key in described}
    ends = {key for key in known_keys(Recipe) if key not in tables}
    assert {key for key in ends if not key.startswith("scheme.")} == set(described)


def test_every_number_has_a_unit(described) -> None:
    numbers = {
        key.key for key in described.values() if any(char.isdigit() for char in key.default[:2])
    }
    assert numbers <= set(UNITS)
    assert set(UNITS) <= set(described)


def test_a_key_is_described_with_default_value_and_choices() -> None:
    texts = ["learning_rate=3e-4", "dice=1", "focal=1", "focal_share=0.25", "patience=7"]
    texts[-1] = "callbacks.early_stopping.patience=7"
    recipe = Recipe.read(Path("unet-drive"), parse_overrides(texts, Recipe))
    keys = {key.key: key for key in describe_recipe(recipe)}
    rate = keys["optimizer.learning_rate"]
    assert (rate.value, rate.default, rate.unit) == ("0.0003", "0.002", "per step")
    assert keys["loss.focal_share"].value == "0.25"
    assert "λ · focal + (1 - λ) · dice" in keys["loss.focal_share"].meaning
    assert keys["callbacks.early_stopping.patience"].value == "7"
    assert keys["callbacks.reduce_lr_on_plateau.factor"].value == "not set"
    assert keys["architecture.kind"].choices == ("unet", "segnet", "encoder-unet")
    assert keys["optimizer.name"].choices == ("adam", "adamw")
    assert keys["training.epochs"].default == "must be given"
    assert keys["scheme"].value == "fundus-vessels"
