"""The report on inter-grader agreement."""

import csv
import json
import re
from dataclasses import replace
from html import escape

import numpy as np
import pytest

from hostile import HOSTILE, hidden_in
from napari_retina_seg.imaging.phantom import phantom_bscan
from napari_retina_seg.metrics.agreement import AgreementAccumulator, Gradability, GradedImage
from napari_retina_seg.metrics.measures import MEASURES
from napari_retina_seg.reports._plots import figure_png
from napari_retina_seg.reports.agreement import (
    agreement_csv,
    agreement_json,
    agreement_page,
    boundary_table,
    class_table,
    image_table,
    summary_table,
    write_agreement,
)
from napari_retina_seg.reports.agreement_plots import bland_altman_figure
from napari_retina_seg.types.annotation import Annotation
from napari_retina_seg.types.labels import OCT_LAYERS
from napari_retina_seg.types.text import displayed, plain_cell

DICE = MEASURES["dice"].label


def compare(shifts, axial_um=4.0, second_readers=("Bob",), *, proposed=False):
    tally = AgreementAccumulator(OCT_LAYERS)
    for seed, shift in enumerate(shifts):
        second_grader = second_readers[seed % len(second_readers)]
        phantom = phantom_bscan(seed, 96, 128)
        image = GradedImage(seed + 1, f"scan<{seed}>", "", "Ann", second_grader, axial_um)
        second = np.roll(phantom.labels, shift, axis=0)
        first = Annotation(phantom.labels, phantom.heights)
        tally.add(image, first, Annotation(second), (first, first) if proposed else (None, None))
    return tally.result(Gradability(both=len(shifts), only_first=1))


@pytest.fixture
def agreement():
    return compare([0, 2, 1])


def test_page_table_and_figures_agree(agreement, tmp_path):
    page, table, figures = write_agreement(agreement, tmp_path / "out")
    html = page.read_text()
    for words in ("scan&lt;1&gt;", "first Ann, second Bob", "ICC(2,1)", "Shrout", "ILM"):
        assert words in html
    assert html.count("<img") == 1
    rows = list(csv.DictReader(table.read_text().splitlines()))
    assert [row["image"] for row in rows] == ["scan<1>", "scan<2>", "scan<0>"]
    found = json.loads(figures.read_text())
    assert found["gradability"]["only_first"] == 1
    assert float(rows[0]["dice RNFL"]) == pytest.approx(
        found["images"][0]["scores"]["dice"]["RNFL"], rel=1e-5
    )
    thickness = found["images"][0]["measured"][0][0]
    assert float(rows[0]["mean thickness RNFL first (um)"]) == pytest.approx(thickness, rel=1e-5)
    ilm = found["boundaries_um"][0]
    assert (ilm["name"], ilm["bias"]) == ("ILM", pytest.approx(4, abs=1.5))
    assert found["classes"][0]["icc_2_1"]["value"] <= 1


def test_changing_graders_are_reported(tmp_path):
    pages = [
        write_agreement(
            compare([0, 1], second_readers=readers),
            tmp_path,
        )[0].read_text()
        for readers in (("Bob",), ("Bob", "Dora"))
    ]
    assert ["are roles here" in page for page in pages] == [False, True]
    assert "first Ann, second Dora; first Ann, second Bob" in pages[1]  # worst first


def test_tables_for_people(agreement):
    assert class_table(agreement).header[-1] == "95 % limits, µm"
    assert [row[0] for row in class_table(agreement).rows][:2] == ["RNFL", "GCL+IPL"]
    assert boundary_table(agreement).header[1] == "mean difference, µm"
    assert image_table(agreement).rows[0][0] == "scan<1>"
    told = dict(summary_table(agreement).rows)
    assert (told["images compared"], told["graded by the first grader only"]) == ("3", "1")


@pytest.mark.parametrize("shifts", [[], [1]])
def test_of_few_images_little_is_reported(shifts, tmp_path):
    few = compare(shifts, axial_um=None)
    written = write_agreement(few, tmp_path)
    assert all(path.stat().st_size for path in written)
    assert [row[2:] for row in class_table(few).rows] == [("", "", "")] * 7 * len(shifts)


def test_the_plot_shows_every_image_and_the_limits(agreement):
    drawn = bland_altman_figure(agreement, ["RNFL", "INL"])
    first = drawn.axes[0]
    assert first.get_title() == "RNFL"
    (points,) = first.collections
    assert len(points.get_offsets()) == 3
    found = agreement.sizes[0].bland_altman
    heights = {line.get_ydata()[0] for line in first.lines}
    assert {found.bias, found.low, found.high} <= heights
    assert figure_png(drawn) == figure_png(bland_altman_figure(agreement, ["RNFL", "INL"]))


def test_what_was_left_of_the_models_masks_is_in_all_outputs(tmp_path):
    found = compare([0, 2, 1], proposed=True)
    told = dict(summary_table(found).rows)
    assert told["model's masks changed by the first grader"] == "0 of 3"
    assert told["model's masks changed by the second grader"] == "2 of 3"
    assert float(told[f"{DICE}, changed images only"].split()[0]) < 1
    assert told[f"{DICE}, first grader and model"].startswith("1.000")
    page, table, figures = write_agreement(found, tmp_path)
    assert "In 1 of 3 images neither grader changed the model&#x27;s proposal" in page.read_text()
    rows = list(csv.DictReader(table.read_text().splitlines()))
    column = "second grader changed the model's mask"
    assert [row[column] for row in rows] == ["True", "True", "False"]
    content = json.loads(figures.read_text())
    assert content["model_proposals"]["unchanged"] == 1
    assert content["images"][2]["model_proposals"][1]["is_changed"] is False


def test_nothing_is_stated_of_a_model_where_none_was_used(agreement, tmp_path):
    assert not [row for row in summary_table(agreement).rows if "model" in row[0]]
    assert "proposal" not in write_agreement(agreement, tmp_path)[0].read_text()


def test_names_of_images_and_graders_are_text_in_page_and_table():
    one = compare([0]).images[0]
    images = [replace(one.image, name=text, first=text, second=text) for text in HOSTILE]
    images = tuple(replace(one, image=image) for image in images)
    hostile = replace(compare([0]), images=images)
    page, table = agreement_page(hostile), agreement_csv(hostile)
    found = agreement_json(hostile)
    assert not hidden_in(page + table + found)
    assert not re.search("<(b>|img src)", page)
    rows = list(csv.DictReader(table.splitlines()))
    for text, row, said in zip(HOSTILE, rows, json.loads(found)["images"], strict=True):
        assert escape(displayed(text, lines=True)) in page
        for key in ("image", "first", "second"):
            assert plain_cell(row[key]) == displayed(text)
            assert row[key][0] not in "=+-@"
        assert said["name"] == text
