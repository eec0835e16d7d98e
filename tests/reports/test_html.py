import base64
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from napari_retina_seg.reports._html import Page
from napari_retina_seg.reports._plots import picture_png

VOID = {"meta", "img"}


class Outline(HTMLParser):
    """Checks that tags close in order, and keeps what was read."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []
        self.texts: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if data.strip() and self.open[-1] != "style":
            self.texts.append(data.strip())


def test_a_page_says_what_was_put_in_it_in_order() -> None:
    page = Page("A report")
    page.paragraph("First.")
    page.heading("Table")
    page.table(["class", "Dice"], [["RNFL", 0.5], ["INL", ""]], caption="By class")
    page.heading("Detail", level=3)
    outline = Outline(page.html())
    assert outline.texts == [
        *("A report", "A report", "First.", "Table", "By class"),
        *("class", "Dice", "RNFL", "0.5", "INL", "Detail"),
    ]
    assert [tag for tag in outline.seen if tag.startswith("h") and tag[1:].isdigit()] == [
        *("h1", "h2", "h3"),
    ]


def test_every_text_is_escaped() -> None:
    evil = '<script>alert("1")</script> & \'"'
    page = Page(evil)
    page.heading(evil)
    page.paragraph(evil)
    page.table([evil], [[evil]], caption=evil)
    page.figure(picture_png(np.zeros((2, 2, 3), np.uint8)), evil)
    outline = Outline(page.html())
    assert "script" not in outline.seen
    assert [name for name, _ in outline.attributes if name.startswith("on")] == []
    assert outline.texts.count(evil) == 8
    assert ("alt", evil) in outline.attributes


def test_numbers_are_aligned_right_and_words_left() -> None:
    page = Page("")
    page.table(
        ["name", "value", "interval", "nothing"],
        [["eye 1", "0.50", "0.40 to 0.60", ""], ["12th", "−0.1", "", ""]],
    )
    heads = re.findall(r'<th scope="col"( class="number")?>(\w+)', page.html())
    assert [name for number, name in heads if number] == ["value", "interval"]


def test_pictures_are_part_of_the_page() -> None:
    png = picture_png(np.full((3, 4, 3), 200, np.uint8))
    page = Page("Pictures")
    page.figure(png, "Grey")
    (source,) = [value for name, value in Outline(page.html()).attributes if name == "src"]
    assert base64.b64decode(source.removeprefix("data:image/png;base64,")) == png
    assert "http" not in page.html()


def test_a_row_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="argument"):
        Page("").table(["a", "b"], [["1"]])


@pytest.mark.parametrize("level", [1, 7])
def test_only_levels_below_the_title_are_headings(level: int) -> None:
    with pytest.raises(ValueError, match="2 to 6"):
        Page("").heading("x", level)
