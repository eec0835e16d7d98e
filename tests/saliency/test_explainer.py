import shutil
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr
from skimage.data import retina
from skimage.metrics import structural_similarity

from helpers import answer, assert_same_maps, assert_same_mask, tiny_model
from napari_retina_seg.imaging.cam import Method, combine
from napari_retina_seg.imaging.explanation import ExplainRequest
from napari_retina_seg.imaging.phantom import phantom_bscan
from napari_retina_seg.imaging.preprocess import Prepared, ResizePreprocessing
from napari_retina_seg.imaging.target import Point, Region, WholeClass
from napari_retina_seg.inference import predictor
from napari_retina_seg.inference.frozen import FrozenSplit
from napari_retina_seg.inference.predict import segment
from napari_retina_seg.inference.predictor import load_network
from napari_retina_seg.inference.target_layers import SplitModel, cut
from napari_retina_seg.models.config import UNetConfig
from napari_retina_seg.models.networks import build
from napari_retina_seg.models.packaging import halve_weights, write_model, write_spec
from napari_retina_seg.models.registry import ModelFolder, find_model, open_model
from napari_retina_seg.models.spec import ThresholdPostprocessing
from napari_retina_seg.saliency import activations
from napari_retina_seg.saliency.activations import Activations, iter_forward
from napari_retina_seg.saliency.explainer import Explained, explain, iter_explain
from napari_retina_seg.saliency.randomisation import randomise_from_top
from napari_retina_seg.saliency.slice_explainer import ForwardCache
from napari_retina_seg.saliency.split_network import find_target_layer, list_target_layers
from napari_retina_seg.types.errors import ImageError, ModelError
from napari_retina_seg.types.image import Modality, RetinaImage
from napari_retina_seg.types.labels import FUNDUS_VESSELS
from napari_retina_seg.types.progress import Cancelled, CancelToken, finish

BSCAN = phantom_bscan(rows=256, columns=320).image
SMALL = phantom_bscan(rows=96, columns=128).image
# One of each way to draw: a threshold, pooling indices, surfaces. The last is asked more by the
# tests behind, while the split network is in memory.
# Of all shipped models benchmarks/explain.py draws and measures maps.
SHOWN = ["fundus-vessels", "segnet-tian2015", "oct-layers"]


@pytest.fixture(scope="module")
def tiny_oct(tmp_path_factory: pytest.TempPathFactory) -> ModelFolder:
    return tiny_model(tmp_path_factory.mktemp("models") / "oct", Modality.OCT)


@pytest.fixture(scope="module")
def tiny_fundus(tmp_path_factory: pytest.TempPathFactory) -> ModelFolder:
    return tiny_model(tmp_path_factory.mktemp("models") / "fundus", Modality.FUNDUS)


@pytest.fixture(scope="module")
def brightness(tmp_path_factory: pytest.TempPathFactory) -> ModelFolder:
    """Return a model that draws what is bright, with cells of 8 px and an input of 64 × 96."""
    folder = tmp_path_factory.mktemp("models") / "brightness"
    architecture = UNetConfig(widths=(2, 2, 2, 2))
    network = build(architecture)
    for layer in network.layers:
        if not layer.weights:
            continue
        kernel, bias = (np.zeros_like(values) for values in layer.get_weights())
        if isinstance(layer, keras.layers.Conv2DTranspose):
            kernel[:, :, 0, 0] = 1
        else:
            kernel[1, 1, 0, 0] = 1
        if layer.name == "head":
            kernel, bias = kernel * 10, bias - 2
        layer.set_weights([kernel, bias])
    folder.mkdir()
    network.save_weights(folder / "float32.weights.h5")
    return write_model(
        folder,
        halve_weights(folder / "float32.weights.h5"),
        {
            "name": "brightness",
            "title": "What is bright",
            "modality": Modality.OCT,
            "scheme": FUNDUS_VESSELS,
            "architecture": architecture,
            "preprocessing": ResizePreprocessing(rows=64, columns=96),
            "postprocessing": ThresholdPostprocessing(),
            "training_data": "nothing",
            "licence": "BSD-3-Clause",
        },
    )


