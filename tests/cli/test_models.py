import json
import shutil

from napari_retina_seg.cli.batch import choose_model
from napari_retina_seg.models.registry import WEIGHTS_FILE, list_models
from napari_retina_seg.models.spec import ModelSpec


def test_a_model_that_was_added_is_listed(run, oct_model):
    added = run("models", "add", oct_model.path)
    assert added.exit_code == 0
    assert "Added 'tiny-oct'" in added.stdout
    table = run("models").stdout
    assert "tiny-oct" in table
    assert "not measured" in " ".join(table.split())


def test_names_are_whole_in_80_columns(run, oct_model, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    run("models", "add", oct_model.path)
    lines = run("models").stdout.splitlines()
    assert max(map(len, lines)) <= 80
    for model in list_models():
        assert any(model.name in line for line in lines)


def test_short_names_are_listed_beside_the_whole_ones(run):
    table = run("models").stdout
    assert "(oct-layers)" in table
    assert "(fundus-vessels)" in table


def test_a_former_name_is_taken_with_a_notice(capsys):
    assert choose_model("segnet-duke").name == "segnet-tian2015"
    assert "'segnet-duke' is now called 'segnet-tian2015'" in capsys.readouterr().err
    assert choose_model("oct-layers").name == "resunet-tian2015-phantoms"
    assert capsys.readouterr().err == ""


def test_json_holds_the_whole_specs(run, oct_model):
    run("models", "add", oct_model.path)
    listed = json.loads(run("models", "--json").stdout)
    record = next(entry for entry in listed if entry["name"] == "tiny-oct")
    assert record.pop("path") == str(oct_model.path)
    assert ModelSpec.model_validate(record) == oct_model.spec


def test_a_model_that_was_added_is_used_by_its_name(run, scan, oct_model, tmp_path):
    run("models", "add", oct_model.path)
    result = run("segment", scan, "-o", tmp_path / "out", "--model", "tiny-oct")
    assert result.exit_code == 0, result.output


def test_a_damaged_model_is_not_added(run, oct_model, tmp_path):
    folder = shutil.copytree(oct_model.path, tmp_path / "damaged")
    (folder / WEIGHTS_FILE).write_bytes(b"cut")
    result = run("models", "add", folder)
    assert result.exit_code == 1
    assert "cut short or altered" in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert "tiny-oct" not in run("models").stdout


def test_what_is_no_model_folder_is_not_added(run, tmp_path):
    result = run("models", "add", tmp_path)
    assert result.exit_code == 1
    assert "is not a model folder" in result.stderr
