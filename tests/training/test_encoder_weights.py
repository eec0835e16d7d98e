import hashlib
import shutil
from pathlib import Path

import cv2
import h5py
import keras
import numpy as np
import pytest
import tensorflow as tf

from napari_retina_seg.datasets.layouts import read_data
from napari_retina_seg.datasets.split import split_images
from napari_retina_seg.models.cards import card_markdown
from napari_retina_seg.models.config import EncoderUNetConfig
from napari_retina_seg.models.networks import build, load_encoder_weights
from napari_retina_seg.models.networks.encoders import copy_encoder
from napari_retina_seg.models.overrides import parse_overrides
from napari_retina_seg.models.packaging import package
from napari_retina_seg.models.recipe import Recipe
from napari_retina_seg.models.spec import TrainingRecord
from napari_retina_seg.training import encoder_weights
from napari_retina_seg.training.encoder_weights import PUBLISHED, find_encoder_weights
from napari_retina_seg.training.run_folder import RunFolder
from napari_retina_seg.training.train import iter_train
from napari_retina_seg.types.errors import DataError
from napari_retina_seg.types.progress import finish

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
LAST = {"efficientnetb0": "block7a_project_bn", "vgg16": "block5_conv3"}
APPLICATIONS = {
    "efficientnetb0": keras.applications.EfficientNetB0,
    "vgg16": keras.applications.VGG16,
}


def write_as_published(encoder: keras.Model, path: Path) -> None:
    """Write weights in the layout of Keras Applications' files: groups by the layers' names."""
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = [layer.name.encode() for layer in encoder.layers]
        file.attrs["backend"], file.attrs["keras_version"] = b"tensorflow", b"2.4.0"
        for layer in encoder.layers:
            group = file.create_group(layer.name)
            weights = layer.trainable_weights + layer.non_trainable_weights
            names = [f"{layer.name}/{weight.name}:0" for weight in weights]
            group.attrs["weight_names"] = [name.encode() for name in names]
            for name, weight in zip(names, weights, strict=True):
                group[name] = np.asarray(weight)


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> dict[str, Path]:
    """A file of each encoder as Keras Applications publishes it, with other numbers."""
    folder = tmp_path_factory.mktemp("encoders")
    written = {}
    for name, make in APPLICATIONS.items():
        encoder = make(include_top=False, weights=None)
        for layer in encoder.layers:
            if isinstance(layer, keras.layers.Normalization):
                layer.set_weights([np.array(MEAN), np.array(DEVIATION), np.array(0)])
        written[name] = folder / PUBLISHED[name].name
        write_as_published(encoder, written[name])
        if name == "vgg16":
            encoder.save_weights(folder / f"{name}.weights.h5")
    return written


def by_keras(monkeypatch, name: str, file: Path) -> keras.Model:
    """Return the encoder as Keras makes it of the file that it has downloaded."""
    monkeypatch.setattr("keras.src.utils.file_utils.get_file", lambda *_, **__: str(file))
    return APPLICATIONS[name](include_top=False, weights="imagenet")


@pytest.mark.parametrize("name", APPLICATIONS)
def test_an_encoder_sees_what_it_sees_in_keras(monkeypatch, files, name, tmp_path) -> None:
    colors = np.random.default_rng(0).integers(0, 256, (1, 64, 96, 3)).astype(np.float32)
    theirs = by_keras(monkeypatch, name, files[name])
    prepared = keras.applications.vgg16.preprocess_input(colors.copy())
    inputs = prepared if name == "vgg16" else colors
    expected = keras.Model(theirs.input, theirs.get_layer(LAST[name]).output)(inputs)

    widths = (2, 2, 2, 2, 2)
    config = EncoderUNetConfig(encoder=name, widths=widths, caffe_input=name == "vgg16")
    network = build(config, 1)
    newer = files[name].with_name(f"{name}.weights.h5")
    misnamed = tmp_path / "older.weights.h5"  # Keras 2 wrote its older layout under any name
    shutil.copy(files[name], misnamed)
    for file in (newer, misnamed) if name == "vgg16" else (files[name],):
        load_encoder_weights(network, config, file)
        found = keras.Model(network.input, network.get_layer(LAST[name]).output)(colors / 255)
        np.testing.assert_allclose(found, expected, rtol=2e-3, atol=2e-4 * np.abs(expected).max())


