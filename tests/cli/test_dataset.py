import json
import shutil

import cv2
import numpy as np
import pytest

from helpers import write_png
from napari_retina_seg.imaging.phantom import phantom_bscan


@pytest.fixture
def dataset(tmp_path):
    """Write three phantoms of two eyes as folders of images and masks."""
    for number, name in enumerate(("eye1_0", "eye1_1", "eye2_0")):
        phantom = phantom_bscan(number, 96, 128)
        write_png(tmp_path / "scans" / "images" / f"{name}.png", phantom.image.pixels)
        write_png(tmp_path / "scans" / "masks" / f"{name}.png", phantom.labels)
    return tmp_path / "scans"


def test_sound_data_end_with_0_and_leave_a_report(run, dataset, tmp_path):
    result = run("dataset", "check", dataset, "-o", tmp_path / "out", "--group-pattern", "^[^_]+")
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("No problem found that would stop or spoil a training.")
    assert "a patient of its own" not in result.stdout
    assert str(tmp_path / "out" / "dataset.html") in result.stdout
    assert (tmp_path / "out" / "dataset.html").read_text(encoding="utf-8").startswith("<!DOCTYPE")
    facts = json.loads((tmp_path / "out" / "dataset.json").read_text(encoding="utf-8"))
    assert facts["splits"]["undivided"]["groups"] == {"scans/eye1": 2, "scans/eye2": 1}
    assert "images" in facts["datasets"]["scans"]["layout"]


def test_problems_come_first_and_end_with_1(run, dataset, tmp_path):
    image = dataset / "images" / "eye1_1.png"
    image.write_bytes(image.read_bytes()[:100])
    shutil.copy(dataset / "images" / "eye1_0.png", dataset / "images" / "eye2_0.png")
    (dataset / "masks" / "eye1_0.png").unlink()
    result = run("dataset", "check", dataset, "-o", tmp_path / "out", "--group-pattern", "^[^_]+")
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    assert lines[0].startswith("unreadable image: ")
    assert "eye1_1.png" in lines[0]
    assert lines[1].startswith("no readable mask: ")
    assert lines[2].startswith("copies across groups: 'scans/eye1_0' (group eye1)")
    assert (tmp_path / "out" / "dataset.html").is_file()


def test_of_many_problems_of_a_kind_the_first_are_reported(run, dataset, tmp_path):
    for number in range(8):
        phantom = phantom_bscan(10 + number, 96, 128)
        write_png(dataset / "images" / f"more{number}.png", phantom.image.pixels)
        write_png(dataset / "masks" / f"more{number}.png", 0 * phantom.labels)
    result = run("dataset", "check", dataset, "-o", tmp_path / "out")
    assert result.stdout.count("empty mask: The mask of ") == 5
    assert "empty mask: 3 more, listed in the report." in result.stdout


def test_the_suggested_remap_corrects_the_masks(run, tmp_path):
    disc = cv2.circle(np.zeros((256, 256), np.uint8), (128, 128), 120, 1, -1)
    for number in range(2):
        rng = np.random.default_rng(number)
        colors = rng.integers(60, 200, (256, 256, 3)) * disc[..., np.newaxis] * [0.3, 0.5, 1]
        vessels = cv2.line(np.zeros((256, 256), np.uint8), (20, 128), (230, 100), 254, 5)
        colors[vessels > 0] *= 0.3
        write_png(tmp_path / "set" / "images" / f"{number}.png", colors.astype(np.uint8))
        write_png(tmp_path / "set" / "masks" / f"{number}.png", vessels)
    result = run("dataset", "check", tmp_path / "set", "-o", tmp_path / "first")
    assert result.exit_code == 1
    assert "2 masks" in result.stdout
    assert "add --remap 254:1." in result.stdout
    result = run(
        "dataset", "check", tmp_path / "set", "-o", tmp_path / "second", "--remap", "254:1"
    )
    assert result.exit_code == 0, result.output


def test_several_folders_and_groups_from_a_table(run, dataset, tmp_path):
    other = shutil.copytree(dataset, tmp_path / "others")
    for number, path in enumerate(sorted((other / "images").iterdir())):
        phantom = phantom_bscan(20 + number, 96, 128)
        write_png(path, phantom.image.pixels)
        write_png(other / "masks" / path.name, phantom.labels)
    table = tmp_path / "groups.csv"
    table.write_text("name,group\neye1_0,x\neye1_1,x\neye2_0,y\n")
    result = run("dataset", "check", dataset, other, "-o", tmp_path / "out", "--groups", table)
    assert result.exit_code == 0, result.output
    facts = json.loads((tmp_path / "out" / "dataset.json").read_text(encoding="utf-8"))
    assert facts["splits"]["undivided"]["groups"] == {
        "scans/x": 2,
        "scans/y": 1,
        "others/x": 2,
        "others/y": 1,
    }


def test_another_scheme(run, dataset, tmp_path):
    arguments = ["dataset", "check", dataset, "--scheme", "fundus-vessels"]
    result = run(*arguments, "-o", tmp_path / "out")
    assert result.exit_code == 1
    assert "which 'fundus-vessels' has no class for" in result.stdout


