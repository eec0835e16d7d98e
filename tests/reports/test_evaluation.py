import base64
import csv
import json
import re
from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from napari_retina_seg.imaging.agreement_picture import (
    AGREED,
    DRAWN,
    FIELD,
    INVENTED,
    MISSED,
    REFERENCE,
)
from napari_retina_seg.imaging.fov import FieldOfView
from napari_retina_seg.imaging.phantom import phantom_bscan
from napari_retina_seg.metrics.evaluation import (
    Evaluation,
    EvaluationAccumulator,
    ScoredImage,
    compare,
)
from napari_retina_seg.metrics.measures import Key
from napari_retina_seg.reports.evaluation import Report, format_score, how_sure, write_report
from napari_retina_seg.reports.evaluation.plots import case_png
from napari_retina_seg.types.annotation import Annotation
from napari_retina_seg.types.errors import WriteError
from napari_retina_seg.types.labels import FUNDUS_VESSELS, OCT_LAYERS, LabelScheme

GRID = (40, 50)
EMPTY = np.zeros((96, 64), np.uint8)


def vessels(name: str, noise: float, *, probabilities: bool = True, images: int = 4):
    rng = np.random.default_rng(0)
    tally = EvaluationAccumulator(FUNDUS_VESSELS)
    for k in range(images):
        truth = (rng.random(GRID) < 0.3).astype(np.uint8)
        p = np.clip(truth * 0.6 + 0.2 + rng.normal(0, noise, GRID), 0, 1).astype(np.float16)
        drawn = Annotation((p > 0.5).astype(np.uint8), probabilities=np.stack([1 - p, p]))
        if not probabilities:
            drawn = Annotation(drawn.labels)
        pixels = rng.integers(0, 255, (*GRID, 3), np.uint8)
        one = ScoredImage(f"photo <{k}>", f"set {k % 2}", f"set {k % 2}/{k}", pixels)
        tally.add(one, Annotation(truth), drawn)
    return tally.result(name, None)


def layers(axial_um: float | None = None) -> Evaluation:
    tally = EvaluationAccumulator(OCT_LAYERS)
    for seed in range(2):
        phantom = phantom_bscan(seed, 96, 64)
        one = ScoredImage(
            f"scan {seed}", "scans", "scans/1", phantom.image.pixels, axial_um=axial_um
        )
        reference = Annotation(phantom.labels, phantom.heights)
        labels = np.roll(phantom.labels, seed + 1, axis=0)
        tally.add(one, reference, Annotation(labels, phantom.heights + seed + 1))
    return tally.result("model", None)


def test_the_field_of_view_is_reported_and_outlined(tmp_path) -> None:
    inside = np.zeros(GRID, bool)
    inside[5:35, 5:45] = True
    tally = EvaluationAccumulator(FUNDUS_VESSELS)
    truth = np.zeros(GRID, np.uint8)
    truth[10:20, 10:20] = 1
    for name, field in (("a", FieldOfView.given(inside)), ("b", FieldOfView.whole(GRID))):
        pixels = np.zeros((*GRID, 3), np.uint8)
        one = ScoredImage(name, "set", f"set/{name}", pixels, field.mask(), field=field)
        drawn = np.roll(truth, 2, axis=0)
        sure = np.stack([1 - drawn, drawn]).astype(np.float16)
        tally.add(one, Annotation(truth), Annotation(drawn, probabilities=sure))
    evaluation = tally.result("model", None)
    page, table, data = write_report(alone(evaluation), tmp_path)
    assert "given: 1, whole image: 1" in texts(page.read_text())
    assert evaluation.field_note
    assert evaluation.field_note in texts(page.read_text())
    assert evaluation.field_note in json.loads(data.read_text())["remarks"]
    rows = list(csv.DictReader(table.read_text().splitlines()))
    assert [row["field_of_view"] for row in rows] == ["given", "whole image"]
    per_image = json.loads(data.read_text())["evaluations"][0]["per_image"]
    assert [row["field_of_view"] for row in per_image] == ["given", "whole image"]
    for case in evaluation.worst:
        picture = np.asarray(Image.open(BytesIO(case_png(case, FUNDUS_VESSELS))))
        line = (picture == FIELD).all(axis=2)
        assert line[5, 10:40].all() == (case.image.name == "a")
        assert line.any() == (case.image.name == "a")


