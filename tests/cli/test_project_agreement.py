"""``project agreement``: what two readers drew, compared without a window."""

import json

import pytest

from helpers import write_png
from napari_retina_seg.core.phantom import phantom_bscan


@pytest.fixture
def project(run, tmp_path):
    """Make a project of two B-scans that Ann and Bob drew elsewhere."""
    folder = tmp_path / "project"
    run("project", "create", folder, "--scheme", "oct-layers", "--author", "Ann")
    for seed in range(2):
        write_png(tmp_path / "scans" / f"scan{seed}.png", phantom_bscan(seed, 96, 128).image.pixels)
    run("project", "add", folder, tmp_path / "scans")
    for seed, second in ((0, 0), (1, 5)):
        for author, drawn, more in (("Ann", seed, ()), ("Bob", second, ("--second-read",))):
            mask = tmp_path / f"{author}{seed}.png"
            write_png(mask, phantom_bscan(drawn, 96, 128).labels)
            done = run("project", "attach", folder, f"scan{seed}", mask, "--author", author, *more)
            assert done.exit_code == 0, done.output
    return folder


def test_agreement_is_told_and_written(run, project, tmp_path):
    result = run("project", "agreement", project, "--author", "Carl", "-o", tmp_path / "out")
    assert result.exit_code == 0, result.output
    for words in ("images compared", "first Ann, second Bob", "Cohen's kappa", "RNFL", "ILM"):
        assert words in result.stdout
    assert result.stdout.index("scan1") < result.stdout.index("scan0")
    written = [line for line in result.stdout.splitlines() if str(tmp_path) in line]
    assert [line.rpartition(".")[2] for line in written] == ["html", "csv", "json"]
    found = json.loads((tmp_path / "out" / "agreement.json").read_text())
    assert found["images"][1]["scores"]["dice"]["all"] == 1
    again = run("project", "agreement", project, "-o", tmp_path / "out")
    assert again.exit_code == 2
    assert "is there already" in again.stderr


def test_nobody_has_read_twice(run, tmp_path):
    run("project", "create", tmp_path / "new", "--scheme", "oct-layers", "--author", "Ann")
    result = run("project", "agreement", tmp_path / "new")
    assert result.exit_code == 1
    assert "choose a second reader" in result.stderr
