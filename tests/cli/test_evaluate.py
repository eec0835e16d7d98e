import json
import shutil

import cv2
import numpy as np
import pytest

from helpers import tiny_model, write_png
from napari_retina_seg.datasets.layouts import read_dataset
from napari_retina_seg.imaging.phantom import phantom_bscan
from napari_retina_seg.inference.evaluate import iter_evaluate
from napari_retina_seg.metrics.measures import MEASURES
from napari_retina_seg.types.image import Modality
from napari_retina_seg.types.progress import finish

FILES = ["evaluation.csv", "evaluation.html", "evaluation.json"]


@pytest.fixture
def scans(tmp_path):
    """Write three phantoms in the layout of the OCT data, two of them for test."""
    folder = tmp_path / "data" / "scans"
    for seed in (1, 2, 3):
        phantom = phantom_bscan(seed, 96, 96)
        write_png(folder / f"Subject{seed}_01.png", phantom.image.pixels)
        write_png(folder / f"Subject{seed}_01_mask.png", phantom.labels)
        np.savetxt(
            folder / f"Subject{seed}_01_boundaries.csv",
            phantom.heights.T,
            delimiter=",",
            header="ILM,RNFL-GCL,IPL-INL,INL-OPL,OPL-ONL,ONL-EZ,EZ-RPE,RPE-BM",
            comments="",
        )
    splits = {"train": ["Subject1"], "val": [], "test": ["Subject2", "Subject3"]}
    (folder / "splits.json").write_text(json.dumps(splits))
    return folder


@pytest.fixture
def photos(tmp_path):
    """Write two photographs with two observers in the layout of CHASE_DB1."""
    folder = tmp_path / "data" / "chase"
    rng = np.random.default_rng(0)
    for name in ("11L", "12R"):
        photo = np.zeros((160, 170, 3), np.uint8)
        cv2.circle(photo, (85, 80), 70, (40, 90, 180), -1)
        photo[photo[..., 2] > 0] += rng.integers(
            0, 40, (int((photo[..., 2] > 0).sum()), 3), np.uint8
        )
        vessels = np.zeros((160, 170), np.uint8)
        vessels[60:70, 20:150] = 255
        folder.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(folder / f"Image_{name}.jpg"), photo)
        write_png(folder / f"Image_{name}_1stHO.png", vessels)
        write_png(folder / f"Image_{name}_2ndHO.png", np.roll(vessels, 3, axis=0))
    splits = {"train": [], "test": ["11", "12"]}
    (folder / "splits.json").write_text(json.dumps(splits))
    return folder


def files_in(folder):
    return sorted(path.name for path in folder.iterdir())


def content(folder):
    return json.loads((folder / "evaluation.json").read_text())


def test_a_model_is_scored_on_the_test_images(run, scans, oct_model, tmp_path):
    out = tmp_path / "new" / "out"
    result = run("evaluate", oct_model.path, "--data", scans, "-o", out)
    assert result.exit_code == 0, result.output
    assert result.stderr == ""
    assert files_in(out) == FILES
    (told,) = content(out)["evaluations"]
    assert [row["image"] for row in told["per_image"]] == ["Subject2_01", "Subject3_01"]
    images = [image for image in read_dataset(scans) if image.split == "test"]
    expected = finish(iter_evaluate(oct_model, images))
    for key, estimate in expected.means.items():
        part = key.part or "all"
        assert told["mean"][key.measure][part]["value"] == pytest.approx(estimate.value)
    dice = told["mean"]["dice"]["all"]
    assert f"{dice['value']:.3f} [{dice['low']:.3f}, {dice['high']:.3f}]" in result.stdout
    assert "boundary error" in result.stdout
    assert str(out / "evaluation.html") in result.stdout
    assert content(out)["about"]["split"] == "test"


def test_other_sides_and_folders_of_data_sets(run, scans, photos, oct_model, tmp_path):
    command = ("evaluate", oct_model.path, "--data", scans.parent, "-o", tmp_path / "out")
    result = run(*command, "--split", "train")
    assert result.exit_code == 0, result.output
    assert [row["image"] for row in content(tmp_path / "out")["evaluations"][0]["per_image"]] == [
        "Subject1_01"
    ]
    assert result.stderr.splitlines() == [
        "chase_db1 holds no OCT scans and is left out.",
        "Some of these images may be training images of the model, which inflates its scores.",
    ]
    assert "no interval can be given" in (tmp_path / "out" / "evaluation.html").read_text()
    result = run(*command, "--split", "all", "--overwrite")
    assert len(content(tmp_path / "out")["evaluations"][0]["per_image"]) == 3


