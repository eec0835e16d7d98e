"""The report on what corrections cost: figures, plots, and what may be read into them."""

import csv
import json
from datetime import UTC, datetime, timedelta

import pytest

from napari_retina_seg.metrics.burden import GradedImage, summarise_burden
from napari_retina_seg.reports.burden import (
    FILES,
    HOW_COMPARED,
    HOW_TIMED,
    burden_figure,
    burden_table,
    notes,
    write_burden,
)

DAY = datetime(2026, 1, 1, tzinfo=UTC)


def graded(number, weights, seconds, dice=None, **more):
    when = DAY + timedelta(hours=number)
    unchanged = None if dice is None else dice == 1
    model = None if weights is None else "layers"
    return GradedImage(number, when, model, weights, seconds, unchanged, dice, **more)


@pytest.fixture
def burden():
    images = [
        graded(1, None, 600),
        *(graded(2 + i, "aa" * 32, 240, 0.9, columns=0.2, pixels=0.01) for i in range(4)),
        *(graded(6 + i, "bb" * 32, 60 * i or None, 1.0, columns=0, pixels=0) for i in range(4)),
    ]
    return summarise_burden(reversed(images), hidden=2, layered=True)


def test_a_row_per_model_version_in_the_order_of_their_first_image(burden):
    header, rows = burden_table(burden)
    assert [row[0] for row in rows] == [
        "no model's mask",
        "layers (aaaaaaaa)",
        "layers (bbbbbbbb)",
    ]
    cells = dict(zip(header, rows[1], strict=True))
    assert cells["minutes, median (quartiles)"] == "4.0 (4.0 to 4.0)"
    assert cells["accepted unchanged"] == "0%"
    assert cells["Dice with the final mask"] == "0.900"
    assert cells["columns changed, %"] == "20.0"
    assert dict(zip(header, rows[2], strict=True))["timed"] == "3"
    assert rows[0][6:] == ("", "", "")


def test_the_page_says_how_time_was_taken_and_what_was_left_out(burden, tmp_path):
    files = write_burden(burden, "What corrections cost", tmp_path)
    assert tuple(file.name for file in files) == FILES
    page = files[0].read_text()
    for sentence in (HOW_TIMED, HOW_COMPARED, "2 images that you still have to grade"):
        assert sentence in page
    assert page.count("data:image/png") == 1
    with files[1].open() as table:
        assert [row["minutes median"] for row in csv.DictReader(table)] == ["10", "4", "2"]
    with files[2].open() as table:
        rows = list(csv.DictReader(table))
    assert [row["image number"] for row in rows] == [str(number) for number in range(1, 10)]
    assert rows[5]["minutes"] == ""  # no time was recorded
    assert len(json.loads(files[3].read_text())["images"]) == 9


def test_the_plot_has_a_point_for_each_image(burden):
    for axes in burden_figure(burden).axes:
        assert sum(len(points.get_offsets()) for points in axes.collections) == 9


def test_of_vessels_pixels_are_shown():
    images = [graded(1, "aa" * 32, 30, 0.8, columns=0.9, pixels=0.0123)]
    header, rows = burden_table(summarise_burden(images, hidden=0, layered=False))
    assert (header[-1], rows[0][-1]) == ("pixels changed, %", "1.23")


def test_nothing_finished_is_said(tmp_path):
    empty = summarise_burden([], hidden=0, layered=True)
    assert "No first grading is finished yet" in notes(empty)[0]
    assert "No first grading is finished yet" in write_burden(empty, "", tmp_path)[0].read_text()
