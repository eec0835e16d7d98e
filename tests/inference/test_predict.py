import runpy
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import cloudpickle
import numpy as np
import pytest
from scipy import ndimage
from skimage.data import retina

from helpers import assert_same_mask, tiny_model
from napari_retina_seg.imaging.phantom import phantom_bscan, phantom_volume
from napari_retina_seg.imaging.surfaces import to_labels
from napari_retina_seg.inference import predictor
from napari_retina_seg.inference.predict import iter_segment, segment
from napari_retina_seg.inference.slice_jobs import ImageOpener, SliceWorkers
from napari_retina_seg.metrics.segmentation import confusion, scores
from napari_retina_seg.models.registry import ModelFolder, find_model
from napari_retina_seg.types.batches import iter_in_turn
from napari_retina_seg.types.errors import ImageError, ModelError
from napari_retina_seg.types.image import Modality, RetinaImage
from napari_retina_seg.types.progress import Cancelled, CancelToken, finish


@pytest.fixture(scope="module")
def tiny_oct(tmp_path_factory: pytest.TempPathFactory) -> ModelFolder:
    return tiny_model(tmp_path_factory.mktemp("models") / "oct", Modality.OCT)


@pytest.fixture(scope="module")
def tiny_fundus(tmp_path_factory: pytest.TempPathFactory) -> ModelFolder:
    return tiny_model(tmp_path_factory.mktemp("models") / "fundus", Modality.FUNDUS)


def noise(*shape: int, dtype: str = "uint8") -> np.ndarray:
    return (np.random.default_rng(0).random(shape) * 200).astype(dtype)


@pytest.mark.parametrize(
    ("shape", "dtype"),
    [
        *((shape, "uint8") for shape in ((64, 64), (65, 127), (333, 64), (496, 768), (64, 64, 3))),
        *(((64, 64), dtype) for dtype in ("uint16", "float32", "float64", "int16", "bool")),
    ],
)
def test_labels_lie_on_the_images_own_grid(tiny_oct, shape, dtype) -> None:
    grey = noise(*shape[:2])
    pixels = grey > 99 if dtype == "bool" else grey.astype(dtype)
    if len(shape) == 3:
        pixels = np.stack([pixels] * 3, axis=-1)
    image = RetinaImage(pixels, color=len(shape) == 3)
    result = segment(image, tiny_oct, probabilities=True)
    assert result.labels.shape == shape[:2]
    assert result.labels.dtype == np.uint8
    assert result.boundaries.shape == (8, shape[1])
    assert result.probabilities.shape == (8, *shape[:2])
    np.testing.assert_allclose(result.probabilities.astype(float).sum(axis=0), 1, atol=0.01)
    assert ((result.uncertainty() >= 0) & (result.uncertainty() <= 1)).all()


@pytest.mark.parametrize("size", [64, 1001, 4096])
def test_photographs_from_small_to_large(tiny_fundus, size) -> None:
    pixels = noise(size, size, 3)
    result = segment(RetinaImage(pixels, color=True), tiny_fundus)
    assert result.labels.shape == (size, size)


def test_volumes_slice_by_slice_or_one_slice_alone(tiny_oct) -> None:
    volume = RetinaImage(noise(3, 80, 70))
    whole = segment(volume, tiny_oct)
    assert whole.labels.shape == (3, 80, 70)
    assert whole.boundaries.shape == (3, 8, 70)
    for index in range(3):
        alone = finish(iter_segment(volume, tiny_oct, index=index))
        assert_same_mask(alone.labels, whole.labels[index])


def half_blank(seen: int) -> RetinaImage:
    """Return a volume that shows nothing from a slice on."""
    pixels = noise(4, 80, 70)
    pixels[seen:] = 7
    return RetinaImage(pixels)


def test_slices_that_were_sent_elsewhere_give_the_same_result(tiny_oct) -> None:
    volume = half_blank(2)

    def elsewhere(job, items, *rest):
        sent = cloudpickle.dumps(job)
        assert len(sent) < volume.pixels.nbytes
        return iter_in_turn(cloudpickle.loads(sent), items, *rest)

    def run(seen, mapper):
        workers = mapper and SliceWorkers(mapper, ImageOpener(partial(half_blank, seen)))
        return finish(iter_segment(volume, tiny_oct, probabilities=True, workers=workers))

    alone, shared = run(2, None), run(2, elsewhere)
    assert shared.skipped == alone.skipped == (2, 3)
    assert shared.checks == alone.checks
    for name in ("labels", "boundaries", "probabilities", "ignore"):
        np.testing.assert_array_equal(getattr(shared, name), getattr(alone, name))
    with pytest.raises(ImageError, match="slice 3"):
        run(0, elsewhere)


