from pathlib import Path

import pytest

from napari_retina_seg.models.overrides import parse_overrides
from napari_retina_seg.models.recipe import Recipe, shipped_recipes
from napari_retina_seg.types.errors import DataError
from napari_retina_seg.types.labels import LabelClass, LabelScheme

PUBLISHED = {
    "segnet-duke",
    "unet-octid",
    "efficientnetb0-unet",
    "unet-drive",
    "unet-drive-noaug",
    "vgg16-unet-drive",
}


def changed(*texts: str, recipe: str = "unet-drive") -> Recipe:
    return Recipe.read(Path(recipe), parse_overrides(texts, Recipe))


def test_the_published_systems_and_our_own_come_with_the_program() -> None:
    assert PUBLISHED | {"oct-layers", "fundus-vessels"} <= set(shipped_recipes())


@pytest.mark.parametrize("name", shipped_recipes())
def test_a_recipe_names_the_model_it_makes(name) -> None:
    assert name.startswith(Recipe.read(Path(name)).name)


@pytest.mark.parametrize("name", shipped_recipes())
def test_a_recipe_survives_being_written(name, tmp_path) -> None:
    recipe = Recipe.read(Path(name))
    (tmp_path / "again.toml").write_text(recipe.toml())
    assert Recipe.read(tmp_path / "again.toml") == recipe


def test_recipes_say_what_was_published() -> None:
    segnet = Recipe.read(Path("segnet-duke"))
    assert max(segnet.architecture.widths) == 512
    assert (segnet.loss.cross_entropy, segnet.loss.dice) == (1, 0.5)
    assert segnet.training.crop == (256, 256)
    assert len(segnet.scheme) == 8
    octid = Recipe.read(Path("unet-octid"))
    assert (octid.preprocessing.rows, octid.preprocessing.columns) == (640, 640)
    assert octid.architecture.widths == (16, 32, 64, 128, 256)
    assert octid.architecture.outputs == 9
    efficient = Recipe.read(Path("efficientnetb0-unet"))
    assert (efficient.loss.focal_alpha, efficient.loss.focal_gamma) == (0.25, 2)
    assert (efficient.optimizer.learning_rate, efficient.training.epochs) == (1e-4, 210)
    drive = Recipe.read(Path("unet-drive"))
    assert drive.training.crop == (64, 64)
    assert drive.architecture.widths == (32, 64, 128, 256, 512)
    assert Recipe.read(Path("vgg16-unet-drive")).architecture.encoder == "vgg16"


def test_values_are_changed_by_their_full_or_their_last_name() -> None:
    recipe = changed("epochs=1", "training.steps_per_epoch=2", "widths=[4, 8]", "seed = 7")
    assert (recipe.training.epochs, recipe.training.steps_per_epoch) == (1, 2)
    assert recipe.architecture.widths == (4, 8)
    assert recipe.seed == 7


def test_a_table_that_the_recipe_lacks_is_made() -> None:
    recipe = changed("callbacks.early_stopping.patience=3")
    assert recipe.callbacks.early_stopping.patience == 3


def test_the_number_of_classes_follows_the_scheme() -> None:
    assert changed("scheme=oct-layers", recipe="unet-octid").architecture.classes == 8


def test_a_scheme_of_ones_own(tmp_path) -> None:
    text = Recipe.read(Path("unet-drive")).toml().replace('scheme = "fundus-vessels"\n', "")
    text = text.replace("classes = 2\n", "")
    classes = [
        '{value = 0, name = "Background", abbreviation = "BG", color = "#000000"}',
        '{value = 1, name = "Drusen", abbreviation = "Dr", color = "#e69f00"}',
        '{value = 2, name = "Fluid", abbreviation = "Fl", color = "#56b4e9"}',
    ]
    text = f"{text}\n[scheme]\nname = 'lesions'\nclasses = [{', '.join(classes)}]\n"
    text = text.replace('kind = "threshold"\nthreshold = 0.5', 'kind = "argmax"')
    text = text.replace('modality = "fundus"', 'modality = "oct"')
    (tmp_path / "own.toml").write_text(text)
    recipe = Recipe.read(tmp_path / "own.toml")
    assert recipe.architecture.classes == 3
    lesion = LabelClass(1, "Drusen", "Dr", "#e69f00")
    assert isinstance(recipe.scheme, LabelScheme)
    assert recipe.scheme.classes[1] == lesion
    (tmp_path / "again.toml").write_text(recipe.toml())
    assert Recipe.read(tmp_path / "again.toml") == recipe
    other = changed(f"scheme={tmp_path / 'own.toml'}", recipe="unet-octid")  # from a file
    assert (other.scheme, other.architecture.outputs) == (recipe.scheme, 3)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("epoch=1", "did you mean 'training.epochs'"),
        ("trainig.batch=1", "did you mean 'training.batch'"),
        (
            "patience=3",
            "callbacks.early_stopping.patience, callbacks.reduce_lr_on_plateau.patience",
        ),
        ("nonsense=1", "There is no key 'nonsense'"),
        ("epochs", "write key=value"),
    ],
)
def test_an_unknown_key_names_the_nearest(text, sentence) -> None:
    with pytest.raises(DataError, match=sentence):
        parse_overrides([text], Recipe)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("epochs=0", "'training.epochs'"),
        ("epochs=many", "'training.epochs'"),
        ("scheme=lungs", "There is no scheme 'lungs': choose one of"),
        ("crop=[60, 64]", "must be multiples of"),
        ("loss.cross_entropy=0", "no term has a weight"),
        ("architecture.classes=5", "has 5 classes, the scheme 'fundus-vessels' 2"),
        ("scheme=oct-layers", "a threshold divides two classes"),
        ("channels=1", "the preprocessing makes 3 channels"),
        ("weight_decay=1e-4", "is AdamW"),
        ("optimizer.schedule=cosine", "reduce_lr_on_plateau needs"),
    ],
)
def test_a_value_that_does_not_fit_is_reported_before_anything_is_read(text, sentence) -> None:
    recipe = "segnet-duke" if "schedule" in text else "unet-drive"
    with pytest.raises(DataError, match=sentence):
        changed(text, recipe=recipe)


def test_a_typo_in_the_file_names_the_nearest_key(tmp_path) -> None:
    text = Recipe.read(Path("unet-drive")).toml().replace("learning_rate", "learnin_rate")
    (tmp_path / "typo.toml").write_text(text)
    with pytest.raises(DataError, match=r"learnin_rate.*mean 'optimizer\.learning_rate'"):
        Recipe.read(tmp_path / "typo.toml")


def test_a_run_may_be_called_as_its_recipe(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "oct-layers").mkdir()
    assert Recipe.read(Path("oct-layers")).name == "oct-layers"


def test_a_file_that_is_no_recipe(tmp_path) -> None:
    (tmp_path / "broken.toml").write_text("name = ")
    with pytest.raises(DataError, match="can't be read"):
        Recipe.read(tmp_path / "broken.toml")
    with pytest.raises(DataError, match=r"can't be read.*segnet-duke"):
        Recipe.read(tmp_path / "missing.toml")