@settings(max_examples=15, deadline=None)
@given(row=st.integers(10, 120), column=st.integers(10, 186))
@pytest.mark.parametrize("method", [Method.GRAD_CAM, Method.HIRES_CAM])
def test_evidence_lies_where_it_is_on_an_image_of_odd_size(brightness, method, row, column) -> None:
    pixels = np.zeros((131, 197), np.uint8)
    pixels[row - 8 : row + 9, column - 8 : column + 9] = 255
    asked = ExplainRequest((1,), "bottleneck", method)
    explanation = answer(RetinaImage(pixels), brightness, asked)
    weight = explanation.maps[0] / explanation.maps.sum()
    found = (weight.sum(axis=1) @ np.arange(131), weight.sum(axis=0) @ np.arange(197))
    cell = (8 * 131 / 64, 8 * 197 / 96)
    center = (np.mean(np.nonzero(pixels)[0]), np.mean(np.nonzero(pixels)[1]))
    assert abs(found[0] - center[0]) <= cell[0]
    assert abs(found[1] - center[1]) <= cell[1]


@pytest.mark.parametrize("method", [Method.GRAD_CAM, Method.HIRES_CAM, Method.LAYER_CAM])
def test_a_map_is_a_mean_over_what_is_asked_about(brightness, method) -> None:
    """A class of many pixels has no stronger map than one of few, so they can be compared."""
    image = RetinaImage(np.full((64, 96), 200, np.uint8) - np.eye(64, 96, dtype=np.uint8))
    left, right = np.zeros((2, *image.grid), bool)
    left[10:50, 20:40] = right[10:50, 50:70] = True

    def ask(region) -> np.ndarray:
        return answer(
            image, brightness, ExplainRequest((1,), "bottleneck", method, Region(region))
        ).maps

    apart = (ask(left) + ask(right)) / 2
    assert apart.max() > 0
    np.testing.assert_allclose(ask(left | right), apart, rtol=1e-3, atol=1e-4 * apart.max())


def test_nothing_is_explained_outside_the_field_of_view(tiny_fundus, tmp_path) -> None:
    """A published system's preprocessing finds no field: drawing and explaining find it alike."""
    shutil.copytree(tiny_fundus.path, tmp_path / "resized")
    spec = tiny_fundus.spec.model_copy(
        update={
            "preprocessing": ResizePreprocessing(rows=128, columns=128, color=True),
            "postprocessing": ThresholdPostprocessing(threshold=0.01),
        }
    )
    write_spec(ModelFolder(tmp_path / "resized", spec))
    model = open_model(tmp_path / "resized")
    image = RetinaImage(retina()[::4, ::4], color=True, modality=Modality.FUNDUS)
    drawn = segment(image, model).labels
    assert drawn.any()
    explanation = explain(image, model)
    assert_same_mask(explanation.labels, drawn)
    assert not explanation.labels[:20, :20].any()
    assert not explanation.maps[:, :20, :20].any()
    assert explanation.untargeted == (0,)  # background is outside alone, where nothing is predicted


@pytest.mark.parametrize("name", SHOWN)
def test_shipped_models_explain_what_they_draw(name) -> None:
    model = find_model(name)
    oct_model = model.spec.modality is Modality.OCT
    # A cut-out without a rim keeps its size.
    image = BSCAN if oct_model else RetinaImage(retina()[300:556, 300:620], color=True)
    explanation = explain(image, model)
    assert_same_mask(explanation.labels, segment(image, model).labels)
    assert explanation.maps.shape == (len(model.spec.scheme), *image.grid)
    assert explanation.maps.dtype == np.float32
    assert (explanation.maps >= 0).all()
    assert explanation.maps.any()
    assert set(explanation.untargeted) == {
        value for value in explanation.values if value not in explanation.labels
    }


