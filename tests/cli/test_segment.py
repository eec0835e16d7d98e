import csv
import json
import shutil
import signal
import subprocess
import sys
import time
import weakref
import zlib
from dataclasses import replace

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image

from helpers import assert_same_mask, write_png
from napari_retina_seg.imaging.phantom import phantom_bscan, phantom_volume
from napari_retina_seg.inference.predict import segment
from napari_retina_seg.inference.slices import iter_segment_slices
from napari_retina_seg.io import read_image
from napari_retina_seg.io.ome_zarr import writing_mask
from napari_retina_seg.types.progress import Cancelled, CancelToken, finish


def files_in(folder):
    return sorted(path.name for path in folder.iterdir())


def without_guesses(stderr: str) -> list[str]:
    """Return the lines but those on layers that are a guess, as an untrained network's are."""
    return [line for line in stderr.splitlines() if "the layers are a guess" not in line]


def test_a_scan_gets_mask_overlay_and_boundaries(run, scan, oct_model, tmp_path):
    out = tmp_path / "new" / "out"
    result = run("segment", scan, "-o", out, "--model", oct_model.path)
    assert result.exit_code == 0, result.output
    assert files_in(out) == ["scan_boundaries.csv", "scan_mask.png", "scan_overlay.png"]
    mask = Image.open(out / "scan_mask.png")
    assert mask.mode == "P"
    expected = segment(read_image(scan), oct_model).raster()
    assert_same_mask(np.asarray(mask), expected)
    assert cv2.imread(str(out / "scan_overlay.png")).shape == (96, 128, 3)
    with (out / "scan_boundaries.csv").open() as file:
        assert len(list(csv.reader(file))) == 1 + 128
    assert "tiny-oct" in result.stdout
    assert "1 segmented" in result.stdout
    assert not without_guesses(result.stderr)


def test_a_photograph_gets_a_mask_and_probabilities_if_asked(run, fundus_model, tmp_path):
    photo = np.zeros((160, 170, 3), np.uint8)
    cv2.circle(photo, (85, 80), 70, (40, 90, 180), -1)
    write_png(tmp_path / "eye.png", photo)
    out = tmp_path / "out"
    result = run(
        "segment", tmp_path / "eye.png", "-o", out, "--model", fundus_model.path, "--probabilities"
    )
    assert result.exit_code == 0, result.output
    assert files_in(out) == ["eye_mask.png", "eye_overlay.png", "eye_probabilities.npz"]
    with np.load(out / "eye_probabilities.npz") as archive:
        assert archive["probabilities"].shape == (2, 160, 170)


def test_a_volume_gets_a_mask_with_a_page_for_each_slice(run, oct_model, tmp_path):
    volume = phantom_volume(0, 3, 96, 64).image.pixels
    tifffile.imwrite(tmp_path / "volume.tif", volume, photometric="minisblack")
    out = tmp_path / "out"
    result = run("segment", tmp_path / "volume.tif", "-o", out, "--model", oct_model.path)
    assert result.exit_code == 0, result.output
    assert files_in(out) == ["volume_boundaries.csv", "volume_mask.tif", "volume_overlay.png"]
    with tifffile.TiffFile(out / "volume_mask.tif") as file:
        assert len(file.pages) == 3
        assert file.asarray().shape == (3, 96, 64)


def test_some_fail_and_the_rest_go_on(run, scan, oct_model, tmp_path):
    (tmp_path / "empty.png").touch()
    write_png(tmp_path / "black.png", np.zeros((64, 64), np.uint8))
    arguments = [tmp_path / "gone.png", tmp_path / "empty.png", tmp_path / "black.png", scan]
    out = tmp_path / "out"
    result = run("segment", *arguments, "-o", out, "--model", oct_model.path)
    assert result.exit_code == 1
    lines = without_guesses(result.stderr)
    assert len(lines) == 3
    assert all(name in line for name, line in zip(("gone", "empty", "black"), lines, strict=True))
    assert "1 segmented" in result.stdout
    assert "3 failed" in result.stdout
    assert files_in(out) == ["scan_boundaries.csv", "scan_mask.png", "scan_overlay.png"]


