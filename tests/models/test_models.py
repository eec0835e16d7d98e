import json
import shutil
from pathlib import Path

import pytest

from helpers import tiny_model
from napari_retina_seg.models import registry
from napari_retina_seg.models.cards import card_html, card_markdown
from napari_retina_seg.models.recipe import Recipe
from napari_retina_seg.models.spec import ModelSpec
from napari_retina_seg.types.errors import ModelError
from napari_retina_seg.types.image import Modality


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> registry.ModelFolder:
    monkeypatch.setattr("platformdirs.user_config_dir", lambda _: str(tmp_path / "config"))
    return tiny_model(tmp_path / "tiny", Modality.OCT)


def edit(model: registry.ModelFolder, **changes: object) -> None:
    path = model.path / "spec.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_the_shipped_models_are_whole_and_small() -> None:
    names = [model.name for model in registry.list_models()]
    assert names[:3] == list(registry.SHORT_NAMES.values())
    for name in names[:3]:
        model = registry.find_model(name)
        model.check_weights()
        assert model.weights.stat().st_size < 4_000_000
        assert model.spec.metrics


@pytest.mark.parametrize(("short", "name"), registry.SHORT_NAMES.items())
def test_short_names_stand_for_the_models_offered_first(short, name) -> None:
    assert registry.find_model(short).name == name


@pytest.mark.parametrize(("former", "name"), registry.FORMER_NAMES.items())
def test_names_of_earlier_versions_still_work_with_a_notice(former, name) -> None:
    with pytest.warns(FutureWarning, match=f"'{former}' is now called '{name}'"):
        assert registry.find_model(former).name == name
    assert registry.find_model(registry.current_name(former)).name == name


def test_bundled_models_are_named_after_what_they_learnt_from() -> None:
    words = {"oct_layers": "tian2015", "chase_db1": "chasedb1", "hrf": "hrf", "idrid": "idrid"}
    words["kermany_lesions"] = "kermany2018"
    datasets = {"Tian": "oct_layers", "CHASE_DB1": "chase_db1", "HRF": "hrf", "IDRiD": "idrid"}
    datasets["Kermany"] = "kermany_lesions"
    for model in registry.list_models():
        training_data = model.spec.training_data
        learnt = {name for name in words if name in training_data}
        learnt |= {name for word, name in datasets.items() if word in training_data}
        parts = set(model.name.split("-"))
        assert parts & set(words.values()) == {words[name] for name in learnt}
        assert model.path.name == model.name


PUBLISHED = {
    former: name
    for former, name in registry.FORMER_NAMES.items()
    if name not in registry.SHORT_NAMES.values()
}


@pytest.mark.parametrize(("recipe", "name"), PUBLISHED.items())
def test_cards_say_what_is_narrower_than_published(recipe, name) -> None:
    spec = registry.find_model(name).spec
    published = Recipe.read(Path(recipe))
    assert f"'{recipe}'" in spec.description
    assert "narrower than published" in spec.description
    if spec.architecture.widths != published.architecture.widths:
        assert f"{spec.training.parameters / 1e6:.2f} instead of" in spec.description
    changed = (spec.training.epochs, published.training.epochs)
    assert "{} epochs instead of {}".format(*changed) in spec.description
    assert ("never saw" in spec.description) == (recipe != "efficientnetb0-unet")


@pytest.mark.parametrize("taken", ["oct-layers", "segnet-duke", "segnet-tian2015"])
def test_no_other_model_takes_a_name_that_stands_for_one(model, taken) -> None:
    edit(model, name=taken)
    with pytest.raises(ModelError, match=f"already a model '{taken}'"):
        registry.add_model(model.path)


def test_a_spec_survives_its_file(model) -> None:
    again = ModelSpec.model_validate_json((model.path / "spec.json").read_text())
    assert again == model.spec


@pytest.mark.parametrize("kind", ["json", "python"])
def test_a_spec_of_an_earlier_version_still_opens(tmp_path, kind) -> None:
    spec = registry.find_model("unet-chasedb1").spec
    old = spec.model_dump(mode="json")
    assert "smallest" not in old["postprocessing"]
    old["postprocessing"]["smallest"] = 0
    text = json.dumps(old)
    opened = (
        ModelSpec.model_validate_json(text) if kind == "json" else ModelSpec.model_validate(old)
    )
    assert opened == spec
    old["postprocessing"]["smallest"] = 5  # whose masks would now be others
    (tmp_path / "spec.json").write_text(json.dumps(old))
    with pytest.raises(ModelError, match="small pieces are no longer dropped"):
        registry.open_model(tmp_path)


def test_a_folder_is_added_by_path_and_found_by_name(model) -> None:
    registry.add_model(model.path)
    assert registry.find_model("tiny-oct").path == model.path
    assert model.name in [other.name for other in registry.list_models(Modality.OCT)]
    assert model.name not in [other.name for other in registry.list_models(Modality.FUNDUS)]


def test_an_added_folder_that_is_gone_does_not_matter(model) -> None:
    registry.add_model(model.path)
    shutil.rmtree(model.path)
    assert "tiny-oct" not in [other.name for other in registry.list_models()]


def test_two_models_of_one_name_are_not_mixed_up(model, tmp_path) -> None:
    registry.add_model(model.path)
    other = shutil.copytree(model.path, tmp_path / "copy")
    with pytest.raises(ModelError, match="already a model 'tiny-oct'"):
        registry.add_model(other)


def break_weights(model: registry.ModelFolder, how: str) -> None:
    if how == "missing":
        model.weights.unlink()
    elif how == "cut":
        model.weights.write_bytes(model.weights.read_bytes()[:-100])
    else:
        content = bytearray(model.weights.read_bytes())
        content[len(content) // 2] ^= 1
        model.weights.write_bytes(content)


@pytest.mark.parametrize(
    ("how", "said"),
    [("missing", "has no model.weights.h5"), ("cut", "cut short"), ("altered", "altered")],
)
def test_broken_weights_are_refused_in_a_sentence(model, how, said) -> None:
    break_weights(model, how)
    with pytest.raises(ModelError, match=said):
        registry.open_model(model.path)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"schema_version": 99}, "schema_version"),
        ({"surprise": 1}, "surprise"),
        ({"name": "../../etc"}, "name"),
        ({"architecture": {"kind": "lambda", "code": "import os"}}, "architecture"),
        ({"weights_sha256": "no"}, "weights_sha256"),
    ],
)
def test_a_wrong_spec_is_refused_in_a_sentence(model, changes, said) -> None:
    edit(model, **changes)
    with pytest.raises(ModelError, match=said):
        registry.open_model(model.path)


def test_folders_without_a_spec_and_unknown_names(tmp_path) -> None:
    with pytest.raises(ModelError, match="is not a model folder"):
        registry.open_model(tmp_path)
    (tmp_path / "spec.json").write_text("{ not json")
    with pytest.raises(ModelError, match="not a valid model spec"):
        registry.open_model(tmp_path)
    with pytest.raises(ModelError, match="There is no model 'u-not'"):
        registry.find_model("u-not")


def test_the_card_says_what_a_user_must_know(model) -> None:
    for card in (card_markdown(model.spec), card_html(model.spec)):
        for text in ("RNFL", "Learnt from", "not measured", "BSD-3-Clause"):
            assert text in card