def test_lazy_and_plain_pixels_give_the_same_mask(tiny_oct) -> None:
    import dask.array as da

    pixels = noise(2, 70, 90)
    lazy = RetinaImage(da.from_array(pixels, chunks=(1, 70, 90)))
    expected = segment(RetinaImage(pixels), tiny_oct).labels
    assert_same_mask(segment(lazy, tiny_oct).labels, expected)


def test_tiles_draw_what_one_pass_draws(tiny_fundus, monkeypatch) -> None:
    """But for seams, where the two differ by what a tile does not see beyond its edge."""
    image = RetinaImage(noise(700, 900, 3), color=True)
    spec = tiny_fundus.spec
    large = ModelFolder(
        tiny_fundus.path,
        spec.model_copy(update={"preprocessing": type(spec.preprocessing)(diameter=900)}),
    )
    whole = segment(image, large, probabilities=True)
    monkeypatch.setattr(predictor, "_LARGEST_PASS", 300 * 300)
    monkeypatch.setattr(predictor, "_TILE", (256, 256))
    monkeypatch.setattr(predictor, "_OVERLAP", 64)
    tiled = segment(image, large, probabilities=True)
    difference = np.abs(whole.probabilities.astype(float) - tiled.probabilities)
    assert difference.max() < 0.05


def test_the_same_image_gives_the_same_mask(tiny_fundus) -> None:
    image = RetinaImage(retina()[::2, ::2], color=True)
    one, other = (segment(image, tiny_fundus, probabilities=True) for _ in range(2))
    assert_same_mask(one.labels, other.labels)
    # Two neighbouring numbers of float16 below 1 lie 2 ** -11 apart.
    np.testing.assert_allclose(one.probabilities, other.probabilities, atol=2**-11)


def test_progress_counts_slices_and_a_token_stops_between_them(tiny_oct) -> None:
    volume = RetinaImage(noise(4, 64, 64))
    steps = list(iter_segment(volume, tiny_oct))
    assert [step.done for step in steps[1:]] == [0, 1, 2, 3, 4]
    assert {step.total for step in steps} == {4}
    token = CancelToken()
    job = iter_segment(volume, tiny_oct, token=token)
    next(job)
    next(job)
    token.cancel()
    with pytest.raises(Cancelled):
        finish(job)


def test_an_image_of_another_modality_is_refused(tiny_oct) -> None:
    photograph = RetinaImage(retina(), color=True, modality=Modality.FUNDUS, name="eye")
    with pytest.raises(ModelError, match="'eye' is marked as a fundus photograph"):
        segment(photograph, tiny_oct)


def test_an_empty_slice_stays_background_and_is_named(tiny_oct) -> None:
    pixels = noise(4, 64, 64)
    whole = segment(RetinaImage(pixels), tiny_oct, probabilities=True)
    pixels[[0, 2]] = 0
    result = segment(RetinaImage(pixels), tiny_oct, probabilities=True)
    assert result.skipped == (0, 2)
    said = "2 of 4 slices show nothing and are left out (slice 0, 2)."
    assert result.message.startswith(said)
    assert not result.labels[[0, 2]].any()
    assert np.isnan(result.boundaries[[0, 2]]).all()
    assert (result.probabilities[[0, 2], 0] == 1).all()
    assert_same_mask(result.labels[[1, 3]], whole.labels[[1, 3]])
    moved = np.abs(result.boundaries[[1, 3]] - whole.boundaries[[1, 3]])
    assert np.mean(~(moved <= 0.01)) <= 1e-3  # px


def test_a_volume_of_empty_slices_is_refused(tiny_oct) -> None:
    with pytest.raises(ImageError, match="'stack', slice 2: The image is 0 everywhere"):
        segment(RetinaImage(np.zeros((3, 64, 64), np.uint8), name="stack"), tiny_oct)