def alone(evaluation: Evaluation) -> Report:
    return Report("Alone", evaluation, (evaluation,))


def texts(html: str) -> list[str]:
    return [text.strip() for text in re.findall(r">([^<>]+)<", html) if text.strip()]


def pictures(html: str) -> list[Image.Image]:
    found = re.findall(r'src="data:image/png;base64,([^"]+)"', html)
    return [Image.open(BytesIO(base64.b64decode(data))) for data in found]


def table_below(html: str, heading: str) -> list[list[str]]:
    after = html.split(f">{heading}</h", 1)[1]
    rows = re.findall(r"<tr>(.*?)</tr>", after.split("</table>", 1)[0], re.DOTALL)
    return [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row) for row in rows]


@pytest.fixture
def report() -> Report:
    model, other = vessels("model", 0.1), vessels("other", 0.3)
    human = vessels("second_observer", 0.2, probabilities=False)
    return Report(
        "Evaluation of model",
        model,
        (model, other, human),
        (compare(model, other),),
        {"data": "set 0, set 1"},
        ("One <image> was left out.",),
    )


def test_three_files_are_written(report, tmp_path) -> None:
    written = write_report(report, tmp_path / "new")
    assert [path.name for path in written] == [
        *("evaluation.html", "evaluation.csv", "evaluation.json")
    ]
    assert sorted(tmp_path.glob("new/*")) == sorted(written)


def test_the_page_shows_the_computed_figures(report, tmp_path) -> None:
    html = write_report(report, tmp_path)[0].read_text()
    header, *rows = table_below(html, "Summary")
    assert header[:5] == ["scored", "against", "images", "patients", "Dice (F1)"]
    for row, one in zip(rows, report.evaluations, strict=True):
        dice = one.means[Key("dice")]
        expected = f"{dice.value:.3f} [{dice.low:.3f}, {dice.high:.3f}]"
        assert row[:5] == [one.name, "the reference", "4", "4", expected]
    assert rows[2][header.index("AUC")] == ""
    assert "One &lt;image&gt; was left out." in html
    rows = {row[0]: row for row in table_below(html, "In detail: model against the reference")}
    pooled = report.main.pooled_estimates[Key("dice")]
    assert rows["Dice (F1)"][3:] == [
        f"{pooled.value:.3f}",
        f"{pooled.low:.3f} to {pooled.high:.3f}",
        "4",
    ]
    assert rows["AUC"][3:] == [f"{report.main.pooled[Key('auc')]:.3f}", "", "4"]
    per_image = table_below(html, "Every image, worst first")[1:]
    ranked = report.main.ranked
    assert [row[1] for row in per_image] == [
        row.name.replace("<", "&lt;").replace(">", "&gt;") for row in ranked
    ]
    by_dataset = table_below(html, "By data set")
    assert [row[:2] for row in by_dataset[1:]] == [["set 0", "2"], ["set 1", "2"]]


def test_a_comparison_has_signs_and_intervals(report, tmp_path) -> None:
    html = write_report(report, tmp_path)[0].read_text()
    rows = {row[0]: row[1:] for row in table_below(html, "model compared with other")}
    difference = report.comparisons[0].differences[Key("dice")]
    assert rows["Dice (F1)"][2:] == [
        f"+{difference.value:.3f}",
        f"+{difference.low:.3f} to +{difference.high:.3f}",
    ]
    assert rows["calibration error"][2].startswith(("−", "+"))


@pytest.mark.parametrize(
    ("value", "signed", "expected"),
    [
        (0.12345, False, "0.123"),
        (-0.5, False, "−0.500"),
        (0.5, True, "+0.500"),
        (-0.0001, True, "0.000"),
        (0.0, True, "0.000"),
        (None, True, ""),
    ],
)
def test_figures_have_the_decimals_of_their_measure(value, signed, expected) -> None:
    assert format_score(value, "dice", signed=signed) == expected


