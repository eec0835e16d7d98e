import pytest

from napari_retina_seg.io import max_pixels
from napari_retina_seg.io._decoding import MAX_PIXELS


def test_max_pixels_holds_for_the_command_alone(run, scan, oct_model, tmp_path):
    command = ("segment", scan, "-o", tmp_path / "out", "--model", oct_model.path)
    refused = run(*command, "--max-pixels", 96 * 128 - 1)
    assert refused.exit_code == 1
    assert "12,288" in refused.stderr
    assert "--max-pixels" in refused.stderr
    assert max_pixels() == MAX_PIXELS
    assert run(*command, "--max-pixels", 96 * 128).exit_code == 0


@pytest.mark.parametrize(
    "command",
    [
        ("segment",),
        ("explain",),
        ("evaluate",),
        ("train",),
        ("dataset", "check"),
        *(("project", name) for name in ("add", "predict", "accept", "attach", "check")),
        *(("project", name) for name in ("export", "import", "agreement", "adjudicate")),
    ],
    ids=" ".join,
)
def test_every_command_that_opens_files_has_the_option(run, command):
    assert "--max-pixels" in run(*command, "--help").stdout


@pytest.mark.parametrize("wrong", [0, -1, "many"])
def test_a_limit_that_is_none_is_refused(run, scan, tmp_path, wrong):
    result = run("segment", scan, "-o", tmp_path / "out", "--max-pixels", wrong)
    assert result.exit_code == 2