@pytest.mark.parametrize("variance", [(1, 1, 1), (0.25, 0.25, 0.25), DEVIATION])
def test_only_imagenets_deviations_are_made_variances(variance) -> None:
    def scaling() -> keras.Model:
        layer = keras.layers.Normalization()
        return keras.Sequential([keras.Input((2, 2, 3)), layer])

    encoder, network = scaling(), scaling()
    encoder.set_weights([np.array(MEAN), np.array(variance), np.array(0)])
    copy_encoder(encoder, network, EncoderUNetConfig())
    expected = np.square(variance) if variance == DEVIATION else variance
    np.testing.assert_allclose(network.get_weights()[1], expected, rtol=1e-6)


def recipe(*texts: str, name: str = "vgg16-unet-drive") -> Recipe:
    small = ["epochs=1", "batch=1", "crop=[32, 32]", "steps_per_epoch=1", "validation=[]"]
    return Recipe.read(Path(name), parse_overrides([*small, *texts], Recipe))


@pytest.fixture
def split(tmp_path):
    for folder in ("images", "masks"):
        (tmp_path / "data" / folder).mkdir(parents=True)
    rng = np.random.default_rng(0)
    for number in range(2):
        photograph = rng.integers(0, 255, (40, 40, 3), np.uint8)
        vessels = np.zeros((40, 40), np.uint8)
        vessels[10:14] = 1
        cv2.imwrite(str(tmp_path / f"data/images/p{number}.png"), photograph)
        cv2.imwrite(str(tmp_path / f"data/masks/p{number}.png"), vessels)
    return split_images(read_data([tmp_path / "data"]), seed=1, share=0.5)


def test_a_training_begins_with_the_encoder_and_its_card_says_so(files, split, tmp_path) -> None:
    wanted = recipe(f"encoder_weights={files['vgg16']}")  # it has fewer layers than the other
    found = find_encoder_weights(wanted)
    run = RunFolder(tmp_path / "run")
    tf.config.run_functions_eagerly(True)  # compiling takes longer than a step
    try:
        model = finish(iter_train(wanted, split, run, encoder=found))
    finally:
        tf.config.run_functions_eagerly(False)
    digest = hashlib.sha256(files["vgg16"].read_bytes()).hexdigest()
    assert model.spec.training.encoder_sha256 == digest
    assert model.spec.licence.startswith("not stated for the encoder's weights")
    card = card_markdown(model.spec)
    assert digest in card
    assert files["vgg16"].name in card
    assert str(files["vgg16"].parent) not in card  # folders may name people
    with h5py.File(files["vgg16"]) as file:
        kernel = file["block4_conv1/block4_conv1/kernel:0"][()]
    with h5py.File(model.weights) as file:
        arrays = [layer["vars/0"][()] for layer in file["layers"].values() if "vars/0" in layer]
    trained = [array for array in arrays if array.shape == kernel.shape]
    assert min(np.abs(one - kernel).max() for one in trained) < 0.005  # one step of Adam


def test_a_card_says_that_an_encoder_began_at_random(tmp_path) -> None:
    wanted = recipe(name="efficientnetb0-unet")
    weights = tmp_path / "best.weights.h5"
    with h5py.File(weights, "w") as file:
        file["layers/conv2d/vars/0"] = np.ones(3, np.float32)
    record = TrainingRecord(
        data="two photographs", epochs=1, steps=1, best_epoch=1, parameters=1, seconds=1,
        backend="tensorflow", precision="float32",
    )  # fmt: skip
    random = package(wanted, weights, tmp_path / "random", record)
    assert "Its encoder began with random weights" in random.spec.description
    began = package(wanted, weights, tmp_path / "began", record, encoder=("ImageNet", "CC BY 4.0"))
    assert "random" not in began.spec.description
    assert began.spec.training_data == "two photographs; its encoder began with ImageNet"
    assert "CC BY 4.0" in began.spec.licence