def test_a_model_is_loaded_once_however_many_ask_at_a_time(tmp_path, monkeypatch) -> None:
    model = tiny_model(tmp_path / "model", Modality.OCT)
    loads = []
    load = predictor.load_network
    monkeypatch.setattr(predictor, "load_network", lambda m: loads.append(m) or load(m))
    with ThreadPoolExecutor(3) as pool:
        predictors = list(pool.map(predictor.load_predictor, [model] * 3))
    assert len(loads) == 1
    assert predictors[0] is predictors[1] is predictors[2]


def test_weights_of_another_architecture_are_refused(tiny_oct, tmp_path) -> None:
    other = tiny_model(tmp_path / "other", Modality.FUNDUS)
    mixed = ModelFolder(
        other.path,
        tiny_oct.spec.model_copy(update={"weights_sha256": other.spec.weights_sha256}),
    )
    with pytest.raises(ModelError, match="do not belong to its architecture"):
        segment(RetinaImage(noise(64, 64)), mixed)


def test_weights_that_were_altered_after_loading_are_noticed(tmp_path) -> None:
    model = tiny_model(tmp_path / "model", Modality.OCT)
    image = RetinaImage(noise(64, 64))
    segment(image, model)
    model.weights.write_bytes(b"")
    with pytest.raises(ModelError, match="cut short"):
        segment(image, model)


def test_the_vessels_of_a_photograph_no_model_has_seen() -> None:
    """Golden points that were read off the picture by eye."""
    result = segment(RetinaImage(retina(), color=True, modality=Modality.FUNDUS))
    assert result.provenance.model == "resunet-chasedb1-hrf-idrid"
    assert result.scheme.names == ("Background", "Vessel")
    assert 0.05 < result.labels.mean() < 0.16
    assert not result.labels[:40, :40].any()
    assert not result.labels[660:740, 670:750].any()  # the fovea has none
    for row, column in ((26, 698), (1292, 500), (704, 1273), (930, 65), (388, 304)):
        assert result.labels[row - 12 : row + 13, column - 12 : column + 13].any()


def test_the_layers_of_a_phantom_whose_truth_is_known() -> None:
    phantom = phantom_bscan(seed=3)
    result = segment(phantom.image, "oct-layers")
    matrix = confusion(phantom.labels, result.labels, 8)
    assert np.nanmean(scores(matrix).dice) > 0.8
    assert (np.diff(result.boundaries, axis=0) >= 0).all()
    np.testing.assert_array_equal(to_labels(result.boundaries, 496), result.labels)
    for layer in range(1, 8):
        _, pieces = ndimage.label(result.labels == layer, structure=np.ones((3, 3)))
        assert pieces == 1


def test_an_experts_image_is_segmented_as_well_as_the_card_says(shared_data) -> None:
    from napari_retina_seg.datasets.layouts import read_dataset

    image = next(i for i in read_dataset(shared_data / "oct_layers") if i.split == "test")
    result = segment(RetinaImage(image.pixels(), modality=Modality.OCT))
    said = find_model("oct-layers").spec.metrics["oct_layers test"]["Dice"]
    dice = np.nanmean(scores(confusion(image.labels(), result.labels, 8)).dice)
    assert dice == pytest.approx(said, abs=0.03)


def test_a_volume_of_phantoms() -> None:
    phantom = phantom_volume(seed=0, slices=3, columns=256)
    result = segment(phantom.image, "oct-layers")
    assert result.labels.shape == phantom.labels.shape
    assert np.nanmean(scores(confusion(phantom.labels, result.labels, 8)).dice) > 0.75


def test_importing_the_package_brings_neither_tensorflow_nor_qt() -> None:
    code = (
        "import sys, napari_retina_seg.io, napari_retina_seg.inference.predict,"
        " napari_retina_seg.cli\n"
        "from napari_retina_seg.models.registry import list_models\n"
        "assert list_models()\n"
        "heavy = {'tensorflow', 'keras', 'napari', 'qtpy', 'PyQt6', 'matplotlib'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_the_lines_of_the_readme(tmp_path, monkeypatch) -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    code = readme.split("<!-- three lines -->")[1].split("```python\n")[1].split("```")[0]
    phantom = phantom_bscan()
    import cv2

    cv2.imwrite(str(tmp_path / "scan.png"), phantom.image.pixels)
    monkeypatch.chdir(tmp_path)
    Path("readme.py").write_text(code, encoding="utf-8")
    names = runpy.run_path("readme.py")
    assert names["result"].labels.shape == (496, 768)
    assert names["project"].status().images == 1
    names["project"].close()