def test_several_data_sets_are_reported_one_by_one(run, photos, fundus_model, tmp_path):
    other = tmp_path / "mine"
    for part, ending in (("images", ".jpg"), ("masks", "_1stHO.png")):
        (other / part).mkdir(parents=True)
        for path in sorted(photos.glob(f"*{ending}")):
            name = path.name.removesuffix(ending)
            shutil.copy(path, other / part / f"{name}{path.suffix}")
    result = run(
        *("evaluate", fundus_model.path, "--data", photos, "--data", other),
        *("--split", "all", "--remap", "255:1", "-o", tmp_path / "out"),
    )
    assert result.exit_code == 0, result.output
    message, warning = content(tmp_path / "out")["remarks"]
    assert message in result.stderr.splitlines()
    assert message.startswith("Each image of 'mine' is taken for a patient of its own")
    assert "--groups" in message
    assert "inflates its scores" in warning
    by_dataset = content(tmp_path / "out")["evaluations"][0]["mean_by_dataset"]
    assert list(by_dataset) == ["chase_db1", "mine"]
    values = [means["dice"]["all"] for means in by_dataset.values()]
    assert values[0]["value"] == pytest.approx(values[1]["value"])
    assert values[0]["images"] == values[1]["images"] == 2
    assert "mine" in result.stdout


def test_the_second_observer_stands_beside_the_model(run, photos, fundus_model, tmp_path):
    out = tmp_path / "out"
    result = run(
        *("evaluate", fundus_model.path, "--data", photos, "-o", out),
        *("--reference", "second_observer"),
    )
    assert result.exit_code == 0, result.output
    told = content(out)
    assert [(one["scored"], one["reference"]) for one in told["evaluations"]] == [
        ("tiny-fundus", None),
        ("second_observer", None),
        ("tiny-fundus", "second_observer"),
    ]
    page = (out / "evaluation.html").read_text()
    assert "In detail: tiny-fundus against second_observer" in page
    human = told["evaluations"][1]["mean"]
    # 7 of 10 rows of the vessel overlap
    assert human["dice"]["all"]["value"] == pytest.approx(0.7, abs=0.01)
    assert "auc" not in human
    (comparison,) = told["comparisons"]
    assert (comparison["first"], comparison["second"]) == ("tiny-fundus", "second_observer")
    model = told["evaluations"][0]["mean"]
    difference = model["dice"]["all"]["value"] - human["dice"]["all"]["value"]
    assert comparison["difference"]["dice"]["all"]["value"] == pytest.approx(difference)
    assert "tiny-fundus minus second_observer" in result.stdout


def test_two_models_are_compared(run, scans, oct_model, tmp_path):
    other = shutil.copytree(oct_model.path, tmp_path / "other")
    spec = json.loads((other / "spec.json").read_text())
    spec["name"] = "other"
    spec["postprocessing"]["smoothing"] = 4
    (other / "spec.json").write_text(json.dumps(spec))
    out = tmp_path / "out"
    result = run(*("evaluate", oct_model.path, "--data", scans, "-o", out, "--compare", other))
    assert result.exit_code == 0, result.output
    told = content(out)
    first, second = told["evaluations"]
    assert (first["scored"], second["scored"]) == ("tiny-oct", "other")
    difference = told["comparisons"][0]["difference"]["boundary_error_px"]["all"]
    values = [one["mean"]["boundary_error_px"]["all"]["value"] for one in (first, second)]
    assert difference["value"] == pytest.approx(values[0] - values[1])
    assert difference["low"] <= difference["value"] <= difference["high"]
    assert "tiny-oct compared with other" in (out / "evaluation.html").read_text()
    assert "tiny-oct minus other" in result.stdout


def test_models_of_one_name_are_told_apart_by_their_folders(run, scans, oct_model, tmp_path):
    other = shutil.copytree(oct_model.path, tmp_path / "other")
    out = tmp_path / "out"
    result = run("evaluate", oct_model.path, "--data", scans, "-o", out, "--compare", other)
    assert result.exit_code == 0, result.output
    assert [one["scored"] for one in content(out)["evaluations"]] == [
        f"tiny-oct ({oct_model.path})",
        f"tiny-oct ({other})",
    ]
    difference = content(out)["comparisons"][0]["difference"]["dice"]["all"]
    assert (difference["value"], difference["low"], difference["high"]) == (0, 0, 0)