def test_a_scheme_of_ones_own_from_a_file_or_an_exported_folder(run, dataset, tmp_path):
    for mask in (dataset / "masks").iterdir():
        labels = cv2.imread(str(mask), cv2.IMREAD_UNCHANGED)
        write_png(mask, (labels == 3) * np.uint8(1) + (labels == 6) * np.uint8(2))
    scheme = tmp_path / "lesions.toml"
    scheme.write_text("name = 'lesions'\nclasses = ['Background', 'Drusen', 'Fluid']")
    options = ["--scheme", scheme, "--group-pattern", "^[^_]+"]
    result = run("dataset", "check", dataset, "-o", tmp_path / "out", *options)
    assert result.exit_code == 0, result.output
    assert "Drusen" in result.stdout

    author = ("--author", "Ann")
    run("project", "create", tmp_path / "study", "--scheme", scheme, *author)
    run("project", "add", tmp_path / "study", dataset / "images", *author)
    brought = run("project", "import", tmp_path / "study", dataset / "masks", *author)
    assert brought.exit_code == 0, brought.output
    out = (tmp_path / "exported", "--format", "training", "--patients-from-name", "^([^_]+)_")
    exported = run("project", "export", tmp_path / "study", *out, *author)
    assert exported.exit_code == 0, exported.output
    again = run("dataset", "check", tmp_path / "exported", "-o", tmp_path / "again")
    assert again.exit_code == 0, again.output
    assert "Drusen" in again.stdout  # the folder states its classes
    assert "RNFL" not in again.stdout


def test_without_a_name_the_report_goes_to_a_new_folder(run, dataset, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for folder in ("dataset-check", "dataset-check-2"):
        result = run("dataset", "check", dataset)
        assert result.exit_code == 0
        assert "Each image of 'scans' is taken for a patient of its own" in result.stdout
        assert (tmp_path / folder / "dataset.json").is_file()


def test_an_earlier_report_is_replaced_only_on_request(run, dataset, tmp_path):
    arguments = ["dataset", "check", dataset, "-o", tmp_path / "out"]
    assert run(*arguments).exit_code == 0
    result = run(*arguments)
    assert result.exit_code == 2
    assert "add --overwrite" in result.stderr
    assert run(*arguments, "--overwrite").exit_code == 0


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--scheme", "oct"], "There is no scheme 'oct': choose one of oct-layers"),
        (["--remap", "255"], "write VALUE:CLASS"),
        (["--remap", "256:1"], "up to 255"),
        (["--group-pattern", "("], "is not a regular expression"),
        (["--groups", "nowhere.csv"], "nowhere.csv"),
    ],
)
def test_wrong_options_are_refused_before_anything_is_read(run, dataset, tmp_path, options, said):
    result = run("dataset", "check", dataset, "-o", tmp_path / "out", *options)
    assert result.exit_code == 2
    assert said in result.stderr
    assert not (tmp_path / "out").exists()


def test_groups_come_from_one_source(run, dataset, tmp_path):
    table = tmp_path / "groups.csv"
    table.write_text("name,group\n")
    result = run("dataset", "check", dataset, "--groups", table, "--group-pattern", "x")
    assert result.exit_code == 2
    assert "give only one" in result.stderr


def test_a_folder_that_is_missing_or_no_data_set(run, tmp_path):
    assert run("dataset", "check", tmp_path / "nowhere").exit_code == 2
    (tmp_path / "empty").mkdir()
    result = run("dataset", "check", tmp_path / "empty", "-o", tmp_path / "out")
    assert result.exit_code == 1
    assert "No data set was found" in result.stderr
    assert not (tmp_path / "out").exists()


# Patients of all sides of the split, those whose images are in it twice among them.
SOME = {
    "oct_layers": ("Subject1_", "Subject6_", "Subject7_", "Subject8_"),
    "chase_db1": ("Image_01", "Image_02", "Image_13", "Image_14"),
}


@pytest.mark.data
@pytest.mark.parametrize("name", SOME)
def test_the_published_data_are_sound(run, shared_data, tmp_path, name):
    (tmp_path / name).mkdir()
    for path in (shared_data / name).iterdir():
        if path.name.startswith(SOME[name]) or not path.name.startswith(("Subject", "Image")):
            shutil.copy(path, tmp_path / name)
    result = run("dataset", "check", tmp_path / name, "-o", tmp_path / "out")
    assert result.exit_code == 0, result.output
    facts = json.loads((tmp_path / "out" / "dataset.json").read_text(encoding="utf-8"))
    copies = [(copy["first"], copy["second"], copy["relation"]) for copy in facts["copies"]]
    same = (2, 3, 4, 5, 6, 10) if name == "oct_layers" else ()
    assert copies == [
        (f"oct_layers/Subject1_{k:02d}", f"oct_layers/Subject8_{k:02d}", "other_group")
        for k in same
    ]
