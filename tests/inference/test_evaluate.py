from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile
from sklearn import metrics as sklearn_metrics

from helpers import tiny_model
from napari_retina_seg.datasets.labelled import LabelledImage
from napari_retina_seg.datasets.layouts import read_dataset
from napari_retina_seg.imaging.fov import FieldOrigin, detect_fov
from napari_retina_seg.imaging.phantom import phantom_bscan
from napari_retina_seg.inference.evaluate import (
    iter_evaluate,
    iter_evaluate_against,
    iter_evaluate_reference,
)
from napari_retina_seg.inference.predict import segment
from napari_retina_seg.metrics.measures import Key
from napari_retina_seg.metrics.segmentation import confusion, height_errors, scores
from napari_retina_seg.models.packaging import write_spec
from napari_retina_seg.models.registry import ModelFolder, open_model
from napari_retina_seg.models.spec import ArgmaxPostprocessing
from napari_retina_seg.types.errors import DataError, ModelError
from napari_retina_seg.types.image import Modality, RetinaImage, Spacing
from napari_retina_seg.types.labels import FUNDUS_VESSELS, OCT_LAYERS
from napari_retina_seg.types.progress import Cancelled, CancelToken, finish


@pytest.fixture(scope="module")
def oct_model(tmp_path_factory: pytest.TempPathFactory) -> ModelFolder:
    return tiny_model(tmp_path_factory.mktemp("models") / "oct", Modality.OCT)


@pytest.fixture(scope="module")
def fundus_model(tmp_path_factory: pytest.TempPathFactory) -> ModelFolder:
    return tiny_model(tmp_path_factory.mktemp("models") / "fundus", Modality.FUNDUS)


def always(value: np.ndarray) -> Callable[[], np.ndarray]:
    return lambda: value


def scan(seed: int, **more: object) -> LabelledImage:
    phantom = phantom_bscan(seed, 96, 64)
    given = {"read_heights": always(phantom.heights), "group": f"eye {seed}", **more}
    return LabelledImage(
        name=f"scan {seed}",
        dataset="phantoms",
        modality=Modality.OCT,
        path=Path(f"scan{seed}.png"),
        read_pixels=always(phantom.image.pixels),
        read_labels=always(phantom.labels),
        **given,
    )


def photo(seed: int, **more: object) -> LabelledImage:
    pixels = np.zeros((160, 170, 3), np.uint8)
    cv2.circle(pixels, (85, 80), 70, (180, 90, 40), -1)
    noise = np.random.default_rng(seed).integers(0, 40, pixels.shape, np.uint8)
    pixels[pixels[..., 0] > 0] += noise[pixels[..., 0] > 0]
    vessels = np.zeros((160, 170), np.uint8)
    vessels[60:70, 20:150] = vessels[0:5] = 1
    second = np.roll(vessels, 3, axis=0)
    given = {"references": {"second_observer": always(second)}, "group": f"eye {seed}", **more}
    return LabelledImage(
        name=f"photo {seed}",
        dataset="photographs",
        modality=Modality.FUNDUS,
        path=Path(f"photo{seed}.jpg"),
        read_pixels=always(pixels),
        read_labels=always(vessels),
        **given,
    )


def test_layers_are_scored_as_the_user_would_get_them(oct_model) -> None:
    images = [scan(0), scan(1)]
    job = iter_evaluate(oct_model, images)
    evaluation = finish(job)
    assert (evaluation.name, evaluation.reference) == ("tiny-oct", None)
    for image, row in zip(images, evaluation.images, strict=True):
        drawn = segment(RetinaImage(image.pixels(), modality=Modality.OCT), oct_model)
        expected = scores(confusion(image.labels(), drawn.labels, 8))
        assert row.scores[Key("dice")] == pytest.approx(np.nanmean(expected.dice))
        errors = height_errors(drawn.boundaries - image.heights()).absolute
        assert row.scores[Key("boundary_error_px", "ILM")] == pytest.approx(errors[0])
        assert (row.name, row.dataset, row.group) == (image.name, "phantoms", image.full_group)
    assert Key("auc") not in evaluation.means
    assert evaluation.reliability.counts.sum() == 2 * 96 * 64
    assert Key("boundary_error_um") not in evaluation.means