def test_maps_of_classes_can_be_compared_or_not() -> None:
    explanation = answer(BSCAN, "oct-layers", ExplainRequest((1, 3)))
    alone = explanation.normalised(shared=False)
    assert alone.max(axis=(1, 2)).tolist() == [1, 1]
    together = explanation.normalised(shared=True)
    assert together.max() == 1
    ratio = explanation.maps[0].max() / explanation.maps[1].max()
    assert together[0].max() / together[1].max() == pytest.approx(ratio)


def test_points_regions_and_classes_are_different_questions() -> None:
    model = find_model("oct-layers")
    last = ForwardCache()
    labels = segment(BSCAN, model).labels
    row, column = (int(np.median(axis)) for axis in np.nonzero(labels == 2))
    left = np.zeros(BSCAN.grid, bool)
    left[:, :100] = labels[:, :100] == 2

    def peak(target) -> np.ndarray:
        asked = ExplainRequest((2,), "decoder 1", Method.HIRES_CAM, target)
        (step,) = (
            step
            for step in iter_explain(BSCAN, model, asked, last=last)
            if isinstance(step, Explained)
        )
        return step.explanation.maps[0]

    at_point = peak(Point(row, column))
    rows, columns = np.nonzero(at_point > 0.01 * at_point.max())
    assert abs(rows - row).max() < 60
    assert abs(columns - column).max() < 120
    at_left = peak(Region(left, "the left"))
    assert at_left[:, 220:].sum() < 0.01 * at_left.sum()
    whole = peak(WholeClass())
    assert whole[:, 220:].sum() > 0.1 * whole.sum()


def test_what_the_mask_shows_is_what_is_asked_about() -> None:
    noise = RetinaImage(np.random.default_rng(0).random((96, 96)).astype(np.float32))
    explanation = answer(noise, "oct-layers", ExplainRequest(layer="decoder 1"))
    shown = set(np.unique(explanation.labels).tolist())
    assert set(explanation.untargeted) == set(explanation.values) - shown


@pytest.mark.parametrize("name", ["fundus-vessels", "oct-layers"])
def test_maps_of_shipped_models_depend_on_what_was_learnt(name) -> None:
    model = find_model(name)
    spec = model.spec
    oct_model = spec.modality is Modality.OCT
    image = BSCAN if oct_model else RetinaImage(retina()[300:556, 300:620], color=True)
    prepared = spec.preprocessing.prepare(image.plane(), image.spacing)
    layer = find_target_layer(list_target_layers(model), name).layer
    network = load_network(model)
    trained = passed(network, model, prepared, layer)
    drawn = np.asarray(trained.logits.argmax(axis=-1) == 1, np.float32)
    correlations, likenesses = [], []
    for seed in range(2):
        randomise_from_top(network, spec.architecture, network.layers[1].name, seed)
        forgotten = passed(network, model, prepared, layer)
        maps = [
            np.maximum(combine(each.cells, each.gradient(1, drawn), Method.GRAD_CAM), 0)
            for each in (trained, forgotten)
        ]
        correlations.append(abs(rank_correlation(*maps)))
        likenesses.append(likeness(*maps))
        assert maps[0].any()
    assert any(np.asarray(correlations) > 0)  # a network that forgot still has maps
    assert np.mean(correlations) < 0.5
    assert np.mean(likenesses) < 0.7


def passed(network, model: ModelFolder, prepared: Prepared, layer: str) -> Activations:
    multiple = model.spec.architecture.multiple
    split = unfrozen(cut(network, layer))
    return finish(iter_forward(split, prepared.tensor, multiple, CancelToken()))


def unfrozen(split: SplitModel) -> FrozenSplit:
    """Return the split network whose weights are about to change; freezing takes long."""
    import tensorflow as tf

    def ahead(image: np.ndarray):
        crossing = tuple(keras.tree.flatten(split.first([image], training=False)))
        return crossing, split.second(list(crossing), training=False)

    def back(crossing, weights: np.ndarray):
        with tf.GradientTape() as tape:
            tape.watch(crossing[0])
            logits = split.second(list(crossing), training=False)
        return tape.gradient(logits, crossing[0], output_gradients=tf.constant(weights))

    return FrozenSplit(ahead, back)