@pytest.mark.parametrize("kind", ["other", "classifier", "newer classifier", "text", "nan"])
def test_weights_of_another_network_are_refused(files, split, tmp_path, kind) -> None:
    path = tmp_path / "file.h5"
    if kind == "text":
        path.write_text("no weights")
    elif kind == "other":
        path = files["efficientnetb0"]
    elif kind == "newer classifier":
        shutil.copy(files["vgg16"].with_name("vgg16.weights.h5"), path)
        with h5py.File(path, "a") as file:
            file["layers/dense/vars/0"] = np.ones(3)
    else:
        shutil.copy(files["vgg16"], path)
        with h5py.File(path, "a") as file:
            if kind == "nan":
                file["block1_conv1/block1_conv1/kernel:0"][0] = np.nan
            else:
                names = file.attrs["layer_names"].astype("S")
                file.attrs["layer_names"] = np.append(names, b"predictions")
                group = file.create_group("predictions")
                group.attrs["weight_names"] = [b"kernel:0"]
                group["kernel:0"] = np.ones(3)
    wanted = recipe(f"encoder_weights={path}")
    assert wanted.architecture.caffe_input
    job = iter_train(
        wanted, split, RunFolder(tmp_path / "run"), encoder=find_encoder_weights(wanted)
    )
    with pytest.raises(DataError, match="does not hold the weights of Keras' vgg16 without"):
        next(job)
    assert not (tmp_path / "run").exists()


def test_a_download_is_checked_and_kept(monkeypatch, tmp_path) -> None:
    origin = tmp_path / "origin.h5"
    origin.write_bytes(b"weights")
    published = encoder_weights._Published(
        origin.as_uri(), hashlib.md5(b"weights", usedforsecurity=False).hexdigest(), "CC BY 4.0"
    )
    monkeypatch.setitem(PUBLISHED, "vgg16", published)
    for folder in ("cache", "other"):  # Keras goes elsewhere if they are missing
        (tmp_path / folder).mkdir()
    wanted = recipe("encoder_weights=imagenet")
    found = find_encoder_weights(wanted, cache=tmp_path / "cache")
    assert found.path.is_relative_to(tmp_path / "cache")
    assert found.path.read_bytes() == b"weights"
    assert found.sha256 == hashlib.sha256(b"weights").hexdigest()
    assert f"origin.h5, SHA-256 {found.sha256}" in found.description
    origin.unlink()
    assert find_encoder_weights(wanted, cache=tmp_path / "cache") == found
    origin.write_bytes(b"altered")
    with pytest.raises(DataError, match=r"can't be downloaded .* file hash does not match"):
        find_encoder_weights(wanted, cache=tmp_path / "other")


def test_without_a_network_a_sentence_says_what_to_do(monkeypatch, tmp_path) -> None:
    nowhere = encoder_weights._Published("http://127.0.0.1:9/notop.h5", "0" * 32, "CC BY 4.0")
    monkeypatch.setitem(PUBLISHED, "vgg16", nowhere)
    with pytest.raises(DataError) as caught:
        find_encoder_weights(recipe("encoder_weights=imagenet"), cache=tmp_path)
    text = str(caught.value)
    assert text.startswith(
        "The ImageNet weights can't be downloaded from http://127.0.0.1:9/notop.h5 ("
    )
    assert text.endswith(
        "check the network, or fetch this file on another machine and set"
        " training.encoder_weights to its path."
    )
    assert text.count("127.0.0.1") == 1


@pytest.mark.parametrize(
    ("texts", "name", "sentence"),
    [
        (["encoder_weights=imagenet"], "unet-drive", "needs architecture.kind = 'encoder-unet'"),
        (
            ["encoder_weights=imagenet", 'preprocessing={kind = "fundus"}'],
            "vgg16-unet-drive",
            "needs preprocessing.kind = 'resize' with color = true",
        ),
        (
            ["encoder_weights=x.h5", "channels=1", "preprocessing.color=false"],
            "efficientnetb0-unet",
            "needs preprocessing.kind = 'resize' with color = true",
        ),
        (["caffe_input=true"], "efficientnetb0-unet", "caffe_input is for a vgg16 encoder"),
    ],
)
def test_a_recipe_refuses_weights_that_can_not_work(texts, name, sentence) -> None:
    with pytest.raises(DataError, match=sentence):
        recipe(*texts, name=name)


def test_files_that_are_not_there_and_two_beginnings_are_refused(tmp_path) -> None:
    with pytest.raises(DataError, match=r"There are no encoder weights 'lost\.h5'"):
        find_encoder_weights(recipe("encoder_weights=lost.h5"))
    with pytest.raises(DataError, match="give only one of the two"):
        find_encoder_weights(recipe("encoder_weights=imagenet"), is_started=True)
    assert find_encoder_weights(recipe()) is None