def test_few_patients_come_with_a_warning(report, tmp_path) -> None:
    assert "too narrow rather than too wide" in write_report(report, tmp_path)[0].read_text()
    assert "too narrow" not in how_sure(vessels("model", 0.1, images=12))


def test_the_page_needs_nothing_beside_it(report, tmp_path) -> None:
    html = write_report(report, tmp_path)[0].read_text()
    assert "<script" not in html
    assert not re.search(r'(src|href)="(?!data:)', html)
    # confusion, reliability, and the four worst cases
    assert len(pictures(html)) == 6


def test_the_same_report_gives_the_same_files(report, tmp_path) -> None:
    first = write_report(report, tmp_path / "a")
    second = write_report(report, tmp_path / "b")
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]


def test_one_patient_gives_no_interval_and_reports_it(tmp_path) -> None:
    report = alone(layers())
    html = write_report(report, tmp_path)[0].read_text()
    assert "no interval can be given" in html
    (row,) = table_below(html, "Summary")[1:]
    assert row[4] == f"{report.main.means[Key('dice')].value:.3f}"
    assert "None" not in html
    assert "nan" not in texts(html)


def test_layers_have_tables_of_classes_boundaries_and_thickness(tmp_path) -> None:
    report = alone(layers(axial_um=2.0))
    html = write_report(report, tmp_path)[0].read_text()
    assert [row[0] for row in table_below(html, "By class")[1:]] == [
        label.abbreviation for label in OCT_LAYERS.classes
    ]
    header, *rows = table_below(html, "Boundaries")
    names = [surface.name for surface in OCT_LAYERS.surfaces]
    assert [row[0] for row in rows] == [*names, "mean"]
    assert rows[0][header.index("boundary error, px")] == "1.50"
    assert rows[0][header.index("boundary bias, µm")] == "3.00"
    thickness = table_below(html, "Thickness of the layers")
    assert thickness[1][thickness[0].index("thickness error, px")] == "0.00"


def test_without_pixel_size_nothing_is_reported_in_micrometres(tmp_path) -> None:
    written = write_report(alone(layers()), tmp_path)
    assert all("µm" not in path.read_text() and "_um" not in path.read_text() for path in written)


def test_the_table_has_a_row_per_image(report, tmp_path) -> None:
    with write_report(report, tmp_path)[1].open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 3 * 4
    assert rows[0]["scored"] == "model"
    assert rows[0]["image"] == "photo <0>"
    assert rows[0]["group"] == "set 0/0"
    expected = report.main.images[0].scores[Key("dice")]
    assert float(rows[0]["dice"]) == pytest.approx(expected, rel=1e-5)
    assert rows[8]["scored"] == "second_observer"
    assert rows[8]["auc"] == ""


def test_json_holds_every_figure_and_what_is_absent_is_absent(report, tmp_path) -> None:
    content = json.loads(write_report(report, tmp_path)[2].read_text())
    model, _, human = content["evaluations"]
    dice = report.main.means[Key("dice")]
    assert model["mean"]["dice"]["all"] == {
        "value": dice.value,
        "low": dice.low,
        "high": dice.high,
        "images": 4,
        "groups": 4,
    }
    assert model["pooled"]["auc"]["all"] == {
        "value": report.main.pooled[Key("auc")],
        "images": 4,
        "groups": 4,
    }
    pooled = report.main.pooled_estimates[Key("dice")]
    assert model["pooled"]["dice"]["all"]["low"] == pooled.low < pooled.value < pooled.high
    assert model["confusion"]["pixels"] == report.main.matrix.tolist()
    assert sum(one["predictions"] for one in model["reliability"]) == 4 * 40 * 50
    by_dataset = [means["dice"]["all"]["images"] for means in model["mean_by_dataset"].values()]
    assert by_dataset == [2, 2]
    assert human["reliability"] is None
    assert "auc" not in human["mean"]
    assert content["comparisons"][0]["difference"]["dice"]["all"]["low"] > 0
    assert content["measures"]["dice"]["label"] == "Dice (F1)"
    assert set(content["measures"]) == {*model["mean"]}


