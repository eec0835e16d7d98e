"""A whole annotation job from the shell: from ten images to a model that was trained on them."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from helpers import TINY_RECIPE, tiny_model, write_png
from napari_retina_seg.cli.app import app
from napari_retina_seg.imaging.phantom import phantom_bscan
from napari_retina_seg.models.registry import open_model
from napari_retina_seg.project.project import Project
from napari_retina_seg.project.states import State
from napari_retina_seg.types.image import Modality

SHAPE = (64, 96)
NAMES = [f"p{patient}_{eye}" for patient in range(5) for eye in ("od", "os")]
ANN, BOB = ("--author", "Ann"), ("--author", "Bob")
PATIENT = ("--group-pattern", "^[^_]+")


@pytest.fixture
def do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Run a command that must succeed."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))

    def run(*arguments: object) -> Result:
        result = CliRunner().invoke(app, [str(argument) for argument in arguments])
        assert result.exit_code == 0, result.output
        return result

    return run


def states(do, project) -> dict[str, int]:
    told = json.loads(do("project", "status", project, "--json").stdout)["states"]
    return {state: number for state, number in told.items() if number}


def test_from_ten_images_to_a_model_that_learnt_from_them(do, tmp_path):
    project, masks = tmp_path / "project", tmp_path / "masks"
    for seed, name in enumerate(NAMES):
        write_png(tmp_path / "scans" / f"{name}.png", phantom_bscan(seed, *SHAPE).image.pixels)
        write_png(masks / f"{name}.png", phantom_bscan(seed, *SHAPE).labels)
    model = tiny_model(tmp_path / "tiny", Modality.OCT)

    do("project", "create", project, "--scheme", "oct-layers", *ANN)
    do("project", "add", project, tmp_path / "scans", "--copy", *PATIENT, *ANN)
    do("project", "predict", project, "--model", model.path, *ANN)
    assert states(do, project) == {"unreviewed": 10}

    for name in NAMES[:3]:
        do("project", "attach", project, name, masks / f"{name}.png", *ANN)
    do("project", "ungradable", project, NAMES[3], "--reason", "blurred", *ANN)
    do("project", "accept", project, *NAMES[4:], *ANN)
    do("project", "assign", project, *NAMES[:2], "--grader", "Bob", *ANN)
    second = masks / f"{NAMES[5]}.png"
    do("project", "attach", project, NAMES[0], second, "--second-grading", *BOB)
    blinded = CliRunner().invoke(app, ["project", "agreement", str(project), *BOB])
    assert "Bob has 1 image left to grade" in blinded.stderr
    do("project", "ungradable", project, NAMES[1], "--reason", "dark", *BOB)
    told = do("project", "agreement", project, "-o", tmp_path / "agreement", *BOB).stdout
    assert "graded by the first grader only   1" in told
    do("project", "adjudicate", project, NAMES[0], "--take", "second", "--author", "Carl")
    assert states(do, project) == {
        "accepted": 6,
        "corrected": 1,
        "second read": 1,
        "adjudicated": 1,
        "ungradable": 1,
    }
    assert (
        do("project", "check", project).stdout
        == "All records and files of the project are intact.\n"
    )

    exported, training = tmp_path / "exported", tmp_path / "training"
    do("project", "export", project, exported, "-f", "tiff", "--identities", "keep", *ANN)
    do("project", "export", project, training, "-f", "training", "--identities", "keep", *ANN)

    fresh = tmp_path / "fresh"
    do("project", "create", fresh, "--scheme", "oct-layers", "--author", "Eve")
    do("project", "add", fresh, tmp_path / "scans", *PATIENT, "--author", "Eve")
    imported = do("project", "import", fresh, exported, "--author", "Eve")
    assert imported.stdout.startswith("9 imported")
    assert "1 image marked as ungradable" in imported.stderr
    with Project(project, author="Ann") as old, Project(fresh, author="Eve") as new:
        for name in set(NAMES) - {NAMES[3]}:
            masks_of = []
            for opened in (old, new):
                image = opened.find_image(name)
                mask = opened.annotation(image.id, opened.truth(image.id).number)
                masks_of.append(mask.raster())  # as files hold it
            assert (masks_of[0] == masks_of[1]).all()
        assert new.image(new.find_image(NAMES[3]).id).state is State.UNGRADABLE
        assert new.truth(new.find_image(NAMES[0]).id).author == "Carl"

    (tmp_path / "own.toml").write_text(TINY_RECIPE)
    report = str(tmp_path / "check")
    checked = CliRunner().invoke(app, ["dataset", "check", str(training), "--out", report])
    assert checked.exit_code == 1  # what an untrained model drew was accepted unseen
    assert " of 9 masks of 'training'" in checked.stdout + checked.stderr  # how many is chance
    do("train", tmp_path / "own.toml", "--data", training, "--out", tmp_path / "run")
    assert open_model(tmp_path / "run" / "model").name == "tiny"
