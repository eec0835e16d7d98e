"""Going on with a model that draws other classes than those that are to be learnt."""

from dataclasses import replace

import numpy as np
import pytest

from helpers import tiny_model, untraced, write_png
from napari_retina_seg.datasets.layouts import read_data
from napari_retina_seg.datasets.split import split_images
from napari_retina_seg.imaging.phantom import phantom_bscan
from napari_retina_seg.models.cards import card_markdown
from napari_retina_seg.models.config import SegNetConfig, UNetConfig
from napari_retina_seg.models.networks import build
from napari_retina_seg.models.networks.heads import copy_with_other_head
from napari_retina_seg.training.fine_tuning import fine_tuning_recipe, read_recipe
from napari_retina_seg.training.other_classes import describe_other_classes, match_classes
from napari_retina_seg.training.run_folder import RunFolder
from napari_retina_seg.training.starting_point import StartingPoint
from napari_retina_seg.training.train import iter_train
from napari_retina_seg.types.image import Modality
from napari_retina_seg.types.labels import FUNDUS_VESSELS, OCT_LAYERS, LabelClass, LabelScheme
from napari_retina_seg.types.progress import finish

IMAGES = np.random.default_rng(0).random((1, 32, 32, 1)).astype(np.float32)
OWN = """
[scheme]
name = "own"
classes = ["Background", "retinal nerve FIBER layer", "Fluid"]
"""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory):
    return tiny_model(tmp_path_factory.mktemp("models") / "tiny-oct", Modality.OCT)


def scheme(*classes: LabelClass) -> LabelScheme:
    numbered = (replace(one, value=place) for place, one in enumerate(classes))
    return LabelScheme("own", tuple(numbered))


def with_other_head(trained, config, classes: int, matches):
    network = build(config.model_copy(update={"classes": classes}), seed=2)
    copy_with_other_head(trained, network, matches)
    return np.array(network(IMAGES))


UNET = UNetConfig(widths=(4, 8), stem_strides=(2, 2), batch_norm=True, classes=4)


@pytest.mark.parametrize("config", [UNET, SegNetConfig(widths=(4, 8), classes=4)])
def test_classes_in_another_order_are_drawn_as_before(config):
    trained = build(config, seed=1)
    matches = {0: 0, 1: 3, 2: 1, 3: 2}
    found = with_other_head(trained, config, 4, matches)
    expected = np.array(trained(IMAGES))[..., list(matches.values())]
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_a_new_class_leaves_the_proportion_of_the_known_ones():
    trained = build(UNET, seed=1)
    found = with_other_head(trained, UNET, 5, {0: 0, 1: 1, 2: 2, 4: 3})
    known = found[..., [0, 1, 2, 4]]
    expected = np.array(trained(IMAGES))
    np.testing.assert_allclose(known / known.sum(axis=-1, keepdims=True), expected, rtol=1e-4)


def test_one_class_becomes_one_of_many_and_one_of_many_the_only_one():
    binary = UNET.model_copy(update={"classes": 2})
    trained = build(binary, seed=1)
    found = with_other_head(trained, UNET, 3, {0: 0, 2: 1})
    share = found[..., 2] / (found[..., 0] + found[..., 2])
    np.testing.assert_allclose(share, np.array(trained(IMAGES))[..., 0], rtol=1e-4)
    many = build(UNET, seed=1)
    alone = with_other_head(many, UNET, 2, {0: 0, 1: 3})
    before = np.array(many(IMAGES))
    np.testing.assert_allclose(
        alone[..., 0], before[..., 3] / (before[..., 0] + before[..., 3]), rtol=1e-4
    )


def test_networks_of_other_layers_are_refused():
    with pytest.raises(ValueError, match="different layers"):
        copy_with_other_head(build(UNET), build(UNetConfig(widths=(4, 8, 16))), {0: 0})


def test_classes_are_the_same_by_name_or_by_code():
    choroid = LabelClass(1, "Aderhaut", "AH", "#112233", code="SCT:68703001")
    drawn = scheme(OCT_LAYERS.classes[0], replace(choroid, name="Choroid"), OCT_LAYERS.classes[7])
    wanted = scheme(OCT_LAYERS.classes[0], OCT_LAYERS.classes[7], choroid, OCT_LAYERS.classes[1])
    assert match_classes(wanted, drawn) == {0: 0, 1: 2, 2: 1}
    assert match_classes(FUNDUS_VESSELS, OCT_LAYERS) == {0: 0}


@pytest.mark.parametrize(
    ("wanted", "kind"),
    [
        ("octid-layers", "surfaces"),
        ({"name": "fluid", "classes": ["Background", "Fluid"]}, "threshold"),
        ({"name": "lesions", "classes": ["Background", "Fluid", "Drusen"]}, "argmax"),
    ],
)
def test_the_recipe_follows_the_classes(model, wanted, kind):
    recipe = fine_tuning_recipe(model.spec, {"scheme": wanted})
    assert recipe.postprocessing.kind == kind
    assert recipe.architecture.classes == len(recipe.scheme)
    assert recipe.training.kept_share == 0
    assert recipe.card.title == f"{recipe.scheme.name}, fine-tuned from tiny-oct"


def test_classes_of_a_file_are_learnt_and_the_card_says_what_was_taken_over(model, tmp_path):
    (tmp_path / "own.toml").write_text(OWN)
    for seed, name in enumerate("ab"):
        phantom = phantom_bscan(seed, 96, 96)
        write_png(tmp_path / "data" / "images" / f"{name}.png", phantom.image.pixels)
        write_png(tmp_path / "data" / "masks" / f"{name}.png", np.minimum(phantom.labels, 2))
    start = StartingPoint(model.weights, model)
    quick = {"training.crop": [64, 64], "training.epochs": 1, "training.steps_per_epoch": 1}
    changes = {"scheme": str(tmp_path / "own.toml"), "training.batch": 1, **quick}
    recipe = read_recipe("fine-tune", changes, start)
    split = split_images(read_data([tmp_path / "data"]), seed=1)
    with untraced():
        found = finish(iter_train(recipe, split, RunFolder(tmp_path / "run"), start=start))
    assert found.spec.scheme.names == ("Background", "retinal nerve FIBER layer", "Fluid")
    sentence = found.spec.training.taken_over
    assert sentence == describe_other_classes(recipe.scheme, start)
    assert "what it knows of retinal nerve FIBER layer is kept; Fluid is learnt" in sentence
    assert "GCL+IPL, INL, OPL, ONL, EZ, RPE are no longer drawn" in sentence
    assert f"**Other classes.** {sentence}" in card_markdown(found.spec)
    assert [one.name for one in found.spec.ancestors] == ["tiny-oct"]


def test_of_the_same_classes_nothing_is_said(model):
    start = StartingPoint(model.weights, model)
    assert describe_other_classes(OCT_LAYERS, start) == ""
    assert describe_other_classes(OCT_LAYERS, None) == ""
