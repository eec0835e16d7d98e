"""Training data of which files state padding: learnt from and scored as if it were not there."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from skimage.data import retina

from napari_retina_seg.datasets.labelled import LabelledImage
from napari_retina_seg.imaging.phantom import phantom_bscan
from napari_retina_seg.imaging.preprocess import FundusPreprocessing, prepare_plane
from napari_retina_seg.inference.evaluate import iter_evaluate, iter_evaluate_reference
from napari_retina_seg.metrics.measures import Key
from napari_retina_seg.models.recipe import Recipe
from napari_retina_seg.models.registry import find_model
from napari_retina_seg.training.environment import Conditions
from napari_retina_seg.training.samples import prepare_sample
from napari_retina_seg.types.image import Modality, Spacing
from napari_retina_seg.types.progress import finish

PADDED = 48  # columns
PHANTOM = phantom_bscan(1, 496, 320)
SCAN = np.asarray(PHANTOM.image.pixels)


def noise(shape: tuple[int, ...]) -> np.ndarray:
    """Return what looks like tissue, so that only the file knows that it is padding."""
    return np.random.default_rng(0).integers(0, 255, shape).astype(np.uint8)


def labelled(pixels, labels, modality=Modality.OCT, valid=None, heights=None) -> LabelledImage:
    return LabelledImage(
        name="one",
        dataset="set",
        group="one",
        modality=modality,
        path=Path("one.dcm"),
        read_pixels=lambda: pixels,
        read_labels=lambda: labels,
        read_valid=None if valid is None else lambda: valid,
        read_heights=None if heights is None else lambda: heights,
    )


def padded(pixels, labels, modality=Modality.OCT, padding=0, drawn=0) -> LabelledImage:
    rest = ((0, 0),) * (pixels.ndim - 1)
    whole = np.pad(pixels, (rest[0], (PADDED, 0), *rest[1:]))
    whole[:, :PADDED] = padding
    valid = np.ones(labels.shape, bool)
    valid = np.pad(valid, ((0, 0), (PADDED, 0)))
    return labelled(whole, pad_mask(labels, drawn), modality, valid)


def pad_mask(labels: np.ndarray, drawn: int) -> np.ndarray:
    return np.pad(labels, ((0, 0), (PADDED, 0)), constant_values=drawn)


PADDINGS = [0, 77, 255, noise((496, PADDED))]


@pytest.mark.parametrize("padding", PADDINGS, ids=["0", "77", "255", "noise"])
@pytest.mark.parametrize("name", ["oct-layers", "unet-octid"])
def test_a_scan_is_learnt_from_as_if_it_had_none(padding, name) -> None:
    recipe = Recipe.read(Path(name))
    sample = prepare_sample(padded(SCAN, PHANTOM.labels, padding=padding), recipe)
    # Some recipes scale an image to one size, whatever it is: then the scan alone is cut out.
    share = PADDED / (PADDED + SCAN.shape[1])
    columns = round(sample.tensor.shape[1] * share)
    assert not sample.weight[:, :columns].any()
    assert sample.weight[:, columns + 2 :].all()
    expected = prepare_sample(
        labelled(np.pad(SCAN, ((0, 0), (PADDED, 0)), "edge"), pad_mask(PHANTOM.labels, 0)), recipe
    )
    seen = np.s_[:, columns + 2 :]
    np.testing.assert_allclose(sample.tensor[seen], expected.tensor[seen], atol=0.03)
    np.testing.assert_array_equal(sample.target[seen], expected.target[seen])


@pytest.mark.parametrize("padding", [255, noise((353, PADDED, 3))], ids=["white", "noise"])
def test_a_photograph_is_learnt_from_as_if_it_had_none(padding) -> None:
    pixels = retina()[::4, ::4]
    vessels = np.asarray(pixels[..., 1] < 60, np.uint8)
    recipe = Recipe.read(Path("fundus-vessels"))
    whole = padded(pixels, vessels, Modality.FUNDUS, padding)
    plain = labelled(pixels, vessels, Modality.FUNDUS)
    sample, expected = (prepare_sample(image, recipe) for image in (whole, plain))
    # The field is found within a few pixels, so that not all pixels are scaled alike.
    assert sample.weight.mean() == pytest.approx(expected.weight.mean(), abs=0.005)
    rows, columns = np.indices(pixels.shape[:2])
    field = np.hypot(rows - 176, columns - 176) <= 170
    whole = replace(whole, read_field=lambda: np.pad(field, ((0, 0), (PADDED, 0))))
    plain = replace(plain, read_field=lambda: field)
    sample, expected = (prepare_sample(image, recipe) for image in (whole, plain))
    np.testing.assert_allclose(sample.tensor, expected.tensor, atol=0.02)
    np.testing.assert_array_equal(sample.target, expected.target)
    np.testing.assert_array_equal(sample.weight, expected.weight)


def test_it_counts_for_nothing_in_an_evaluation() -> None:
    model = find_model("oct-layers")
    whole = padded(SCAN, PHANTOM.labels, padding=noise((496, PADDED)), drawn=3)
    heights = np.pad(PHANTOM.heights, ((0, 0), (PADDED, 0)), constant_values=200.0)
    whole = replace(whole, read_heights=lambda: heights)
    plain = labelled(SCAN, PHANTOM.labels, heights=PHANTOM.heights)
    found, expected = (finish(iter_evaluate(model, [image])) for image in (whole, plain))
    for key, value in expected.means.items():
        near = 0.3 if key.measure.endswith("px") else 0.03
        assert found.means[key].value == pytest.approx(value.value, abs=near), key
    assert found.matrix.sum() == SCAN.size


def test_it_counts_for_nothing_between_two_experts() -> None:
    other = np.roll(PHANTOM.labels, 2, axis=0)
    drawn = np.pad(PHANTOM.labels, ((0, 0), (PADDED, 0)), "edge")
    beyond = np.pad(other, ((0, 0), (PADDED, 0)), "edge")
    beyond[:, :PADDED] = np.roll(beyond[:, :PADDED], 9, axis=0)
    whole = padded(SCAN, PHANTOM.labels, padding=noise((496, PADDED)))
    whole = replace(whole, read_labels=lambda: drawn, references={"second": lambda: beyond})
    plain = replace(labelled(SCAN, PHANTOM.labels), references={"second": lambda: other})
    scheme = find_model("oct-layers").spec.scheme
    found, expected = (
        finish(iter_evaluate_reference([image], "second", scheme)) for image in (whole, plain)
    )
    for key, value in expected.means.items():
        assert found.means[key].value == pytest.approx(value.value), key
    assert found.means[Key("dice")].value < 1


@pytest.mark.parametrize("padding", [0, 255, noise((353, PADDED, 3))], ids=["0", "255", "noise"])
def test_a_photograph_is_scored_in_the_field_that_is_predicted_in(padding) -> None:
    pixels = retina()[::4, ::4]
    vessels = np.asarray(pixels[..., 1] < 60, np.uint8)
    whole = padded(pixels, vessels, Modality.FUNDUS, padding)
    geometry = prepare_plane(
        FundusPreprocessing(diameter=100), whole.pixels(), Spacing(), valid=whole.valid()
    ).geometry
    whole = replace(whole, references={"second": whole.labels})
    scheme = find_model("fundus-vessels").spec.scheme
    scored = finish(iter_evaluate_reference([whole], "second", scheme))
    assert scored.matrix.sum() == (geometry.field.core & geometry.valid).sum()


def test_a_run_knows_data_by_it_too() -> None:
    whole = padded(SCAN, PHANTOM.labels)
    same = labelled(whole.pixels(), whole.labels())
    hashes = {Conditions.of([image], None).data_sha256 for image in (whole, same)}
    assert len(hashes) == 2
