from pathlib import Path

import pytest

from napari_retina_seg.cli.console import UsageError
from napari_retina_seg.cli.inputs import check_outputs, expand
from napari_retina_seg.imaging.cam import Method
from napari_retina_seg.io.images.series import group_series


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a.png", "b.TIF", "c.txt", ".hidden.png", "a_mask.png", "a_overlay.png"):
        (tmp_path / name).write_bytes(b"x")
    return tmp_path


def names(arguments: list[str]) -> list[str]:
    return [path.name for path in expand(arguments).paths]


def test_a_folder_means_its_images_but_not_the_results_that_lie_beside_them(folder):
    assert names([str(folder)]) == ["a.png", "b.TIF"]


def test_a_pattern_that_the_shell_left_is_expanded(folder):
    assert names([str(folder / "?.png")]) == ["a.png"]
    assert names([str(folder / "**" / "*.TIF")]) == ["b.TIF"]


def test_a_name_with_brackets_is_no_pattern_where_there_is_such_a_file(folder):
    (folder / "eye[1].png").write_bytes(b"x")
    assert names([str(folder / "eye[1].png")]) == ["eye[1].png"]


def test_a_file_named_twice_is_read_once(folder, monkeypatch):
    monkeypatch.chdir(folder)
    assert names(["a.png", "*.png", str(folder / "a.png")])[0] == "a.png"
    assert names(["a.png", "./a.png"]) == ["a.png"]


def test_what_names_nothing_is_reported(tmp_path):
    (tmp_path / "empty").mkdir()
    found = expand([str(tmp_path / "empty"), str(tmp_path / "*.dcm"), "missing.png"])
    assert found.paths == (Path("missing.png"),)
    assert "There is no image in the folder" in found.problems[0]
    assert "No file matches" in found.problems[1]


def test_two_images_of_one_name_are_refused_before_anything_is_done(tmp_path):
    paths = (tmp_path / "od" / "scan.png", tmp_path / "os" / "Scan.tif")
    with pytest.raises(UsageError, match="would have the same names"):
        check_outputs(group_series(paths), tmp_path / "out", overwrite=True)
    assert not (tmp_path / "out").exists()


def test_an_input_is_never_overwritten(folder):
    paths = (folder / "a.png", folder / "a_mask.png")
    with pytest.raises(UsageError, match=r"replace the input '.*a_mask\.png'"):
        check_outputs(group_series(paths), folder, overwrite=True)


def test_results_are_not_overwritten_unless_asked(folder):
    with pytest.raises(UsageError, match=r"1 more exist already: .* --overwrite"):
        check_outputs(group_series([folder / "a.png"]), folder, overwrite=False)
    check_outputs(group_series([folder / "a.png"]), folder, overwrite=True)
    check_outputs(group_series([folder / "b.TIF"]), folder, overwrite=False)


def test_a_folder_that_cannot_be_written_is_reported_before_the_work(folder):
    with pytest.raises(UsageError, match="Nothing can be written to"):
        check_outputs(group_series([folder / "b.TIF"]), folder / "c.txt", overwrite=False)
    with pytest.raises(UsageError, match="Nothing can be written to"):
        check_outputs(
            group_series([folder / "b.TIF"]), folder / "c.txt" / "deeper", overwrite=False
        )


def test_results_of_another_image_that_lies_beside_are_no_images(folder):
    slugs = [method.slug for method in Method]
    for name in ("a_explain.png", *(f"a_GCL+IPL_{slug}.npy" for slug in slugs), "a_X_layercam.tif"):
        (folder / name).write_bytes(b"x")
    (folder / "other_X_layercam.tif").write_bytes(b"x")
    assert names([str(folder)]) == ["a.png", "b.TIF", "other_X_layercam.tif"]


def test_names_that_are_uids_are_two_images(tmp_path):
    paths = [tmp_path / "1.2.840.113619.2.1", tmp_path / "1.2.840.113619.2.2"]
    for path in paths:
        path.write_bytes(b"x")
    images = group_series(paths)
    assert [image.name for image in images] == [path.name for path in paths]
    check_outputs(images, tmp_path / "out", overwrite=False)


def test_a_folder_says_what_it_skipped(folder):
    (message,) = expand([str(folder)]).warnings
    assert "'c.txt' (not an image)" in message
    assert "'a_mask.png' (a result for another image)" in message
    assert ".hidden" not in message
