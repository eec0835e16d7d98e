"""Pixels without data: the others are segmented as if nothing were missing, these never are."""

from __future__ import annotations

from pathlib import Path

import dask.array as da
import numpy as np
import pytest

from helpers import answer, tiny_model
from napari_retina_seg.datasets.labelled import LabelledImage
from napari_retina_seg.imaging.explanation import ExplainRequest
from napari_retina_seg.imaging.phantom import phantom_bscan
from napari_retina_seg.inference.evaluate import iter_evaluate
from napari_retina_seg.inference.predict import segment
from napari_retina_seg.io import read_image
from napari_retina_seg.io.masks import read_mask
from napari_retina_seg.io.results import save_segmentation
from napari_retina_seg.metrics.segmentation import confusion, scores
from napari_retina_seg.models.recipe import Recipe
from napari_retina_seg.models.registry import ModelFolder, find_model
from napari_retina_seg.training.samples import prepare_sample
from napari_retina_seg.types.annotation import IGNORE
from napari_retina_seg.types.image import Modality, RetinaImage
from napari_retina_seg.types.progress import finish
from napari_retina_seg.types.segmentation import Segmentation

FLT_MAX = np.finfo(np.float32).max
GAP = np.s_[:, 100:130]


@pytest.fixture(scope="module")
def tiny_oct(tmp_path_factory: pytest.TempPathFactory) -> ModelFolder:
    return tiny_model(tmp_path_factory.mktemp("models") / "oct", Modality.OCT)


@pytest.fixture(scope="module")
def clean() -> np.ndarray:
    return np.asarray(phantom_bscan(1).image.pixels)


@pytest.fixture(scope="module")
def expected(clean: np.ndarray) -> Segmentation:
    return segment(RetinaImage(clean, modality=Modality.OCT))


def dice(drawn: Segmentation, expected: Segmentation) -> float:
    """Return the lowest Dice of all classes outside of what is ignored."""
    assert drawn.ignore is not None
    seen = ~drawn.ignore
    counts = confusion(expected.labels[seen][np.newaxis], drawn.labels[seen][np.newaxis], 8)
    return float(np.nanmin(scores(counts).dice))


def check(drawn: Segmentation, expected: Segmentation, without: np.ndarray) -> None:
    np.testing.assert_array_equal(drawn.ignore, without)
    assert dice(drawn, expected) > 0.95
    assert not drawn.labels[without].any()
    assert (drawn.raster()[without] == IGNORE).all()
    assert drawn.boundaries is not None
    np.testing.assert_array_equal(
        np.isnan(drawn.boundaries), np.broadcast_to(without.all(axis=0), drawn.boundaries.shape)
    )


@pytest.mark.parametrize(
    ("dtype", "factor", "marker"),
    [
        (np.float32, 1 / 255, np.nan),
        (np.float32, 1 / 255, np.inf),
        (np.float32, 1 / 255, -np.inf),
        (np.float32, 1 / 255, FLT_MAX),
        (np.float32, 1 / 255, -9999),
        (np.float64, 1, 1e300),
        (np.int16, 1, -32768),
        (np.uint16, 16, 65535),
        (np.uint16, 1, 63536),
        (np.uint8, 1, 0),
    ],
    ids=str,
)
def test_columns_without_data(clean, expected, dtype, factor, marker) -> None:
    pixels = (clean.astype(np.float64) * factor).astype(dtype)
    pixels[GAP] = marker
    without = np.zeros(clean.shape, bool)
    without[GAP] = True

    check(segment(RetinaImage(pixels, modality=Modality.OCT)), expected, without)


@pytest.mark.parametrize("marker", [4095, 32768, 65535])
def test_a_bar_burnt_into_a_scan(clean, expected, marker) -> None:
    pixels = np.minimum(clean.astype(np.uint16) * 16, 4080)
    pixels[450:490, 10:110] = marker
    without = np.zeros(clean.shape, bool)
    without[450:490, 10:110] = True

    drawn = segment(RetinaImage(pixels, modality=Modality.OCT))

    assert drawn.ignore is not None
    assert drawn.ignore[without].all()
    assert drawn.ignore[~without].mean() < 0.01
    assert dice(drawn, expected) > 0.95


def test_what_only_the_file_knows(clean, expected) -> None:
    pixels, valid = clean.copy(), np.ones(clean.shape, bool)
    pixels[GAP] = np.random.default_rng(0).integers(0, 255, pixels[GAP].shape)
    valid[GAP] = False

    drawn = segment(RetinaImage(pixels, modality=Modality.OCT, valid=valid))

    check(drawn, expected, ~valid)


def test_nothing_is_ignored_in_a_whole_scan(expected) -> None:
    assert expected.ignore is None
    assert expected.raster() is expected.labels


