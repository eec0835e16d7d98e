import csv
from html import unescape

import numpy as np
import pytest

from helpers import write_png
from napari_retina_seg.imaging.phantom import phantom_bscan

SCAN = phantom_bscan(rows=96, columns=128)


@pytest.fixture
def files(tmp_path):
    write_png(tmp_path / "scan.png", SCAN.image.pixels)
    write_png(tmp_path / "masks" / "scan_mask.png", SCAN.labels)
    return tmp_path


def read(path) -> list[dict]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_masks_are_measured_in_pixels_unless_the_size_is_stated(run, files):
    call = ("measure", files / "scan.png", "--masks", files / "masks", "--scheme", "oct-layers")
    result = run(*call, "-o", files / "t.csv", "--modality", "oct")
    assert result.exit_code == 0, result.output
    assert "lengths are in px: state it with --pixel-size" in result.stderr
    rows = read(files / "t.csv")
    rnfl = float(rows[0]["mean [px]"])
    assert rnfl == pytest.approx((SCAN.labels == 1).sum(axis=0).mean(), rel=1e-5)
    assert run(*call, "-o", files / "t.csv").exit_code == 2
    result = run(*call, "-o", files / "t.csv", "--overwrite", "--pixel-size", "4,12", "--eye", "OD")
    assert result.exit_code == 0, result.output
    row = read(files / "t.csv")[0]
    assert float(row["mean [µm]"]) == pytest.approx(4 * rnfl, rel=1e-5)
    assert (row["image"], row["axial pixel size from"], row["laterality"]) == ("scan", "user", "OD")


def test_a_report_has_a_page_for_each_image(run, files):
    write_png(files / "other.png", SCAN.image.pixels)
    write_png(files / "masks" / "other.png", SCAN.labels)
    call = ("measure", files / "scan.png", files / "other.png", "--masks", files / "masks",
            "--scheme", "oct-layers", "--modality", "oct", "-o", files / "t.csv")  # fmt: skip
    result = run(*call, "--report", files / "r.html")
    assert result.exit_code == 0, result.output
    assert str(files / "r.html") in result.stdout
    page = (files / "r.html").read_text(encoding="utf-8")
    titles = [f"{name} · eye not known" for name in ("scan", "other")]
    assert [page.count(f">{title}<") for title in titles] == [1, 1]
    assert {row["APOSTEL 2.0"] for row in read(files / "t_apostel.csv")} >= {"Study protocol"}
    result = run(*call, "--report", files / "r.html", "-o", files / "other.csv")
    assert (result.exit_code, "r.html' exists already" in result.stderr) == (2, True)


def test_without_masks_the_image_is_segmented_first(run, scan, oct_model, tmp_path):
    result = run("measure", scan, "-o", tmp_path / "t.json", "--model", oct_model.path,
                 "--uncertainty")  # fmt: skip
    text = (tmp_path / "t.json").read_text(encoding="utf-8") if result.exit_code == 0 else ""
    # A tiny network may draw nothing: then this is said.
    assert "tiny-oct" in text or "The mask is empty" in result.stderr, result.output


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (["-o", "t.txt"], 2, "is no table"),
        (["-o", "t.csv", "--fovea", "3"], 2, "--fovea SLICE,COLUMN"),
        (["-o", "t.csv", "--disc", "a,b,c"], 2, "--disc ROW,COLUMN,DIAMETER"),
        (["-o", "t.csv", "--pixel-size", "0,0"], 2, "axial pixel size is 0 µm"),
        (["-o", "t.csv", "--report", "r.doc"], 2, "not a name for a report"),
        (["-o", "t.csv", "--masks", "none"], 2, "There is no folder"),
        (["-o", "t.csv", "--masks", "."], 1, "has no mask of 'scan.png'"),
    ],
)
def test_wrong_options_are_one_sentence(run, files, monkeypatch, options, code, message):
    monkeypatch.chdir(files)
    result = run("measure", "scan.png", *options)
    assert result.exit_code == code, result.output
    assert message in result.stderr
    assert not list(files.glob("t.*"))