def test_boundaries_come_from_the_mask_where_there_are_no_heights(oct_model) -> None:
    with_heights = finish(iter_evaluate(oct_model, [scan(0)])).means
    from_mask = finish(iter_evaluate(oct_model, [scan(0, read_heights=None)])).means
    key = Key("boundary_error_px", "ONL-EZ")
    assert from_mask[key].value == pytest.approx(with_heights[key].value, abs=0.5)
    assert from_mask[key].value != with_heights[key].value


def test_known_pixels_give_micrometres(oct_model) -> None:
    spacing = Spacing.from_um(axial=2.5)
    means = finish(iter_evaluate(oct_model, [scan(0, read_spacing=lambda: spacing)])).means
    in_px = means[Key("boundary_error_px")].value
    assert means[Key("boundary_error_um")].value == pytest.approx(2.5 * in_px)


def test_pixel_sizes_of_files_arrive(oct_model, tmp_path: Path) -> None:
    for seed, axial in ((0, 2.0), (1, 4.0)):
        phantom = phantom_bscan(seed, 96, 64)
        scan_at, mask_at = (tmp_path / part / f"{seed}.tif" for part in ("images", "masks"))
        for path in (scan_at, mask_at):
            path.parent.mkdir(exist_ok=True)
        resolution = (1 / 12, 1 / axial)
        unit = {"unit": "micron"}
        tifffile.imwrite(
            scan_at, phantom.image.pixels, imagej=True, resolution=resolution, metadata=unit
        )
        tifffile.imwrite(mask_at, phantom.labels)
    evaluation = finish(iter_evaluate(oct_model, read_dataset(tmp_path)))
    px, um = Key("boundary_error_px"), Key("boundary_error_um")
    for row, axial in zip(evaluation.images, (2, 4), strict=True):
        assert row.scores[um] == pytest.approx(axial * row.scores[px])
    assert um in evaluation.pooled


def test_a_model_without_surfaces_is_scored_by_the_boundaries_it_supports(
    tmp_path: Path,
) -> None:
    model = tiny_model(tmp_path / "argmax", Modality.OCT)
    spec = model.spec.model_copy(update={"postprocessing": ArgmaxPostprocessing()})
    write_spec(ModelFolder(model.path, spec))
    means = finish(iter_evaluate(open_model(model.path), [scan(0)])).means
    assert means[Key("boundary_error_px")].value > 0


def test_only_the_field_of_view_of_a_photograph_counts(fundus_model) -> None:
    image = photo(0)
    evaluation = finish(iter_evaluate(fundus_model, [image]))
    inside = detect_fov(image.pixels()).mask()
    assert evaluation.matrix.sum() == inside.sum() < inside.size
    color = RetinaImage(image.pixels(), color=True, modality=Modality.FUNDUS)
    drawn = segment(color, fundus_model, probabilities=True)
    truth = image.labels()[inside]
    expected = sklearn_metrics.average_precision_score(
        truth, drawn.probabilities[1][inside].astype(float)
    )
    found = evaluation.means[Key("average_precision")].value
    assert found == pytest.approx(expected)
    expected = sklearn_metrics.f1_score(truth, drawn.labels[inside])
    assert evaluation.means[Key("dice")].value == pytest.approx(expected)


def test_an_official_field_of_view_comes_first(fundus_model) -> None:
    field = np.zeros((160, 170), bool)
    field[50:90, 60:100] = True
    evaluation = finish(iter_evaluate(fundus_model, [photo(0, read_field=always(field))]))
    assert evaluation.matrix.sum() == 40 * 40
    assert evaluation.images[0].field_origin is FieldOrigin.GIVEN
    assert not evaluation.worst[0].drawn.labels[~field].any()


def test_whether_a_field_was_given_or_found_is_kept(fundus_model) -> None:
    field = np.zeros((160, 170), bool)
    field[50:90, 60:100] = True
    images = [photo(0, read_field=always(field)), photo(1), photo(2)]
    evaluation = finish(iter_evaluate(fundus_model, images))
    assert evaluation.field_origins == {FieldOrigin.GIVEN: 1, FieldOrigin.FOUND: 2}
    assert "draws nothing along their rim, in 0.5% of the diameter" in evaluation.field_note
    case = next(case for case in evaluation.worst if case.image.name == "photo 0")
    np.testing.assert_array_equal(case.image.field.pixels, field)


