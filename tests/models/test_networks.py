import random

import h5py
import numpy as np
import pytest

from napari_retina_seg.models.config import EncoderUNetConfig, SegNetConfig, UNetConfig
from napari_retina_seg.models.networks import build, load_weights

SMALL = [
    UNetConfig(widths=(4, 8, 8), classes=5),
    UNetConfig(widths=(4, 8), residual=True, batch_norm=True, transposed=False, dropout=(0.1,)),
    UNetConfig(widths=(4, 8), stem_strides=(1, 2), transposed=False, channels=3, classes=3),
    SegNetConfig(widths=(4, 8, 8), classes=8),
    EncoderUNetConfig(encoder="efficientnetb0", widths=(4, 4, 4, 4, 4)),
    EncoderUNetConfig(encoder="vgg16", widths=(4, 4, 4, 4, 4)),
]


def batch(config, rows: int, columns: int) -> np.ndarray:
    step = config.multiple
    rng = np.random.default_rng(0)
    return rng.random((2, rows * step[0], columns * step[1], config.channels), np.float32)


@pytest.mark.parametrize("config", SMALL, ids=lambda config: config.kind)
def test_any_multiple_gives_probabilities_of_its_size(config) -> None:
    model = build(config)
    for rows, columns in ((2, 3), (3, 2)):
        images = batch(config, rows, columns)
        output = np.asarray(model(images, training=False))
        assert output.shape == (*images.shape[:3], config.outputs)
        if config.outputs > 1:
            np.testing.assert_allclose(output.sum(axis=-1), 1, atol=1e-5)
        assert ((output >= 0) & (output <= 1)).all()
    assert model.get_layer("logits").dtype_policy.name == "float32"


@pytest.mark.parametrize("config", SMALL[:4], ids=lambda config: config.kind)
def test_saved_weights_give_the_same_output(config, tmp_path) -> None:
    images = batch(config, 2, 2)
    model, other = build(config), build(config)
    expected = np.asarray(model(images, training=False))
    assert np.abs(np.asarray(other(images, training=False)) - expected).max() > 1e-6
    model.save_weights(tmp_path / "m.weights.h5")
    other.load_weights(tmp_path / "m.weights.h5")
    np.testing.assert_allclose(np.asarray(other(images, training=False)), expected, atol=1e-6)


def test_a_seed_decides_the_weights_and_leaves_the_process_as_it_was() -> None:
    before = random.getstate()
    one, other, third = (build(SMALL[0], seed).get_weights() for seed in (3, 3, 4))
    assert random.getstate() == before
    assert all(np.array_equal(*pair) for pair in zip(one, other, strict=True))
    assert not all(np.array_equal(*pair) for pair in zip(one, third, strict=True))


@pytest.mark.parametrize("config", SMALL, ids=lambda config: config.kind)
def test_a_configuration_survives_json(config) -> None:
    assert type(config).model_validate_json(config.model_dump_json()) == config


def test_unpooling_puts_values_back_where_the_maxima_stood() -> None:
    from napari_retina_seg.models.networks.resampling import MaxPoolWithMask, Unpool

    image = np.array([[1, 2, 0, 0], [4, 3, 0, 9]], np.float32)[None, :, :, None]
    values, *masks = MaxPoolWithMask()(image)
    np.testing.assert_array_equal(np.asarray(values)[0, :, :, 0], [[4, 9]])
    back = np.asarray(Unpool()([values * 10, *masks]))[0, :, :, 0]
    np.testing.assert_array_equal(back, [[0, 0, 0, 0], [40, 0, 0, 90]])


def test_pooling_agrees_with_keras() -> None:
    import keras

    from napari_retina_seg.models.networks.resampling import MaxPoolWithMask

    image = np.random.default_rng(0).random((2, 8, 6, 3), np.float32)
    values, *_ = MaxPoolWithMask()(image)
    expected = keras.layers.MaxPooling2D(2)(image)
    np.testing.assert_array_equal(np.asarray(values), np.asarray(expected))


def test_upsampling_agrees_with_keras() -> None:
    import keras

    from napari_retina_seg.models.networks.resampling import BilinearUpsample

    image = np.random.default_rng(0).random((2, 5, 7, 3), np.float32)
    expected = keras.layers.UpSampling2D(2, interpolation="bilinear")(image)
    np.testing.assert_allclose(
        np.asarray(BilinearUpsample()(image)), np.asarray(expected), atol=1e-6
    )


@pytest.mark.parametrize("kind", ["external link", "soft link", "external storage", "virtual"])
def test_weights_that_name_other_files_are_refused_before_anything_is_read(tmp_path, kind):
    secret = tmp_path / "secret.bin"
    secret.write_bytes(bytes(64))
    path = tmp_path / "model.weights.h5"
    with h5py.File(tmp_path / "other.h5", "w") as other:
        other["data"] = np.zeros(16, np.float32)
    with h5py.File(path, "w") as file:
        group = file.create_group("layers/conv/vars")
        if kind == "external link":
            group["0"] = h5py.ExternalLink(str(tmp_path / "other.h5"), "/data")
        elif kind == "soft link":
            group["0"] = h5py.SoftLink("/elsewhere")
        elif kind == "external storage":
            group.create_dataset("0", (16,), np.float32, external=[(str(secret), 0, 64)])
        else:
            layout = h5py.VirtualLayout((16,), np.float32)
            layout[:] = h5py.VirtualSource(str(tmp_path / "other.h5"), "data", (16,))
            group.create_virtual_dataset("0", layout)
    with pytest.raises(ValueError, match=r"refers to other files, in 'layers/conv/vars/0'"):
        load_weights(None, path)
