"""Text of others is shown as text."""

import json

import pytest

from hostile import FORMULAS, HOSTILE, hidden_in
from napari_retina_seg.types.text import csv_cell, displayed, displayed_json, plain_cell


@pytest.mark.parametrize("text", HOSTILE)
def test_every_sign_of_a_hostile_text_is_seen(text):
    shown = displayed(text)
    assert not hidden_in(shown, lines=False)
    assert "\u3164" not in shown
    kept = [sign for sign in text if sign.isascii() and sign.isprintable()]
    assert not set(kept) - set(shown)


@pytest.mark.parametrize(
    "text", ["", "scan 1", "Jürgen Größe", "王小明", "İlker · µm − ≤", "‘a’ — “b” …", "👁"]
)
def test_ordinary_text_stays_as_it_is(text):
    assert displayed(text) == text


def test_line_ends_stay_where_a_message_has_several_lines():
    assert displayed("a\nb\x1b", lines=True) == "a\nb\\x1b"
    assert displayed("a\nb") == "a\\nb"


@pytest.mark.parametrize("text", HOSTILE)
def test_a_cell_is_not_computed_and_comes_back(text):
    cell = csv_cell(text)
    assert str(cell)[0] not in "=+-@\t\r|%"  # a number is none of these
    assert str(cell).startswith("'") == (text in FORMULAS)
    assert plain_cell(str(cell)) == displayed(text)


@pytest.mark.parametrize(
    "value", [-3.5, "-3.5", "+1e-3", "-.5", 7, "=", "  ", "", "'quoted", "'=1", "''=1"]
)
def test_numbers_stay_numbers(value):
    cell = csv_cell(value)
    if isinstance(value, float | int) or value.strip("+-.") != value:
        assert cell == value
    assert plain_cell(str(cell)) == str(value)


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "＝", "＋", "－", "＠", " =", "|", "%"])
def test_all_starts_of_formulas_are_quoted(start):
    assert csv_cell(f"{start}A1") == f"'{start}A1"
    assert plain_cell(f"'{start}A1") == f"{start}A1"


@pytest.mark.parametrize("text", HOSTILE)
def test_json_says_the_same_without_hidden_signs(text):
    document = json.dumps({"name": text}, ensure_ascii=False)
    assert json.loads(displayed_json(document)) == {"name": text}
    assert not hidden_in(displayed_json(document))
