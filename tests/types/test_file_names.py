import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_retina_seg.types.file_names import (
    find_same,
    last_part,
    name_key,
    safe_name,
    shorten,
)

FORBIDDEN = set('<>:"/\\|?*\0')


@given(name=st.text())
def test_composed_and_decomposed_names_are_the_same(name):
    forms = {unicodedata.normalize(form, name) for form in ("NFC", "NFD")}
    assert len({name_key(form) for form in forms}) == 1
    assert name_key(name) == name_key(unicodedata.normalize("NFD", name))


def test_another_accent_is_another_name():
    assert name_key("Müller") != name_key("Muller")
    assert name_key("MÜLLER") == name_key("mu\u0308ller")


@given(name=st.text())
def test_safe_names_can_be_those_of_files_everywhere(name):
    safe = safe_name(name)
    assert safe
    assert not set(safe) & FORBIDDEN
    assert safe.isprintable()
    assert safe[0] not in ". "
    assert safe[-1] not in ". "
    assert len(safe.encode()) <= 200
    assert safe_name(safe) == safe


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("a:b", "a_b"),
        ("CON", "_CON"),
        ("con.scan", "_con.scan"),
        ("Com1", "_Com1"),
        ("console", "console"),
        ("trailing.", "trailing_"),
        ("what?<>|*", "what_____"),
        ("a/b\\c", "a_b_c"),
        (".hidden", "_hidden"),
        ("", "image"),
        ("...", "image__"),
        ("mu\u0308ller", "müller"),
        ("NORMAL (1)", "NORMAL (1)"),
    ],
)
def test_names_that_one_system_refuses(name, safe):
    assert safe_name(name) == safe


def test_long_names_are_cut_and_stay_apart():
    names = [f"{'眼' * 90}{number}" for number in range(3)]
    cut = [shorten(name, 100) for name in names]
    assert len(set(cut)) == 3
    assert all(len(name.encode()) <= 100 for name in cut)
    assert shorten("short", 100) == "short"


def test_the_name_in_a_path_of_any_system():
    assert last_part("C:\\data\\a.jpg") == "a.jpg"
    assert last_part("images/train/a.jpg") == "a.jpg"
    assert last_part("a.jpg") == "a.jpg"


def test_a_file_is_found_by_either_form_of_its_name(tmp_path):
    decomposed = unicodedata.normalize("NFD", "Müller.png")
    (tmp_path / decomposed).touch()
    assert find_same(tmp_path, "Müller.png").is_file()
    assert not find_same(tmp_path, "Muller.png").exists()
    assert not find_same(tmp_path / "missing", "a.png").exists()