def test_results_are_replaced_only_with_overwrite(run, scan, oct_model, tmp_path):
    command = ("segment", scan, "-o", tmp_path / "out", "--model", oct_model.path)
    assert run(*command, "--probabilities").exit_code == 0
    before = (tmp_path / "out" / "scan_mask.png").stat().st_mtime_ns
    refused = run(*command)
    assert refused.exit_code == 2
    assert "--overwrite" in refused.stderr
    assert (tmp_path / "out" / "scan_mask.png").stat().st_mtime_ns == before
    assert run(*command, "--overwrite").exit_code == 0
    assert "scan_probabilities.npz" not in files_in(tmp_path / "out")


def test_a_folder_of_images_is_segmented(run, scan, oct_model, tmp_path):
    shutil.copy(scan, tmp_path / "second.png")
    result = run("segment", tmp_path, "-o", tmp_path, "--model", oct_model.path)
    assert result.exit_code == 0, result.output
    again = run("segment", tmp_path, "-o", tmp_path, "--model", oct_model.path, "--overwrite")
    assert "2 segmented" in again.stdout


def test_the_user_says_what_the_image_is(run, scan, fundus_model, tmp_path):
    command = ("segment", scan, "-o", tmp_path / "out", "--model", fundus_model.path)
    refused = run(*command)
    assert refused.exit_code == 1
    assert "OCT" in refused.stderr
    assert run(*command, "--modality", "fundus").exit_code == 0


def test_an_image_that_is_neither_needs_a_model(run, tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (80, 80), np.uint8)
    write_png(tmp_path / "noise.png", noise)
    result = run("segment", tmp_path / "noise.png", "-o", tmp_path / "out")
    assert result.exit_code == 1
    assert "--model" in result.stderr


def test_a_full_disk_leaves_no_half_file(run, scan, oct_model, tmp_path):
    resource = pytest.importorskip("resource")  # a limit on files that Windows lacks
    out = tmp_path / "out"
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4000, hard))
    try:
        result = run("segment", scan, "-o", out, "--model", oct_model.path, "--probabilities")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert result.exit_code == 1
    assert "can't be written" in result.stderr
    assert "Choose a folder with free" in result.stderr
    assert not list(out.glob(".*"))
    assert not (out / "scan_probabilities.npz").exists()


