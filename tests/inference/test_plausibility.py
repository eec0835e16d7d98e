"""What a model is not for is told apart, and named; what it is for is not."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest
import skimage.data

from helpers import tiny_model
from napari_retina_seg.imaging.phantom import phantom_bscan
from napari_retina_seg.imaging.plausibility import LIMITED, check_limits, measure
from napari_retina_seg.inference.plausibility import join_checks
from napari_retina_seg.inference.predict import segment
from napari_retina_seg.io.results import save_segmentation
from napari_retina_seg.models.limits import LIMITS_FILE, LimitsRecord, read_limits, write_limits
from napari_retina_seg.types.errors import ModelError
from napari_retina_seg.types.image import Modality, RetinaImage
from napari_retina_seg.types.segmentation import UNLIKE, Check, Segmentation


def scan() -> np.ndarray:
    return np.asarray(phantom_bscan(1).image.pixels)


def segmented(pixels: np.ndarray, modality: Modality = Modality.OCT) -> Segmentation:
    return segment(RetinaImage(pixels, color=pixels.ndim == 3, modality=modality))


def names(pixels: np.ndarray, modality: Modality = Modality.OCT) -> set[str]:
    return {check.name for check in segmented(pixels, modality).checks}


def test_the_limits_are_those_of_the_bundled_weights() -> None:
    from napari_retina_seg.models.registry import find_model

    for name in ("oct-layers", "fundus-vessels"):
        limits = read_limits(find_model(name))
        assert limits is not None
        assert limits["uncertainty"][1] is not None


def test_a_scan_turned_upside_down_is_named_as_that() -> None:
    for turned in (scan()[::-1], scan()[::-1, ::-1]):
        drawn = segmented(np.ascontiguousarray(turned))
        assert drawn.checks[0].name == "orientation"
        assert drawn.warning.startswith(f"{UNLIKE}: check it (")
        assert "upside down" in drawn.message


@pytest.mark.parametrize(
    "make",
    [
        lambda: np.random.default_rng(0).integers(0, 256, (300, 400), np.uint8),
        lambda: cv2.GaussianBlur(scan(), (0, 0), 16),
        lambda: cv2.cvtColor(skimage.data.chelsea(), cv2.COLOR_RGB2GRAY),
        skimage.data.camera,
        lambda: scan()[:120],
    ],
    ids=["noise", "blur", "cat", "photograph", "vitreous"],
)
def test_what_is_no_scan_is_flagged(make) -> None:
    drawn = segmented(make())
    assert {"uncertainty", "coverage"} & {check.name for check in drawn.checks}
    assert drawn.warning


@pytest.mark.parametrize(
    "make",
    [
        skimage.data.chelsea,
        skimage.data.coffee,
        lambda: np.random.default_rng(0).integers(0, 256, (300, 400, 3), np.uint8),
    ],
    ids=["cat", "coffee", "noise"],
)
def test_what_is_no_photograph_of_a_fundus_is_flagged(make) -> None:
    assert "field" in names(make(), Modality.FUNDUS)


def test_a_photograph_of_a_fundus_is_not_flagged() -> None:
    assert names(skimage.data.retina(), Modality.FUNDUS) == set()


def test_another_modality_is_reported() -> None:
    assert "modality" in names(scan(), Modality.FUNDUS)
    assert "modality" in names(skimage.data.retina()[..., 1].copy(), Modality.OCT)


def test_no_layer_is_drawn_where_the_model_finds_none() -> None:
    pixels = scan()
    pixels[:, 500:] = np.random.default_rng(0).integers(0, 40, pixels[:, 500:].shape, np.uint8)
    drawn = segmented(pixels)
    assert not drawn.labels[:, 530:].any()
    assert np.isnan(drawn.boundaries[:, 530:]).all()
    assert (drawn.labels[:, :470] > 0).any(axis=0).all()
    assert not np.isnan(drawn.boundaries[:, :470]).any()
    assert "coverage" in {check.name for check in drawn.checks}
    assert "of the columns show no layer" in drawn.warning


def layered(uncertain: float) -> np.ndarray:
    """Return the probabilities of three layers, 8 rows each, in 64 rows."""
    labels = np.zeros((64, 40), int)
    for k in (1, 2, 3):
        labels[16 + 8 * k : 24 + 8 * k] = k
    planes = np.full((4, 64, 40), uncertain / 3, np.float32)
    for k in range(4):
        planes[k][labels == k] = 1 - uncertain
    return planes


def test_figures_are_what_they_say() -> None:
    planes = layered(0.1)
    labels = planes.argmax(axis=0)
    tensor = np.where(labels == 3, 2.0, labels > 0).astype(np.float32)[..., np.newaxis]
    figures = measure(tensor, planes, None, is_layered=True)
    entropy = -(0.9 * np.log(0.9) + 0.1 * np.log(0.1 / 3)) / np.log(4)
    assert figures["uncertainty"] == pytest.approx(entropy, rel=1e-5)
    assert figures["drawn"] == pytest.approx(24 / 64)
    assert figures["coverage"] == 1
    assert figures["thickness"] == 24
    assert figures["disorder"] == 0
    assert figures["contrast 3"] == pytest.approx(2 * figures["contrast 1"])
    assert figures["below"] == pytest.approx(0)

    turned = measure(tensor[::-1], planes[:, ::-1], None, is_layered=True)
    assert turned["disorder"] >= 3
    half = np.ones((64, 40), bool)
    half[:, 20:] = False
    planes[1:, :, :10], planes[0, :, :10] = 0, 1
    assert measure(tensor, planes, half, is_layered=True)["coverage"] == 0.5


def test_nothing_drawn_is_most_uncertain() -> None:
    planes = np.zeros((2, 32, 32), np.float32)
    planes[0] = 1
    figures = measure(np.zeros((32, 32, 3), np.float32), planes, None, is_layered=False)
    assert (figures["uncertainty"], figures["drawn"]) == (1, 0)


def test_only_what_lies_beyond_a_limit_fires() -> None:
    limits = {"uncertainty": (None, 0.1), "drawn": (0.2, 0.4), "contrast 1": (None, 1.0)}
    assert check_limits({"uncertainty": 0.1, "drawn": 0.2, "contrast 1": 1.0}, limits) == {}
    fired = check_limits({"uncertainty": 0.11, "drawn": 0.19, "contrast 1": 1.1}, limits)
    assert list(fired) == ["uncertainty", "drawn", "contrast"]
    assert "little" in fired["drawn"]
    assert check_limits({}, limits) == {}


def test_a_volume_says_in_which_slices_and_forgives_one_in_twenty() -> None:
    planes = [{"uncertainty": "unsure"}] + [{}] * 19
    assert join_checks(planes, range(20)) == ()
    planes[4] = {"uncertainty": "unsure", "field": "none"}
    assert join_checks(planes, range(20)) == (Check("uncertainty", "unsure", (0, 4)),)
    assert join_checks([{"field": "none"}], [7]) == (Check("field", "none"),)


def test_a_model_without_limits_reports_it_and_one_with_others_weights_too(tmp_path) -> None:
    model = tiny_model(tmp_path / "oct", Modality.OCT)
    drawn = segment(RetinaImage(scan()[:96, :96], modality=Modality.OCT), model)
    assert drawn.unchecked == LIMITED

    limits = {"uncertainty": (None, 0.001)}
    record = LimitsRecord(weights_sha256="0" * 64, images="none", limits=limits)
    write_limits(model, record)
    assert read_limits(model) is None
    write_limits(model, record.model_copy(update={"weights_sha256": model.spec.weights_sha256}))
    assert read_limits(model) == limits
    (model.path / LIMITS_FILE).write_text("{}")
    with pytest.raises(ModelError, match="holds no limits"):
        read_limits(model)


def test_the_files_of_a_mask_say_which_checks_fired(tmp_path) -> None:
    image = RetinaImage(np.ascontiguousarray(scan()[::-1]), modality=Modality.OCT)
    drawn = segment(image)
    files = save_segmentation(drawn, image, tmp_path, "scan")
    said = json.loads(files[-1].read_text(encoding="utf-8"))
    assert files[-1].name == "scan_checks.json"
    assert said["warning"] == drawn.warning
    assert {check["name"] for check in said["checks"]} >= {"orientation", "uncertainty"}
    assert said["model"] == "resunet-tian2015-phantoms"