def test_an_empty_field_names_its_image(fundus_model) -> None:
    empty = photo(0, read_field=always(np.zeros((160, 170), bool)))
    with pytest.raises(DataError, match=r"photo0\.jpg.*The field of view is empty"):
        finish(iter_evaluate(fundus_model, [empty]))


def test_an_expert_is_scored_as_if_a_model(fundus_model) -> None:
    images = [photo(0), photo(1)]
    human = finish(iter_evaluate_reference(images, "second_observer", FUNDUS_VESSELS))
    assert (human.name, human.reference) == ("second_observer", None)
    inside = detect_fov(images[0].pixels()).core
    pair = images[0].labels()[inside], images[0].labels("second_observer")[inside]
    assert human.images[0].scores[Key("dice")] == pytest.approx(sklearn_metrics.f1_score(*pair))
    assert not {Key("auc"), Key("ece")} & set(human.means)
    assert human.reliability is None


def test_an_expert_s_layers_are_scored_by_their_boundaries() -> None:
    deeper = np.roll(scan(0).labels(), 2, axis=0)
    image = scan(0, references={"grader 2": always(deeper)}, read_heights=None)
    human = finish(iter_evaluate_reference([image], "grader 2", OCT_LAYERS))
    assert human.means[Key("boundary_bias_px")].value == pytest.approx(2)
    assert human.means[Key("thickness_error_px")].value == pytest.approx(0)


def test_one_segmentation_is_scored_against_several_experts(fundus_model) -> None:
    images = [photo(0)]
    both = finish(iter_evaluate_against(fundus_model, images, [None, "second_observer"]))
    assert [evaluation.reference for evaluation in both] == [None, "second_observer"]
    alone = finish(iter_evaluate(fundus_model, images, reference="second_observer"))
    assert both[1].means == alone.means
    assert both[0].means[Key("dice")] != both[1].means[Key("dice")]


def test_an_expert_who_is_not_there_is_reported(fundus_model) -> None:
    with pytest.raises(DataError, match=r"'third'.*there is second_observer"):
        finish(iter_evaluate(fundus_model, [photo(0)], reference="third"))
    with pytest.raises(DataError, match="no mask by 'third'"):
        finish(iter_evaluate_reference([photo(0)], "third", FUNDUS_VESSELS))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"read_labels": always(np.zeros((5, 5), np.uint8))}, "5 × 5.*size of its image"),
        ({"read_labels": always(np.full((160, 170), 2, np.uint8))}, "value 2.*classes 0 to 1"),
        ({"read_field": always(np.ones((5, 5), bool))}, "field of view 5 × 5"),
    ],
)
def test_masks_that_do_not_fit_are_reported(fundus_model, change, message) -> None:
    with pytest.raises(DataError, match=message):
        finish(iter_evaluate(fundus_model, [replace(photo(0), **change)]))


def test_images_of_another_modality_are_refused(oct_model) -> None:
    with pytest.raises(ModelError, match="photo 0"):
        finish(iter_evaluate(oct_model, [photo(0)]))


def test_no_images_are_reported(oct_model) -> None:
    with pytest.raises(DataError, match="no images"):
        finish(iter_evaluate(oct_model, []))
    with pytest.raises(DataError, match="no images"):
        finish(iter_evaluate_reference([], "second_observer", FUNDUS_VESSELS))


def test_progress_counts_the_images_and_the_work_can_be_stopped(oct_model) -> None:
    images = [scan(k) for k in range(3)]
    steps = list(iter_evaluate(oct_model, images))
    assert [step.done for step in steps] == sorted(step.done for step in steps)
    assert {step.total for step in steps} == {3}
    assert {step.message for step in steps} == {"scan 0", "scan 1", "scan 2", "Done"}
    token = CancelToken()
    job = iter_evaluate(oct_model, images, token=token)
    next(job)
    token.cancel()
    with pytest.raises(Cancelled):
        next(job)
