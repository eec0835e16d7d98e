"""``segment --resume``: what is finished is left out, by the hash of image, model and results."""

import json

import pytest

from helpers import tiny_model, write_png
from napari_retina_seg.imaging.phantom import phantom_bscan
from napari_retina_seg.io.run_record import RECORD
from napari_retina_seg.types.image import Modality


def scan(index):
    return phantom_bscan(index, 64, 64).image.pixels


@pytest.fixture
def folder(tmp_path):
    for index in range(2):
        write_png(tmp_path / "in" / f"{index}.png", scan(index))
    (tmp_path / "in" / "late.png").write_text("not yet copied")
    return tmp_path


@pytest.fixture
def segment(run, folder, oct_model):
    def call(*options, model=oct_model):
        path = model.path
        return run("segment", folder / "in", "-o", folder / "out", "-m", path, *options)

    return call


def written(folder):
    return {path.name: path.stat().st_mtime_ns for path in (folder / "out").glob("*.[pc]*")}


def test_what_is_finished_is_left_out(segment, folder):
    assert segment("--resume").exit_code == 1
    before = written(folder)
    assert len(before) == 6
    write_png(folder / "in" / "late.png", scan(2))
    result = segment("--resume")
    assert result.exit_code == 0, result.output
    assert "2 finished before" in result.stdout
    assert "1 segmented" in result.stdout
    after = written(folder)
    assert len(after) == 9
    assert {name: after[name] for name in before} == before


def test_another_image_of_the_name_and_missing_results_are_done_again(segment, folder):
    segment("--resume")
    before = written(folder)
    write_png(folder / "in" / "0.png", scan(5))
    (folder / "out" / "1_overlay.png").unlink()
    assert "2 segmented" in segment("--resume").stdout
    assert all(written(folder)[name] > time for name, time in before.items())
    assert "2 finished before" in segment("--resume").stdout


def test_a_mask_that_a_person_changed_stays(segment, folder):
    segment("--resume")
    mask = folder / "out" / "0_mask.png"
    write_png(mask, scan(7))
    corrected = mask.read_bytes()
    result = segment("--resume")
    assert "0_mask.png' was changed after it was written, and stays" in result.stderr
    write_png(folder / "in" / "0.png", scan(5))
    result = segment("--resume")
    assert "move it away" in result.stderr
    assert mask.read_bytes() == corrected


def test_a_mask_of_a_person_for_an_image_that_was_not_reached_stays(segment, folder):
    segment("--resume")
    (folder / "out" / "late_mask.tif").write_text("drawn by a person")
    write_png(folder / "in" / "late.png", scan(2))
    result = segment("--resume")
    assert result.exit_code == 1
    assert "late_mask.tif' exists already" in result.stderr
    assert (folder / "out" / "late_mask.tif").read_text() == "drawn by a person"
    assert not (folder / "out" / "late_mask.png").exists()
    (folder / "out" / "late_mask.tif").unlink()
    assert "1 segmented" in segment("--resume").stdout


def test_a_line_that_a_crash_cut_short_is_done_again(segment, folder):
    segment("--resume")
    record = folder / "out" / RECORD
    record.write_bytes(record.read_bytes()[:-20])
    assert "1 finished before" in segment("--resume").stdout
    assert "2 finished before" in segment("--resume").stdout
    lines = record.read_text(encoding="utf-8").splitlines()
    assert sum("name" in json.loads(line) for line in lines if line.endswith("}")) == 2


def test_results_of_other_settings_or_runs_are_refused(segment, folder, tmp_path):
    segment("--resume")
    other = tiny_model(tmp_path / "model", Modality.OCT, widths=(2, 4))
    for result, said in (
        (segment("--resume", model=other), "another model"),
        (segment("--resume", "--probabilities"), "another choice of probabilities"),
        (segment("--resume", "--overwrite"), "not both"),
        (segment(), "exist already"),
    ):
        assert result.exit_code == 2
        assert said in " ".join(result.stderr.split())
    write_png(folder / "in" / "new.png", scan(8))
    (folder / "out" / "new_mask.png").write_text("of another run")
    assert "new_mask.png' exists already" in segment("--resume").stderr
