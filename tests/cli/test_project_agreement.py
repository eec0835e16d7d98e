"""``project agreement``: what two graders drew, compared without a window."""

import json

import numpy as np
import pytest

from helpers import write_png
from napari_retina_seg.imaging.phantom import phantom_bscan
from napari_retina_seg.project.project import Project


@pytest.fixture
def project(run, tmp_path):
    """Make a project of two B-scans that Ann and Bob drew elsewhere."""
    folder = tmp_path / "project"
    run("project", "create", folder, "--scheme", "oct-layers", "--author", "Ann")
    for seed in range(2):
        write_png(tmp_path / "scans" / f"scan{seed}.png", phantom_bscan(seed, 96, 128).image.pixels)
    run("project", "add", folder, tmp_path / "scans")
    for seed, second in ((0, 0), (1, 5)):
        for author, drawn, more in (("Ann", seed, ()), ("Bob", second, ("--second-grading",))):
            mask = tmp_path / f"{author}{seed}.png"
            write_png(mask, phantom_bscan(drawn, 96, 128).labels)
            done = run("project", "attach", folder, f"scan{seed}", mask, "--author", author, *more)
            assert done.exit_code == 0, done.output
    return folder


def test_agreement_is_printed_and_written(run, project, tmp_path):
    result = run("project", "agreement", project, "--author", "Carl", "-o", tmp_path / "out")
    assert result.exit_code == 0, result.output
    for words in ("images compared", "first Ann, second Bob", "Cohen's kappa", "RNFL", "ILM"):
        assert words in result.stdout
    assert result.stdout.index("scan1") < result.stdout.index("scan0")
    written = [line for line in result.stdout.splitlines() if str(tmp_path) in line]
    assert [line.rpartition(".")[2] for line in written] == ["html", "csv", "json"]
    found = json.loads((tmp_path / "out" / "agreement.json").read_text())
    assert found["images"][1]["scores"]["dice"]["all"] == 1
    for file in (tmp_path / "out").iterdir():
        assert "scan0" not in file.read_text()
    kept = ("--identities", "keep", "-o", tmp_path / "kept")
    assert run("project", "agreement", project, *kept).exit_code == 0
    for file in (tmp_path / "kept").iterdir():
        assert "scan0" in file.read_text()
    again = run("project", "agreement", project, "-o", tmp_path / "out")
    assert again.exit_code == 2
    assert "exists already" in again.stderr


def test_two_gradings_are_adjudicated_by_taking_one_or_by_a_third_mask(run, project, tmp_path):
    carl = ("--author", "Carl")

    def truth(name):
        with Project(project, author="Carl") as opened:
            image = opened.find_image(name)
            version = opened.truth(image.id)
            return image.state, version.author, opened.annotation(image.id, version.number).labels

    taken = run("project", "adjudicate", project, "scan1", "--take", "second", *carl)
    assert taken.stdout == "'scan1' is adjudicated, as graded by Bob.\n"
    state, author, labels = truth("scan1")
    assert (state, author) == ("adjudicated", "Carl")
    np.testing.assert_array_equal(labels, phantom_bscan(5, 96, 128).labels)
    both = run("project", "adjudicate", project, "scan0", "scan1", "--take", "first", *carl)
    assert both.exit_code == 1
    assert "'scan1' is adjudicated" in both.stderr
    assert truth("scan0")[0] == "second read"
    again = run("project", "adjudicate", project, "scan1", "--take", "first", *carl)
    assert "'scan1' is adjudicated: only an image that was graded twice" in again.stderr

    own = tmp_path / "own.png"
    write_png(own, phantom_bscan(9, 96, 128).labels)
    attach = ("project", "attach", project, "scan0", own, "--adjudicated")
    refused = run(*attach, "--author", "Bob")
    assert "another person must adjudicate it" in refused.stderr
    both = run(*attach, "--second-grading", *carl)
    assert (both.exit_code, "not both" in both.stderr) == (2, True)
    assert run(*attach, *carl).exit_code == 0
    state, author, labels = truth("scan0")
    assert (state, author) == ("adjudicated", "Carl")
    np.testing.assert_array_equal(labels, phantom_bscan(9, 96, 128).labels)


def test_an_image_one_grader_could_not_grade_can_be_adjudicated(run, project, tmp_path):
    ann, bob = ("--author", "Ann"), ("--author", "Bob")
    write_png(tmp_path / "scan9.png", phantom_bscan(7, 96, 128).image.pixels)
    run("project", "add", project, tmp_path / "scan9.png", *ann)
    single = run("project", "adjudicate", project, "scan9", "--take", "first", *ann)
    assert "'scan9' was not graded twice: assign a second grader." in single.stderr
    run("project", "attach", project, "scan9", tmp_path / "Ann0.png", *ann)
    run("project", "assign", project, "scan9", "--grader", "Bob", *ann)
    run("project", "ungradable", project, "scan9", "--reason", "too dark", *bob)
    settled = run("project", "adjudicate", project, "scan9", "--take", "second", *ann)
    assert settled.stdout == "'scan9' is ungradable, as graded by Bob.\n"
    versions = json.loads(run("project", "history", project, "scan9", "--json", *ann).stdout)
    assert (versions[-1]["reason"], versions[-1]["author"]) == ("too dark", "Ann")


def test_no_image_was_graded_twice(run, tmp_path):
    run("project", "create", tmp_path / "new", "--scheme", "oct-layers", "--author", "Ann")
    result = run("project", "agreement", tmp_path / "new")
    assert result.exit_code == 1
    assert "assign a second grader" in result.stderr
