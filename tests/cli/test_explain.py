import re
import shutil
import signal
import threading
import time

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image

from helpers import answer, assert_same_maps, write_png
from napari_retina_seg.cli.console import Bar
from napari_retina_seg.cli.explain_options import MethodName
from napari_retina_seg.imaging.cam import Method
from napari_retina_seg.imaging.explanation import ExplainRequest
from napari_retina_seg.imaging.phantom import phantom_bscan, phantom_volume
from napari_retina_seg.imaging.target import Point, Region
from napari_retina_seg.io import read_image
from napari_retina_seg.saliency.explainer import explain
from napari_retina_seg.saliency.slice_explainer import recommended_method

GRID = (200, 192)


def files_in(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def scan(tmp_path):
    """Write a B-scan that is large enough for all layers to be found."""
    path = tmp_path / "scan.png"
    write_png(path, phantom_bscan(0, *GRID).image.pixels)
    return path


@pytest.fixture
def volume(tmp_path):
    """Write a volume whose first slice is black."""
    pixels = np.array(phantom_volume(0, 4, *GRID).image.pixels)
    pixels[0] = 0
    path = tmp_path / "volume.tif"
    tifffile.imwrite(path, pixels, photometric="minisblack")
    return path


def test_a_scan_gets_a_figure_and_a_map_for_each_class(run, scan, tmp_path):
    out = tmp_path / "new" / "out"
    result = run("explain", scan, "-o", out, "--model", "oct-layers")
    assert result.exit_code == 0, result.output
    expected = explain(read_image(scan), "oct-layers")
    slug = expected.method.slug
    maps = [f"scan_{name}_{slug}.npy" for name in expected.names]
    assert files_in(out) == sorted([*maps, "scan_explain.png"])
    for name, heat in zip(maps, expected.maps, strict=True):
        assert_same_maps(np.load(out / name), heat)
    assert cv2.imread(str(out / "scan_explain.png")).std() > 20
    assert "1 explained" in result.stdout
    assert expected.method.value in result.stdout
    assert expected.layer.partition(" (")[0] in result.stdout


def test_a_photograph_is_distinguished_from_a_scan(run, scan, tmp_path):
    eye = np.zeros((160, 170, 3), np.uint8)
    cv2.circle(eye, (85, 80), 70, (40, 90, 180), -1)
    cv2.line(eye, (30, 80), (140, 90), (10, 20, 60), 5)
    write_png(tmp_path / "eye.png", eye)
    out = tmp_path / "out"
    result = run("explain", tmp_path / "eye.png", "-o", out, "--class", "vessel")
    assert result.exit_code == 0, result.output
    slug = recommended_method(whole_class=True).slug
    assert files_in(out) == [f"eye_Vessel_{slug}.npy", "eye_explain.png"]


@pytest.mark.parametrize("method", list(MethodName))
def test_class_layer_method_and_formats_are_chosen(run, scan, oct_model, tmp_path, method):
    out = tmp_path / "out"
    result = run(
        "explain", scan, "-o", out, "-m", oct_model.path,
        "--class", "inner nuclear LAYER", "-c", "4",
        "--layer", "Encoder 0", "--method", method.upper(), "--format", "svg", "--maps", "tiff",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    names = [f"scan_INL_{method}.tif", f"scan_OPL_{method}.tif"]
    assert files_in(out) == sorted([*names, "scan_explain.svg"])
    request = ExplainRequest((3, 4), "encoder 0", next(m for m in Method if m.slug == method))
    expected = answer(read_image(scan), oct_model, request)
    assert expected.maps.any()
    for name, heat in zip(names, expected.maps, strict=True):
        assert_same_maps(tifffile.imread(out / name), heat)
    assert (out / "scan_explain.svg").read_text().lstrip().startswith("<?xml")


def test_a_point_or_a_region_is_asked_about(run, scan, tmp_path):
    region = np.zeros(GRID, np.uint8)
    region[80:100, 20:60] = 255
    write_png(tmp_path / "roi.png", region)
    command = ("explain", scan, "-m", "oct-layers", "-c", "RNFL", "--method", "grad-cam")
    targets = {
        "--point": ("90,64", Point(90, 64)),
        "--region": (tmp_path / "roi.png", Region(region > 0)),
    }
    for option, (text, target) in targets.items():
        out = tmp_path / option[2:]
        result = run(*command, "-o", out, option, text)
        assert result.exit_code == 0, result.output
        request = ExplainRequest((1,), method=Method.GRAD_CAM, target=target)
        expected = answer(read_image(scan), "oct-layers", request)
        found = np.load(out / "scan_RNFL_grad-cam.npy")
        assert_same_maps(found, expected.maps[0])
        assert f"scan.png: {expected.answer.sentence}\n" in result.stdout
        assert "Grad-CAM averages over the image" in result.stderr
        assert "HiResCAM suits better" in result.stderr


def test_a_volume_gets_maps_of_all_slices_and_a_figure_of_its_middle(run, volume, tmp_path):
    out = tmp_path / "out"
    command = ("explain", volume, "-m", "oct-layers", "-c", "RNFL", "--method", "hirescam")
    result = run(*command, "-o", out)
    assert result.exit_code == 0, result.output
    assert files_in(out) == ["volume_RNFL_hirescam.npy", "volume_explain.png"]
    maps = np.load(out / "volume_RNFL_hirescam.npy")
    assert maps.shape == (4, *GRID)
    assert not maps[0].any()
    assert "1 of 4 slices" in result.stderr
    for index in (1, 2, 3):
        request = ExplainRequest((1,), method=Method.HIRES_CAM)
        expected = answer(read_image(volume), "oct-layers", request, index=index)
        assert_same_maps(maps[index], expected.maps[0])
    one = tmp_path / "one"
    assert run(*command, "-o", one, "--slice", "2").exit_code == 0
    assert_same_maps(np.load(one / "volume_RNFL_hirescam.npy"), maps[2])
    figures = [
        np.asarray(Image.open(folder / "volume_explain.png"), float) for folder in (one, out)
    ]
    assert figures[0].shape == figures[1].shape
    assert np.abs(figures[0] - figures[1]).mean() < 0.01  # grey levels


def test_some_fail_and_the_rest_go_on(run, scan, oct_model, tmp_path):
    (tmp_path / "empty.png").touch()
    write_png(tmp_path / "black.png", np.zeros((64, 64), np.uint8))
    out = tmp_path / "out"
    arguments = [tmp_path / "gone.png", tmp_path / "empty.png", tmp_path / "black.png", scan]
    result = run("explain", *arguments, "-o", out, "--model", oct_model.path, "-c", "BG")
    assert result.exit_code == 1
    assert all(f"{name}.png'" in result.stderr for name in ("gone", "empty"))
    assert "'black'" in result.stderr
    assert "1 explained" in result.stdout
    assert "3 failed" in result.stdout
    assert all(name.startswith("scan_") for name in files_in(out))


def test_what_is_explained_is_left_out_when_it_is_resumed(run, scan, oct_model, tmp_path):
    out, other = tmp_path / "out", tmp_path / "other.png"
    region = np.zeros(GRID, np.uint8)
    region[80:100, 20:60] = 255
    write_png(tmp_path / "roi.png", region)
    call = ("explain", scan, other, "-o", out, "--model", oct_model.path, "-c", "BG", "--resume",
            "--region", tmp_path / "roi.png")  # fmt: skip
    other.touch()
    assert run(*call).exit_code == 1  # the other file is empty
    first = {path.name: path.read_bytes() for path in out.iterdir()}
    shutil.copy(scan, other)
    result = run(*call)
    assert result.exit_code == 0, result.output
    assert "1 finished before" in result.stdout
    assert "1 explained" in result.stdout
    assert len({path.read_bytes() for path in out.glob("*.npy")}) == 1  # of one scan, twice
    del first["finished.jsonl"]
    assert all((out / name).read_bytes() == content for name, content in first.items())
    region[:90] = 0
    write_png(tmp_path / "roi.png", region)
    assert "were made with another target" in run(*call).stderr
    assert run(*call, "--overwrite").exit_code == 2


def test_results_are_replaced_only_with_overwrite(run, scan, oct_model, tmp_path):
    out = tmp_path / "out"
    options = ("--model", oct_model.path, "--method", "grad-cam", "-c", "BG")
    command = ("explain", scan, "-o", out, *options)
    assert run(*command).exit_code == 0
    (out / "scan_explain.png").unlink()
    before = (out / "scan_BG_grad-cam.npy").stat().st_mtime_ns
    refused = run(*command)
    assert refused.exit_code == 2
    assert "scan_BG_grad-cam.npy" in refused.stderr
    assert "--overwrite" in refused.stderr
    assert (out / "scan_BG_grad-cam.npy").stat().st_mtime_ns == before
    assert run(*command, "--overwrite").exit_code == 0


def test_without_evidence_nothing_is_written(run, tmp_path):
    pale = np.random.default_rng(0).integers(100, 103, (96, 96, 3), np.uint8)
    write_png(tmp_path / "pale.png", pale)
    out = tmp_path / "out"
    options = ("--modality", "fundus", "-m", "fundus-vessels", "-c", "Vessel")
    result = run("explain", tmp_path / "pale.png", "-o", out, *options)
    assert result.exit_code == 1
    assert "no pixel of Vessel" in result.stderr
    assert files_in(out) == []


WRONG = {
    "class": (["-c", "nonsense"], "no class 'nonsense'.* RNFL, GCL"),
    "layer": (["--layer", "decoder 9", "-m", "oct-layers"], "no layer 'decoder 9'.*bottleneck"),
    "name in Keras": (["--layer", "conv2d_19", "-m", "oct-layers"], "Did you mean .*_conv"),
    "method": (["--method", "nonsense"], "grad-cam.*layercam"),
    "format": (["--format", "bmp"], "png"),
    "slice": (["--slice", "-1"], "slice"),
    "point": (["--point", "nonsense"], "'nonsense' is not a point"),
    "region": (["--region", "gone.png"], "gone.png"),
    "both": (["--point", "1,2", "--region", "gone.png"], "not both"),
    "model": (["--model", "nonsense"], "There is no model"),
}


@pytest.mark.parametrize(("options", "sentence"), WRONG.values(), ids=WRONG)
def test_wrong_options_are_refused_before_anything_is_done(
    run, scan, tmp_path, monkeypatch, options, sentence
):
    monkeypatch.chdir(tmp_path)
    result = run("explain", scan, "-o", "out", *options)
    assert result.exit_code == 2
    assert_says(result, sentence)
    assert not (tmp_path / "out").exists()


UNFIT = {
    "slice": (["--slice", "1"], "no slice 1: it is a single image"),
    "point": (["--point", "200,0"], "row 200, column 0 lies outside the image of 200 × 192 px"),
    "size": (["--region", "small.png"], r"'small.png' has 4 × 4 px.*200 × 192"),
    "empty": (["--region", "empty.png"], "'empty.png' is empty"),
    "slices": (["--region", "volume.tif"], "has 3 slices, but the image 1"),
}


@pytest.mark.parametrize(("options", "sentence"), UNFIT.values(), ids=UNFIT)
def test_what_does_not_fit_the_image_is_reported(
    run, scan, oct_model, tmp_path, monkeypatch, options, sentence
):
    monkeypatch.chdir(tmp_path)
    write_png(tmp_path / "small.png", np.ones((4, 4), np.uint8))
    write_png(tmp_path / "empty.png", np.zeros(GRID, np.uint8))
    tifffile.imwrite(
        tmp_path / "volume.tif", np.ones((3, *GRID), np.uint8), photometric="minisblack"
    )
    result = run("explain", scan, "-o", "out", "-m", oct_model.path, *options)
    assert result.exit_code == 1
    assert_says(result, sentence)
    assert len(result.stderr.splitlines()) == 1
    assert files_in(tmp_path / "out") == []


def assert_says(result, sentence):
    said = " ".join(result.stderr.replace("│", " ").split())
    assert re.search(sentence, said), said


def test_ctrl_c_keeps_what_is_finished_and_nothing_else(run, scan, oct_model, tmp_path):
    slices = np.tile(phantom_bscan(0, 64, 64).image.pixels, (6000, 1, 1))
    np.save(tmp_path / "volume.npy", slices)
    out = tmp_path / "out"
    begun = threading.Event()

    def interrupt() -> None:
        until = time.monotonic() + 60
        while not list(out.glob(".volume*")) and time.monotonic() < until:
            time.sleep(0.02)
        if list(out.glob(".volume*")):
            begun.set()
            signal.raise_signal(signal.SIGINT)  # Python hears it in its main thread

    watcher = threading.Thread(target=interrupt)
    watcher.start()
    files = (scan, tmp_path / "volume.npy")
    result = run("explain", *files, "-o", out, "-c", "BG", "--model", oct_model.path)
    watcher.join()
    assert begun.is_set()
    assert result.exit_code == 130
    assert result.stderr == "Cancelled: finished results are kept.\n"
    assert "1 explained" in result.stdout
    assert len(files_in(out)) == 2
    assert all(name.startswith("scan_") for name in files_in(out))


def test_it_shows_what_takes_so_long_before_a_layer_is_looked_up(run, scan, tmp_path, monkeypatch):
    begun = []
    monkeypatch.setattr(Bar, "begin", lambda _, name: begun.append(name))
    run("explain", scan, "-o", tmp_path / "out", "-m", "oct-layers", "--layer", "decoder 9")
    assert begun == ["Starting TensorFlow"]
