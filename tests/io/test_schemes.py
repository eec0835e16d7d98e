from pathlib import Path

import numpy as np
import pytest

from napari_retina_seg.io.masks import read_mask, save_mask
from napari_retina_seg.io.schemes import find_scheme, make_scheme
from napari_retina_seg.types.errors import DataError
from napari_retina_seg.types.labels import FUNDUS_VESSELS, LabelClass

LESIONS = """
name = "lesions"
classes = ["Background", "Drusen", {name = "Intraretinal fluid", abbreviation = "IRF"}]
"""


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("text", [LESIONS, f"[scheme]{LESIONS}"])
def test_a_file_names_classes_and_the_rest_follows(tmp_path, text) -> None:
    scheme = find_scheme(write(tmp_path / "lesions.toml", text))
    assert scheme.classes == (
        LabelClass(0, "Background", "Background", "#000000"),
        LabelClass(1, "Drusen", "Drusen", "#e69f00"),
        LabelClass(2, "Intraretinal fluid", "IRF", "#56b4e9"),
    )
    assert find_scheme(str(tmp_path / "lesions.toml")) == find_scheme(scheme) == scheme


def test_a_recipe_is_such_a_file_too(tmp_path) -> None:
    text = "name = 'my-model'\nscheme = 'fundus-vessels'\n"
    assert find_scheme(write(tmp_path / "recipe.toml", text)) is FUNDUS_VESSELS


def test_layers_of_ones_own_have_surfaces() -> None:
    table = {"name": "two", "classes": ["Background", "Inner", "Outer"], "surfaces": list("abc")}
    assert [surface.name for surface in make_scheme(table).surfaces] == ["a", "b", "c"]
    with pytest.raises(ValueError, match="2 layers and so needs 3 surfaces: received 2"):
        make_scheme({**table, "surfaces": ["a", "b"]})


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("classes = ", "can't be read"),
        ("name = 'x'", "needs a name and a list of classes, e.g."),
        ("name = 'x'\nclasses = ['BG']", "must have the values 0, 1, 2"),
        ("classes = ['BG', 'A']", "at 'name'"),
        ("name = ' '\nclasses = ['BG', 'A']", "needs a name"),
        ("name = 'x'\nclasses = ['BG', 'A', 'a']", "two classes are called 'A'"),
        ("name = 'x'\nclasses = ['BG', {abbreviation = 'A'}]", "class 1 needs a name"),
        ("name = 'x'\nclasses = ['BG', {name = 'A', color = 'red'}]", "at 'classes.1.color'"),
        ("name = 'x'\nclasses = ['BG', {name = 'A', value = 2}]", "must have the values 0, 1, 2"),
        ("name = 'x'\nclasses = ['BG', {name = 'A', colour = '#ff0000'}]", "colour"),
        ("name = 'fundus-vessels'\nclasses = ['BG', 'Drusen']", "choose another name"),
        (f"name = 'x'\nclasses = {[str(n) for n in range(10)]}", "at 'classes.9.color'"),
    ],
)
def test_a_wrong_file_is_refused_in_a_sentence(tmp_path, text, sentence) -> None:
    with pytest.raises(DataError) as caught:
        find_scheme(write(tmp_path / "own.toml", text))
    assert sentence in str(caught.value)
    assert "own.toml" in str(caught.value)


def test_a_scheme_that_is_not_there_is_refused() -> None:
    with pytest.raises(DataError, match=r"choose one of oct-layers, .* or name a TOML file"):
        find_scheme("lesions")
    with pytest.raises(DataError, match=r"There is no file 'lesions\.toml'"):
        find_scheme("lesions.toml")


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_a_saved_mask_says_its_own_classes(tmp_path, suffix) -> None:
    scheme = find_scheme(write(tmp_path / "lesions.toml", LESIONS))
    labels = np.zeros((20, 30), np.uint8)
    labels[5:9], labels[12:15], labels[18] = 1, 2, 255
    save_mask(tmp_path / f"mask{suffix}", labels, scheme)
    found, classes = read_mask(tmp_path / f"mask{suffix}")
    np.testing.assert_array_equal(found, labels)
    assert classes == scheme