def test_figures_are_whole_however_many_stand_side_by_side(run, photos, fundus_model, tmp_path):
    other = tiny_model(tmp_path / "other", Modality.FUNDUS).path
    result = run(
        *("evaluate", fundus_model.path, "--data", photos, "-o", tmp_path / "out"),
        *("--reference", "second_observer", "--compare", other),
    )
    assert result.exit_code == 0, result.output
    assert len(content(tmp_path / "out")["evaluations"]) == 5
    assert len(content(tmp_path / "out")["comparisons"]) == 2
    for told in content(tmp_path / "out")["evaluations"]:
        for name, measure in told["mean"].items():
            one, decimals = measure["all"], MEASURES[name].decimals
            figures = [f"{one[part]:.{decimals}f}" for part in ("value", "low", "high")]
            shown = "{} [{}, {}]".format(*figures).replace("-0.000", "0.000").replace("-", "−")
            assert shown in result.stdout


def test_an_earlier_report_is_replaced_only_on_request_in_the_window(
    run, scans, oct_model, tmp_path
):
    out = tmp_path / "out"
    out.mkdir()
    (out / "evaluation.csv").write_text("mine")
    command = ("evaluate", oct_model.path, "--data", scans, "-o", out)
    refused = run(*command)
    assert refused.exit_code == 2
    assert "--overwrite" in refused.stderr
    assert (out / "evaluation.csv").read_text() == "mine"
    assert run(*command, "--overwrite").exit_code == 0
    assert files_in(out) == FILES


def test_a_bad_file_is_named_and_left_out_if_asked(run, scans, oct_model, tmp_path):
    (scans / "Subject3_01.png").write_bytes(b"no picture")
    command = ("evaluate", oct_model.path, "--data", scans, "-o", tmp_path / "out")
    refused = run(*command)
    assert refused.exit_code == 1
    assert "Subject3_01.png" in refused.stderr
    assert "--skip-bad" in refused.stderr
    assert files_in(tmp_path / "out") == []
    result = run(*command, "--skip-bad")
    assert result.exit_code == 0, result.output
    assert "Left out: 'Subject3_01.png'" in result.stderr.replace(f"{scans}/", "")
    told = content(tmp_path / "out")
    assert len(told["evaluations"][0]["per_image"]) == 1
    assert "Subject3_01.png" in told["remarks"][0]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--data", "{photos}"], ["for OCT scans", "none in chase_db1"]),
        (["--data", "{scans}", "--split", "val"], ["no images for val", "2 for test", "--split"]),
        (["--data", "{scans}", "--reference", "nobody"], ["mask by 'nobody'", "none"]),
        (["--data", "{scans}/nothing"], ["no folder", "nothing"]),
        (["--data", "{scans}", "--split-file", "{scans}/none.json"], ["none.json", "can't be"]),
        (["--data", "{scans}", "--compare", "nonsense"], ["There is no model 'nonsense'"]),
        (["--data", "{scans}", "--compare", "{oct}"], ["compared with itself"]),
        (["--data", "{scans}", "--compare", "{fundus}"], ["tiny-fundus", "only models with"]),
        (["--data", "{scans}", "--remap", "x"], ["--remap x", "VALUE:CLASS"]),
    ],
)
def test_one_sentence_says_what_is_wrong(
    run, scans, photos, oct_model, fundus_model, tmp_path, arguments, words
):
    places = {
        "scans": scans,
        "photos": photos,
        "oct": oct_model.path,
        "fundus": fundus_model.path,
    }
    filled = [argument.format(**places) for argument in arguments]
    result = run("evaluate", oct_model.path, *filled, "-o", tmp_path / "out")
    assert result.exit_code in (1, 2)
    assert len(result.stderr.splitlines()) == 1
    assert all(word in result.stderr for word in words), result.stderr
    assert "unforeseen" not in result.stderr
    assert not (tmp_path / "out").exists()


def test_a_class_that_the_model_does_not_know_is_reported(run, scans, oct_model, tmp_path):
    write_png(scans / "Subject2_01_mask.png", np.full((96, 96), 9, np.uint8))
    result = run("evaluate", oct_model.path, "--data", scans, "-o", tmp_path / "out")
    assert result.exit_code == 1
    assert len(result.stderr.splitlines()) == 1
    assert "Subject2_01" in result.stderr
    assert "value 9" in result.stderr


def test_an_unknown_model_is_refused(run, scans, tmp_path):
    result = run("evaluate", "nonsense", "--data", scans, "-o", tmp_path / "out")
    assert result.exit_code == 2
    assert "There is no model 'nonsense'" in result.stderr


def test_the_shipped_models_score_as_documented(run, shared_data, tmp_path):
    command = ("evaluate", "oct-layers", "--data", shared_data / "oct_layers", "-o", tmp_path)
    assert run(*command).exit_code == 0
    (told,) = content(tmp_path)["evaluations"]
    assert told["mean"]["dice"]["all"]["value"] > 0.92
    assert told["mean"]["boundary_error_px"]["all"]["value"] < 0.95