def test_one_file_that_fails_does_not_stop_the_others(run, files):
    write_png(files / "other.png", SCAN.image.pixels)
    write_png(files / "masks" / "other.png", np.zeros((96, 128), np.uint8))
    result = run("measure", files / "other.png", files / "scan.png", "--masks", files / "masks",
                 "--scheme", "oct-layers", "-o", files / "t.csv")  # fmt: skip
    assert result.exit_code == 1
    assert "'other" in result.stderr.replace(str(files), "'other")
    assert "The mask is empty" in result.stderr
    pair = run("measure", files / "other.png", files / "scan.png", "-o", files / "p.csv",
               "--fovea", "0,64")  # fmt: skip
    assert (pair.exit_code, "fovea or a disc is that of one image" in pair.stderr) == (2, True)
    assert {row["image"] for row in read(files / "t.csv")} == {"scan"}


FOLLOW = ("--scheme", "oct-layers", "--modality", "oct", "--pixel-size", "4,12",
          "--fovea", "0,64", "--other-fovea", "0,64")  # fmt: skip


def test_a_visit_is_compared_with_an_earlier_one(run, files):
    write_png(files / "before" / "earlier.png", SCAN.image.pixels)
    thinner = SCAN.labels.copy()
    top = (thinner == 1).argmax(axis=0)
    thinner[top, np.arange(128)] = 0  # RNFL by a pixel
    write_png(files / "masks" / "earlier_mask.png", thinner)
    call = ("measure", files / "scan.png", "--masks", files / "masks", *FOLLOW,
            "-o", files / "t.csv")  # fmt: skip
    earlier = files / "before" / "earlier.png"
    result = run(*call, "--baseline", earlier, "--eye", "OS")
    assert result.exit_code == 0, result.output
    assert "error of the difference is not known" in result.stderr
    rows = {row["abbreviation"]: row for row in read(files / "t_follow-up.csv")}
    assert float(rows["RNFL"]["difference [µm]"]) == pytest.approx(4)
    assert float(rows["GCL+IPL"]["difference [µm]"]) == pytest.approx(0)
    assert rows["RNFL"]["compared with: image"] == "earlier"
    for options, message in (
        (("--baseline", earlier), "not known which eye 'scan' shows: state it"),
        (("--fellow", earlier), "not known which eye"),
        (("--baseline", earlier, "--fellow", earlier), "one scan at a time"),
        (("--baseline", files / "masks"), "holds 2 images: name one"),
        ((), "--other-fovea is of the scan"),
    ):
        result = run(*call, "--overwrite", *options)
        assert result.exit_code != 0
        assert message in " ".join(result.stderr.split())
    result = run(*call, "--overwrite", "--fellow", earlier, "--eye", "OS",
                 "--report", files / "r.html")  # fmt: skip
    assert result.exit_code == 0, result.output
    page = unescape((files / "r.html").read_text("utf-8"))
    assert "Asymmetry of ILM–BM, against 'earlier'" in page
    rows = {row["abbreviation"]: row for row in read(files / "t_asymmetry.csv")}
    assert float(rows["RNFL"]["difference [µm]"]) == pytest.approx(-4)  # right minus left
    assert not (files / "t_follow-up.csv").exists()


def test_a_baseline_that_cannot_be_read_does_not_stop_the_measurement(run, files):
    (files / "Doe_1970").mkdir()
    broken = files / "Doe_1970" / "earlier.png"
    broken.write_bytes((files / "scan.png").read_bytes()[:60])
    result = run("measure", files / "scan.png", "--masks", files / "masks", *FOLLOW,
                 "--eye", "OS", "--baseline", broken, "-o", files / "t.csv",
                 "--report", files / "r.html")  # fmt: skip
    assert result.exit_code == 1
    assert "1 measured, 0 failed, 1 not compared." in result.stdout
    assert "Not compared: 'earlier.png'" in " ".join(result.stderr.split())
    assert {row["image"] for row in read(files / "t.csv")} == {"scan"}
    page = unescape((files / "r.html").read_text("utf-8"))
    assert "Not compared: 'earlier.png'" in page
    assert "Doe_1970" not in page