def rank_correlation(first: np.ndarray, second: np.ndarray) -> float:
    if not (first.any() and second.any()):
        return 0.0
    return float(spearmanr(first.ravel(), second.ravel())[0])


def likeness(first: np.ndarray, second: np.ndarray) -> float:
    scaled = [each / max(each.max(), 1e-12) for each in (first, second)]
    return float(structural_similarity(*scaled, data_range=1))


def test_a_kept_pass_answers_as_a_new_one(tiny_oct) -> None:
    last = ForwardCache()
    other = replace(SMALL, pixels=np.ascontiguousarray(SMALL.pixels[::-1]))
    for image in (SMALL, other):
        for layer in ("encoder 0", "bottleneck"):
            for method in Method:
                asked = ExplainRequest((1, 2), layer, method)
                (step,) = (
                    step
                    for step in iter_explain(image, tiny_oct, asked, last=last)
                    if isinstance(step, Explained)
                )
                fresh = answer(image, tiny_oct, asked)
                assert_same_maps(step.explanation.maps, fresh.maps)


def test_another_class_or_method_costs_no_forward_pass_and_a_place_one(
    tiny_oct, monkeypatch
) -> None:
    passes = []
    run = activations._run
    monkeypatch.setattr(activations, "_run", lambda *what: passes.append(1) or run(*what))
    last = ForwardCache()
    region = np.zeros(BSCAN.grid, bool)
    region[100:120, 50:60] = True
    for asked, expected in (
        (ExplainRequest((1,), "bottleneck"), 1),
        (ExplainRequest((2, 3), "bottleneck", Method.LAYER_CAM), 1),
        (ExplainRequest((2,), "bottleneck", target=Point(3, 4)), 2),
        (ExplainRequest((1,), "bottleneck", target=Point(3, 4)), 2),
        (ExplainRequest((1,), "bottleneck", target=Region(region)), 3),
        (ExplainRequest((3,), "bottleneck", target=Region(region.copy())), 3),
        (ExplainRequest((1,), "encoder 0"), 4),
    ):
        assert list(iter_explain(BSCAN, tiny_oct, asked, last=last))
        assert len(passes) == expected


def test_without_a_bright_spot_what_is_around_it_wins(brightness) -> None:
    """The answer without the spot is what the model says of an image that has none."""
    even = np.full((64, 96), 40, np.uint8)
    even[0, 0] = 255  # one range of brightness for both
    spotted = even.copy()
    spotted[31:34, 47:50] = 255
    point = ExplainRequest((1,), "bottleneck", target=Point(32, 48))
    there, nothing = (
        answer(RetinaImage(pixels), brightness, point).answer for pixels in (spotted, even)
    )
    assert there.drawn == 1
    assert there.probabilities[1] > 0.5 > there.without[1]
    assert there.without == pytest.approx(nothing.probabilities, abs=1e-3)
    assert nothing.without == pytest.approx(nothing.probabilities, abs=1e-3)
    assert "BG would win" in there.sentence
    assert sum(there.probabilities) == pytest.approx(1)


def test_a_region_is_answered_by_the_mean_of_its_pixels(brightness) -> None:
    pixels = np.zeros((64, 96), np.uint8)
    pixels[16:48, 24:72] = 255
    image = RetinaImage(pixels)
    mask = np.zeros((64, 96), bool)
    mask[16:48, 0:48] = True
    found = answer(image, brightness, ExplainRequest((1,), target=Region(mask))).answer
    probabilities = segment(image, brightness, probabilities=True).probabilities
    assert found.probabilities == pytest.approx(probabilities[:, mask].mean(axis=1), abs=2e-3)
    assert not found.is_point
    everything = Region(np.ones((64, 96), bool))
    nothing = answer(image, brightness, ExplainRequest((1,), target=everything)).answer
    assert nothing.without is None