def test_json_of_one_patient_has_no_interval(tmp_path) -> None:
    content = json.loads(write_report(alone(layers()), tmp_path)[2].read_text())
    ilm = content["evaluations"][0]["mean"]["boundary_error_px"]["ILM"]
    assert ilm == {"value": 1.5, "images": 2, "groups": 1}


def colors_of(png: bytes) -> tuple[set[tuple[int, ...]], tuple[int, int]]:
    image = Image.open(BytesIO(png))
    right = np.asarray(image)[:, image.width // 2 + 4 :]
    return {tuple(color) for color in right.reshape(-1, 3).tolist()}, image.size


def test_vessel_cases_are_white_blue_and_red(report) -> None:
    case = report.evaluations[1].worst[0]
    colors, size = colors_of(case_png(case, FUNDUS_VESSELS))
    assert colors == {(0, 0, 0), AGREED, MISSED, INVENTED}
    assert size == (2 * 50 + 8, 40)


def test_layer_cases_show_both_boundaries() -> None:
    case = layers().worst[0]
    image = Image.open(BytesIO(case_png(case, OCT_LAYERS)))
    heights = np.concatenate([case.reference.boundaries, case.drawn.boundaries])
    rows = min(96, int(heights.max()) + 1 + 12) - max(0, int(heights.min()) - 12)
    assert image.size == (3 * 64, 2 * 3 * rows + 8)  # three times as large, twice
    plain, shown = np.asarray(image)[: 3 * rows], np.asarray(image)[3 * rows + 8 :]
    assert (np.ptp(plain, axis=2) == 0).all()
    for color in (REFERENCE, DRAWN):
        assert (np.abs(shown.astype(float) - color).max(axis=2) < 40).any()


def test_layers_whose_boundaries_are_unknown_are_shown_whole() -> None:
    case = layers().worst[0]
    unknown = np.full_like(case.reference.boundaries, np.nan)
    blind = replace(
        case, reference=Annotation(case.reference.labels, unknown), drawn=Annotation(EMPTY, unknown)
    )
    assert Image.open(BytesIO(case_png(blind, OCT_LAYERS))).size == (3 * 64, 2 * 3 * 96 + 8)


def test_other_classes_show_both_outlines() -> None:
    scheme = LabelScheme("three", (*FUNDUS_VESSELS.classes, OCT_LAYERS.classes[2]))
    tally = EvaluationAccumulator(scheme)
    truth, drawn = np.zeros((2, *GRID), np.uint8)
    truth[5:20], drawn[25:30] = 2, 1
    tally.add(ScoredImage("x", "d", "g", truth * 50), Annotation(truth), Annotation(drawn))
    evaluation = tally.result("model", None)
    colors, _ = colors_of(case_png(evaluation.worst[0], scheme))
    assert {REFERENCE, DRAWN} <= colors


def test_large_photographs_are_shrunk() -> None:
    truth = np.zeros((1000, 1600), np.uint8)
    truth[:500] = 1
    tally = EvaluationAccumulator(FUNDUS_VESSELS)
    tally.add(ScoredImage("x", "d", "g", truth), Annotation(truth), Annotation(truth))
    png = case_png(tally.result("model", None).worst[0], FUNDUS_VESSELS)
    assert Image.open(BytesIO(png)).size == (2 * 800 + 8, 500)


def test_images_without_any_class_are_reported_without_cases(tmp_path) -> None:
    empty = np.zeros(GRID, np.uint8)
    tally = EvaluationAccumulator(FUNDUS_VESSELS)
    tally.add(ScoredImage("x", "d", "g", empty), Annotation(empty), Annotation(empty))
    html = write_report(alone(tally.result("model", None)), tmp_path)[0].read_text()
    assert "The worst cases" not in html
    assert len(pictures(html)) == 1


def test_a_folder_that_cannot_be_written_is_reported(report, tmp_path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(WriteError, match="can't be written"):
        write_report(report, tmp_path / "file")
