"""Models handed on as archives: what comes out is what went in, or it is refused."""

import json
import shutil
import zipfile

import pytest

from helpers import tiny_model
from napari_retina_seg.models.archive import export_model, import_model
from napari_retina_seg.models.registry import (
    added_paths,
    find_model,
    open_model,
    remove_model,
)
from napari_retina_seg.types.errors import ModelError, WriteError
from napari_retina_seg.types.image import Modality


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return tiny_model(tmp_path_factory.mktemp("models") / "tiny-oct", Modality.OCT)


@pytest.fixture(autouse=True)
def own_folders(monkeypatch, tmp_path):
    for variable in ("XDG_CONFIG_HOME", "XDG_DATA_HOME"):
        monkeypatch.setenv(variable, str(tmp_path / variable))


@pytest.fixture
def archive(model, tmp_path):
    return export_model(model, tmp_path / "tiny.zip")


def rewrite(archive, change):
    """Write an archive anew with changed files, a mapping of names to contents."""
    with zipfile.ZipFile(archive) as source:
        files = {name: source.read(name) for name in source.namelist()}
    changed = archive.with_name("changed.zip")
    with zipfile.ZipFile(changed, "w") as target:
        for name, content in change(files).items():
            target.writestr(name, content)
    return changed


def test_a_model_travels_whole(model, archive):
    again = import_model(archive)
    assert again.spec == model.spec
    assert again.path.name == "tiny-oct"
    assert again.path.parent.name == "models"
    for file in ("spec.json", "model.weights.h5", "card.md"):
        assert (again.path / file).read_bytes() == (model.path / file).read_bytes()
    assert find_model("tiny-oct").path == again.path


def test_limits_travel_with_a_model(tmp_path):
    shipped = find_model("oct-layers")
    path = export_model(shipped, tmp_path / "shipped.zip")
    with zipfile.ZipFile(path) as archive:
        assert "resunet-tian2015-phantoms/limits.json" in archive.namelist()


def test_the_same_model_makes_the_same_archive(model, archive, tmp_path):
    assert export_model(model, tmp_path / "b.zip").read_bytes() == archive.read_bytes()


def test_nothing_is_overwritten(model, archive):
    with pytest.raises(WriteError, match="exists already"):
        export_model(model, archive)
    import_model(archive)
    with pytest.raises(ModelError, match="exists already"):
        import_model(archive)
    with pytest.raises(ModelError, match="already a model 'tiny-oct'"):
        import_model(archive, archive.parent / "elsewhere")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda files: files | {"../evil.txt": b"x"}, "is no model"),
        (lambda files: files | {"/etc/evil": b"x"}, "is no model"),
        (lambda files: files | {"C:\\evil": b"x"}, "is no model"),
        (lambda files: files | {"tiny-oct/run.py": b"x"}, "it holds 'run.py'"),
        (lambda files: files | {"other/spec.json": b"{}"}, "several models"),
        (lambda files: {k: v for k, v in files.items() if "weights" not in k}, "is missing"),
        (lambda files: files | {"tiny-oct/model.weights.h5": b"cut"}, "cut short or altered"),
        (lambda files: files | {"tiny-oct/spec.json": b"{}"}, "is not a valid model spec"),
        (lambda files: files | {"tiny-oct/spec.json": b"\xff"}, "can't be read"),
    ],
)
def test_what_is_not_one_sound_model_is_refused_and_leaves_nothing(
    archive, change, reason, tmp_path
):
    changed = rewrite(archive, change)
    before = {path.name for path in tmp_path.iterdir()}
    with pytest.raises(ModelError, match=reason):
        import_model(changed, tmp_path / "new")
    assert added_paths() == []
    assert {path.name for path in tmp_path.iterdir()} == before


def test_a_name_that_leads_out_of_the_models_is_refused(archive, tmp_path):
    def rename(files):
        spec = json.loads(files["tiny-oct/spec.json"]) | {"name": "../outside"}
        return files | {"tiny-oct/spec.json": json.dumps(spec).encode()}

    with pytest.raises(ModelError, match="is not a valid model spec: name"):
        import_model(rewrite(archive, rename))
    assert not (tmp_path / "outside").exists()


def test_a_damaged_archive_is_reported(archive):
    archive.write_bytes(archive.read_bytes()[:-30])
    with pytest.raises(ModelError, match="can't be read as a ZIP archive"):
        import_model(archive)


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_damaged_data_in_a_sound_archive_is_reported(model, tmp_path, method):
    path = tmp_path / "damaged.zip"
    with zipfile.ZipFile(path, "w", method) as archive:
        for name in ("spec.json", "model.weights.h5"):
            archive.write(model.path / name, name)
    content = bytearray(path.read_bytes())
    start = 30 + len("spec.json")  # behind the header of the first file
    content[start : start + 40] = b"\xff" * 40
    path.write_bytes(content)
    with pytest.raises(ModelError, match="can't be read as a ZIP archive"):
        import_model(path, tmp_path / "new")


def test_a_model_is_taken_from_the_list_and_its_folder_stays(archive):
    added = import_model(archive)
    assert remove_model("tiny-oct") == added.path
    assert added_paths() == []
    assert open_model(added.path).name == "tiny-oct"
    with pytest.raises(ModelError, match="was not added"):
        remove_model("tiny-oct")
    with pytest.raises(ModelError, match="comes with the program"):
        remove_model("oct-layers")


def test_a_folder_that_is_gone_can_still_be_taken_from_the_list(archive):
    path = import_model(archive).path
    shutil.rmtree(path)
    remove_model(str(path))
    assert added_paths() == []