def test_the_answer_in_tiles_is_that_of_one_pass(tiny_oct, monkeypatch) -> None:
    """Only tiles that show the place are passed once more."""
    asked = ExplainRequest((1,), "encoder 0", target=Point(20, 30))
    whole = answer(BSCAN, tiny_oct, asked).answer
    passes = []
    run = activations._run
    monkeypatch.setattr(activations, "_run", lambda *what: passes.append(1) or run(*what))
    monkeypatch.setattr(predictor, "_LARGEST_PASS", 0)
    monkeypatch.setattr(predictor, "_TILE", (128, 128))
    monkeypatch.setattr(predictor, "_OVERLAP", 64)
    tiled = answer(BSCAN, tiny_oct, asked).answer
    assert tiled.probabilities == pytest.approx(whole.probabilities, abs=1e-3)
    assert tiled.without == pytest.approx(whole.without, abs=1e-3)
    tiles = len(predictor.passes((256, 320), tiny_oct.spec.architecture.multiple))
    assert tiles > 4
    assert tiles < len(passes) < 2 * tiles


def test_a_whole_class_and_a_whole_volume_get_no_answer(tiny_oct) -> None:
    assert answer(SMALL, tiny_oct, ExplainRequest((1,))).answer is None
    volume = RetinaImage(np.stack([SMALL.pixels] * 2))
    point = ExplainRequest((1,), target=Point(50, 60))
    for index, answered in ((None, [False, False]), (1, [True])):
        steps = iter_explain(volume, tiny_oct, point, index=index)
        found = [step.explanation.answer for step in steps if isinstance(step, Explained)]
        assert [each is not None for each in found] == answered


def test_the_pass_without_the_place_can_be_cancelled(tiny_oct) -> None:
    token = CancelToken()
    job = iter_explain(SMALL, tiny_oct, ExplainRequest((1,), target=Point(50, 60)), token=token)
    assert any("without this place" in step.message for step in job)  # and stops there
    token.cancel()
    with pytest.raises(Cancelled):
        list(job)


def test_a_model_with_the_same_weights_gets_no_answer_of_another(tiny_oct, tmp_path) -> None:
    folder = tmp_path / "other"
    shutil.copytree(tiny_oct.path, folder)
    spec = tiny_oct.spec.model_copy(
        update={"preprocessing": ResizePreprocessing(rows=64, columns=64)}
    )
    write_spec(ModelFolder(folder, spec))
    last, asked = ForwardCache(), ExplainRequest((0,), "encoder 0")
    for model in (tiny_oct, open_model(folder)):
        (step,) = (
            step
            for step in iter_explain(BSCAN, model, asked, last=last)
            if isinstance(step, Explained)
        )
        fresh = answer(BSCAN, model, asked)
        assert_same_maps(step.explanation.maps, fresh.maps)


def test_only_slices_with_a_region_go_through_the_network(tiny_oct, monkeypatch) -> None:
    passes = []
    run = activations._run
    monkeypatch.setattr(activations, "_run", lambda *what: passes.append(1) or run(*what))
    volume = RetinaImage(np.stack([BSCAN.pixels] * 4))
    mask = np.zeros(volume.pixels.shape, bool)
    mask[2, 100:120, 50:60] = True
    steps = list(iter_explain(volume, tiny_oct, ExplainRequest((1,), target=Region(mask))))
    found = [step.explanation.index for step in steps if isinstance(step, Explained)]
    assert found == [2]
    assert len(passes) == 1


def test_a_volume_comes_slice_by_slice_without_the_empty_ones(tiny_oct) -> None:
    planes = np.stack([BSCAN.pixels, np.zeros_like(BSCAN.pixels), BSCAN.pixels[::-1]])
    volume = RetinaImage(planes)
    job = iter_explain(volume, tiny_oct, ExplainRequest((0,)))
    found = []
    while True:
        try:
            step = next(job)
        except StopIteration as end:
            skipped = end.value
            break
        if isinstance(step, Explained):
            found.append(step.explanation)
    assert skipped == (1,)
    assert [each.index for each in found] == [0, 2]
    alone = answer(volume, tiny_oct, ExplainRequest((0,)), index=2)
    assert_same_maps(found[1].maps, alone.maps)