def test_slices_of_a_lazy_volume_are_looked_at_one_by_one(clean, tiny_oct) -> None:
    volume = np.stack([clean[200:300, :120]] * 3).astype(np.float32)
    volume[1, :, :30] = FLT_MAX
    volume[2] = np.nan
    lazy = da.from_array(volume, chunks=(1, 100, 120))

    drawn = segment(RetinaImage(lazy, modality=Modality.OCT), tiny_oct)

    assert drawn.skipped == (2,)
    assert (
        "1 of 3 slices show nothing and are left out (slice 2). 12% of the pixels hold no data and"
        " are left out."
    ) in drawn.message
    assert drawn.ignore is not None
    without = drawn.ignore & (drawn.labels == 0)  # what an untrained network guesses has layers
    assert [plane.sum() for plane in without] == [0, 3000, 12000]
    assert np.isnan(drawn.boundaries[1]).sum() == 8 * 30


@pytest.mark.parametrize("whole", ["oct", "fundus"])
def test_probabilities_are_those_of_background(clean, tiny_oct, whole) -> None:
    pixels = clean[200:300, :120].astype(np.float32)
    pixels[:, :30] = np.nan
    model = tiny_oct if whole == "oct" else find_model("fundus-vessels")

    drawn = segment(RetinaImage(pixels, modality=Modality(whole)), model, probabilities=True)

    assert (drawn.probabilities[0, :, :30] == 1).all()
    assert not drawn.labels[:, :30].any()


def test_an_explanation_sees_what_the_prediction_saw(clean, tiny_oct) -> None:
    pixels = clean[200:300, :120].astype(np.float32)
    filled = pixels.copy()
    pixels[:, :30] = FLT_MAX
    filled[:, :30] = filled[:, 30:31]
    valid = np.ones(pixels.shape, bool)
    valid[:, :30] = False
    request = ExplainRequest(values=(1,))

    found = answer(RetinaImage(pixels, modality=Modality.OCT), tiny_oct, request)
    same = answer(RetinaImage(filled, modality=Modality.OCT, valid=valid), tiny_oct, request)

    np.testing.assert_array_equal(found.labels, same.labels)
    np.testing.assert_allclose(found.maps, same.maps, rtol=1e-4, atol=1e-5)
    assert not found.maps[:, :, :30].any()


def labelled(pixels: np.ndarray) -> LabelledImage:
    phantom = phantom_bscan(1)
    return LabelledImage(
        name="scan",
        dataset="phantoms",
        group="eye",
        modality=Modality.OCT,
        path=Path("scan.tif"),
        read_pixels=lambda: pixels,
        read_labels=lambda: phantom.labels,
        read_heights=lambda: phantom.heights,
    )


def test_a_network_does_not_learn_from_them(clean) -> None:
    pixels = clean.astype(np.float32)
    pixels[GAP] = FLT_MAX
    recipe = Recipe.read(Path("oct-layers"))

    sample, whole = (
        prepare_sample(labelled(pixels), recipe),
        prepare_sample(labelled(clean), recipe),
    )

    assert not sample.weight[GAP].any()
    assert sample.weight[:, 140:].all()
    np.testing.assert_allclose(sample.tensor[:, 140:], whole.tensor[:, 140:], atol=0.02)


def test_they_do_not_count_in_an_evaluation(clean) -> None:
    pixels = clean.astype(np.float32)
    pixels[GAP] = np.nan
    model = find_model("oct-layers")

    found = finish(iter_evaluate(model, [labelled(pixels)]))
    whole = finish(iter_evaluate(model, [labelled(clean)]))

    for key, value in whole.means.items():
        assert found.means[key].value == pytest.approx(value.value, abs=0.05), key
    assert found.reliability.counts.sum() == clean.size - clean[GAP].size


@pytest.mark.parametrize("slices", [None, 2])
def test_the_files_of_a_mask_say_it_and_are_read_again(clean, tiny_oct, tmp_path, slices) -> None:
    plane = clean[200:300, :120].astype(np.float32)
    plane[:, :30] = np.nan
    pixels = plane if slices is None else np.stack([plane] * slices)
    image = RetinaImage(pixels, modality=Modality.OCT)
    drawn = segment(image, tiny_oct)

    path, overlay, table, *_ = save_segmentation(drawn, image, tmp_path, "scan")

    again = read_mask(path)
    assert again is not None
    np.testing.assert_array_equal(again[0], drawn.raster())
    assert (again[0][..., :30] == IGNORE).all()
    np.testing.assert_array_equal(read_image(overlay).plane()[:, :30].max(), 0)
    first = table.read_text().splitlines()[1].split(",")
    assert set(first[-8:]) == {""}