@pytest.mark.skipif(
    sys.platform == "win32", reason="Ctrl-C reaches a child process otherwise there"
)
def test_ctrl_c_keeps_what_is_finished_and_nothing_else(scan, oct_model, tmp_path):
    slices = np.tile(phantom_volume(0, 1, 64, 64).image.pixels, (6000, 1, 1))
    np.save(tmp_path / "volume.npy", slices)
    out = tmp_path / "out"
    program = "from napari_retina_seg.cli import main; main()"
    files = [str(scan), str(tmp_path / "volume.npy")]
    command = [sys.executable, "-c", program, "segment", *files, "-o", str(out)]
    process = subprocess.Popen(
        [*command, "--model", str(oct_model.path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    finished = ["scan_boundaries.csv", "scan_mask.png", "scan_overlay.png"]
    until = time.monotonic() + 120
    seen = 0  # twice: the scan is then not only written, but counted
    while seen < 2 and time.monotonic() < until:
        time.sleep(0.05)
        seen += all((out / name).exists() for name in finished)
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 130, stderr
    lines = [line for line in without_guesses(stderr) if not line.startswith("Running for")]
    assert lines == ["Cancelled: finished results are kept."]  # no greetings of TensorFlow's
    assert "1 segmented" in stdout
    assert files_in(out) == finished


@pytest.mark.parametrize("letters", ["x" * 240, "眼" * 80])
def test_long_names_that_fit_are_no_trouble(run, scan, oct_model, tmp_path, letters):
    folder = tmp_path / "scans"
    folder.mkdir()
    shutil.copy(scan, folder / f"{letters}.png")
    shutil.copy(scan, folder / "other.png")
    out = tmp_path / "out"
    result = run("segment", folder, "-o", out, "--model", oct_model.path)
    assert result.exit_code == 0, result.output
    assert len(files_in(out)) == 6


@pytest.mark.parametrize("letters", ["x" * 251, "眼" * 82])
def test_a_name_that_is_too_long_fails_alone(run, scan, oct_model, tmp_path, letters):
    folder = tmp_path / "scans"
    folder.mkdir()
    shutil.copy(scan, folder / f"{letters}.png")
    shutil.copy(scan, folder / "other.png")
    out = tmp_path / "out"
    result = run("segment", folder, "-o", out, "--model", oct_model.path)
    assert result.exit_code == 1
    assert "1 segmented" in result.stdout
    assert letters in result.stderr
    assert "is too long for a file name" in result.stderr
    assert files_in(out) == ["other_boundaries.csv", "other_mask.png", "other_overlay.png"]


def test_what_is_not_plausible_is_shown_with_its_reason(run, tmp_path):
    upright = phantom_bscan(0).image.pixels
    write_png(tmp_path / "right.png", upright)
    write_png(tmp_path / "wrong.png", np.ascontiguousarray(upright[::-1]))
    out = tmp_path / "out"
    result = run("segment", tmp_path / "right.png", tmp_path / "wrong.png", "-o", out)
    assert result.exit_code == 0, result.output
    said = " ".join(result.stderr.split())
    assert "wrong.png': This does not look like what the model learnt from: check it (" in said
    assert "right.png'" not in said
    assert "2 segmented" in result.stdout
    assert "1 to check" in result.stdout
    assert (out / "wrong_checks.json").is_file()
    assert not (out / "right_checks.json").exists()

    write_png(tmp_path / "wrong.png", upright)
    again = run("segment", tmp_path / "wrong.png", "-o", out, "--overwrite")
    assert again.exit_code == 0, again.output
    assert "to check" not in again.stdout
    assert not (out / "wrong_checks.json").exists()


def test_a_model_without_limits_is_named(run, scan, oct_model, tmp_path):
    result = run("segment", scan, "-o", tmp_path / "out", "--model", oct_model.path)
    assert "were measured for tiny-oct, so only" in " ".join(result.stdout.split())


@pytest.fixture
def volume_file(tmp_path):
    path = tmp_path / "volume.npy"
    volume = phantom_volume(0, 3, 96, 64).image.pixels.copy()
    volume[2] = 0  # nothing to see
    np.save(path, volume)
    return path


def chunk(folder, array, index):
    description = json.loads((folder / array / ".zarray").read_text())
    content = zlib.decompress((folder / array / str(index) / "0" / "0").read_bytes())
    return np.frombuffer(content, description["dtype"]).reshape(description["chunks"][1:])


def test_the_mask_of_a_volume_goes_into_an_ome_zarr(run, volume_file, oct_model, tmp_path):
    out = tmp_path / "mask.ome.zarr"
    command = ("segment", volume_file, "-o", out, "--model", oct_model.path)
    result = run(*command, "--pixel-size", "3.9,11.6")
    assert result.exit_code == 0, result.output
    expected = segment(read_image(volume_file), oct_model)
    for index in range(3):
        assert_same_mask(chunk(out, "0", index), expected.raster()[index])
        heights = chunk(out, "boundaries", index)
        np.testing.assert_allclose(heights, expected.boundaries[index], atol=1e-3)
    stated = json.loads((out / ".zattrs").read_text())
    (level,) = stated["multiscales"][0]["datasets"]
    assert level["coordinateTransformations"][0]["scale"] == [1, 3.9, 11.6]
    names = [one["name"] for one in stated["image-label"]["properties"]]
    assert names == list(expected.scheme.names)
    assert stated["napari_retina_seg"]["model"] == oct_model.name
    assert "1 slice with nothing to see" in result.stderr
    again = run(*command)
    assert again.exit_code == 1
    assert "not empty" in again.stderr
    assert run(*command, "--overwrite").exit_code == 2


def test_no_more_than_a_slice_is_in_memory(volume_file, oct_model):
    image = read_image(volume_file)
    alive = []

    def take(index, mask):
        assert all(one() is None for one in alive)
        alive.append(weakref.ref(mask) if mask is not None else lambda: None)

    finish(iter_segment_slices(replace(image, pixels=image.pixels[:2]), oct_model, take))
    assert len(alive) == 2


def test_a_cancelled_volume_leaves_nothing(volume_file, oct_model, tmp_path):
    out, token, image = tmp_path / "mask.zarr", CancelToken(), read_image(volume_file)
    written = writing_mask(out, image.pixels.shape, oct_model.spec.scheme, image.spacing, {})

    def stop_after_one(step):
        if step.done == 1:
            token.cancel()

    with pytest.raises(Cancelled), written as mask:
        finish(iter_segment_slices(image, oct_model, mask.write, token=token), stop_after_one)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["volume.npy"]
