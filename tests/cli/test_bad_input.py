"""Every bad input a user may give, as seen from the shell: one sentence, and nothing written."""

import shutil

import cv2
import numpy as np
import pytest

from helpers import write_png
from napari_retina_seg.cli import segment
from napari_retina_seg.models.registry import SPEC_FILE, WEIGHTS_FILE


def _no_image(path):
    path = path.with_suffix(".png")
    path.write_text("Dear colleague, please find attached")
    return path


def _empty(path):
    path = path.with_suffix(".tif")
    path.touch()
    return path


def _truncated(path):
    path = path.with_suffix(".png")
    write_png(path, np.random.default_rng(0).integers(0, 255, (200, 200), np.uint8))
    path.write_bytes(path.read_bytes()[:5000])
    return path


def _text_file(path):
    path = path.with_suffix(".docx")
    path.write_bytes(b"no picture")
    return path


def _black(path):
    path = path.with_suffix(".png")
    write_png(path, np.zeros((80, 80), np.uint8))
    return path


def _constant(path):
    path = path.with_suffix(".png")
    write_png(path, np.full((80, 80, 3), 77, np.uint8))
    return path


def _nan(path):
    path = path.with_suffix(".npy")
    np.save(path, np.full((80, 80), np.nan, np.float32))
    return path


def _one_pixel(path):
    path = path.with_suffix(".png")
    write_png(path, np.full((1, 1), 7, np.uint8))
    return path


def _empty_folder(path):
    path.mkdir()
    return path


MAKERS = [
    _no_image,
    _empty,
    _truncated,
    _text_file,
    _black,
    _constant,
    _nan,
    _one_pixel,
    _empty_folder,
]


@pytest.mark.parametrize("model", ["given", "default"])
@pytest.mark.parametrize("make", MAKERS, ids=lambda make: make.__name__.strip("_"))
def test_one_sentence_says_what_is_wrong(run, oct_model, tmp_path, make, model):
    path = make(tmp_path / "bad")
    out = tmp_path / "out"
    extra = ["--model", oct_model.path] if model == "given" else []
    result = run("segment", path, "-o", out, *extra)
    assert result.exit_code == 1
    assert len(result.stderr.splitlines()) == 1
    assert "bad" in result.stderr
    assert "unforeseen" not in result.stderr
    assert list(out.iterdir()) == []


def test_a_colour_photograph_given_to_an_oct_model(run, oct_model, tmp_path):
    photo = np.zeros((100, 100, 3), np.uint8)
    cv2.circle(photo, (50, 50), 48, (30, 80, 200), -1)
    write_png(tmp_path / "eye.png", photo)
    result = run("segment", tmp_path / "eye.png", "-o", tmp_path / "out", "-m", oct_model.path)
    assert result.exit_code == 1
    assert "tiny-oct" in result.stderr
    assert "fundus" in result.stderr
    assert list((tmp_path / "out").iterdir()) == []


def _without_weights(folder):
    (folder / WEIGHTS_FILE).unlink()


def _with_cut_weights(folder):
    content = (folder / WEIGHTS_FILE).read_bytes()
    (folder / WEIGHTS_FILE).write_bytes(content[: len(content) // 2])


def _with_altered_weights(folder):
    content = bytearray((folder / WEIGHTS_FILE).read_bytes())
    content[-100] ^= 1
    (folder / WEIGHTS_FILE).write_bytes(content)


def _without_spec(folder):
    (folder / SPEC_FILE).unlink()


@pytest.mark.parametrize(
    "damage",
    [_without_weights, _with_cut_weights, _with_altered_weights, _without_spec],
    ids=lambda damage: damage.__name__.strip("_"),
)
def test_a_damaged_model_folder_is_refused_before_anything_is_done(
    run, scan, oct_model, tmp_path, damage
):
    folder = shutil.copytree(oct_model.path, tmp_path / "damaged")
    damage(folder)
    result = run("segment", scan, "-o", tmp_path / "out", "--model", folder)
    assert result.exit_code == 2
    assert len(result.stderr.splitlines()) == 1
    assert str(folder) in result.stderr
    assert not (tmp_path / "out").exists()


def test_an_unknown_model_is_refused_and_the_known_ones_are_named(run, scan, tmp_path):
    result = run("segment", scan, "-o", tmp_path / "out", "--model", "nonsense")
    assert result.exit_code == 2
    assert "There is no model 'nonsense'" in result.stderr


def test_a_folder_that_cannot_be_written(run, scan, oct_model, tmp_path):
    (tmp_path / "file").touch()
    result = run("segment", scan, "-o", tmp_path / "file", "--model", oct_model.path)
    assert result.exit_code == 2
    assert "choose a folder with write permission" in result.stderr


def test_an_unexpected_error_is_one_sentence_and_debug_shows_the_traceback(
    run, scan, oct_model, tmp_path, monkeypatch
):
    def explode(*arguments, **options):
        raise ZeroDivisionError("by nothing")

    monkeypatch.setattr(segment, "start_engine", explode)
    command = ("segment", scan, "-o", tmp_path / "out", "--model", oct_model.path)
    result = run(*command)
    assert result.exit_code == 1
    assert "ZeroDivisionError: by nothing" in result.stderr
    assert "--debug" in result.stderr
    with pytest.raises(AssertionError):
        run("--debug", *command)