def test_maps_lie_on_the_photographs_own_grid_inside_its_field_of_view(tiny_fundus) -> None:
    photograph = RetinaImage(retina()[::5, ::5], color=True)
    explanation = answer(photograph, tiny_fundus, ExplainRequest((), "encoder 0"))
    assert explanation.maps.shape == (2, *photograph.grid)
    assert explanation.maps.any()
    assert not explanation.maps[:, :10, :10].any()


def test_an_image_that_fits_one_pass_needs_no_tiles_and_can_be_cancelled(tiny_oct) -> None:
    token = CancelToken()
    job = iter_explain(BSCAN, tiny_oct, ExplainRequest(), token=token)
    next(job)
    token.cancel()
    with pytest.raises(Cancelled):
        list(job)


def test_an_empty_map_is_reported_in_a_sentence(brightness) -> None:
    dark = RetinaImage(np.eye(131, 197, dtype=np.uint8))
    explanation = answer(dark, brightness, ExplainRequest((1,)))
    assert not explanation.maps.any()
    assert explanation.message.startswith("The model draws no pixel of Vessel here")
    asked = answer(dark, brightness, ExplainRequest((1,), target=Point(5, 80)))
    assert asked.message.startswith("No positive evidence in ")
    assert "for Vessel (" in asked.message


@pytest.mark.parametrize(
    ("asked", "error", "sentence"),
    [
        (ExplainRequest((8,)), ModelError, "has no class 8: its classes are BG, RNFL"),
        (
            ExplainRequest(layer="attic"),
            ModelError,
            "no layer 'attic' to explain: its layers are encoder",
        ),
        (
            ExplainRequest((1,), target=Point(256, 3)),
            ImageError,
            "outside the image of 256 × 320 px",
        ),
        (
            ExplainRequest((1,), target=Region(np.zeros((256, 320), bool), "'Labels'")),
            ImageError,
            "'Labels' is empty: paint or draw",
        ),
        (
            ExplainRequest((1,), target=Region(np.ones((9, 9), bool))),
            ImageError,
            "A region has 9 × 9 px",
        ),
    ],
)
def test_what_can_not_be_explained_is_reported(tiny_oct, asked, error, sentence) -> None:
    with pytest.raises(error, match=sentence.replace("(", r"\(")):
        answer(BSCAN, tiny_oct, asked)


def test_a_single_cell_locates_nothing(tmp_path) -> None:
    small = RetinaImage(SMALL.pixels[40:56, :16])
    deep = tiny_model(tmp_path / "deep", Modality.OCT, widths=(2, 2, 2, 2, 2))
    with pytest.raises(ImageError, match="bottleneck is a single cell"):
        answer(small, deep, ExplainRequest(layer="bottleneck"))


def test_a_model_of_other_images_is_refused(tiny_fundus) -> None:
    with pytest.raises(ModelError, match="choose another model"):
        explain(BSCAN, tiny_fundus)


def test_altered_weights_are_noticed(tiny_oct, tmp_path: Path) -> None:
    broken = tiny_model(tmp_path / "model", Modality.OCT)
    broken.weights.write_bytes(broken.weights.read_bytes()[:-9])
    with pytest.raises(ModelError):
        explain(BSCAN, broken)


def test_a_place_is_asked_about_by_the_method_that_stays_there(tiny_oct) -> None:
    assert answer(BSCAN, tiny_oct, ExplainRequest((1,))).method is Method.GRAD_CAM
    asked = ExplainRequest((1,), target=Point(128, 160))
    assert answer(BSCAN, tiny_oct, asked).method is Method.HIRES_CAM
