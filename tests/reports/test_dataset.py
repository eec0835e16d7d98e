import json
import re
from base64 import b64decode
from pathlib import Path

import cv2
import numpy as np
import pytest

from napari_retina_seg.datasets.check import iter_check_dataset
from napari_retina_seg.datasets.labelled import LabelledImage
from napari_retina_seg.imaging.phantom import phantom_bscan
from napari_retina_seg.reports.dataset import describe, render, write_report
from napari_retina_seg.types.errors import ReadError
from napari_retina_seg.types.image import Modality
from napari_retina_seg.types.progress import finish

PHANTOMS = [phantom_bscan(seed, 96, 128) for seed in range(3)]


def fails():
    raise ReadError("'scan.png' can't be decoded: is the file complete?")


def image(name, group, split=None, phantom=0, **changes):
    values = {
        "name": name,
        "dataset": "<set>",
        "group": group,
        "modality": Modality.OCT,
        "path": Path(f"set/{name}.png"),
        "read_pixels": lambda: PHANTOMS[phantom].image.pixels,
        "read_labels": lambda: PHANTOMS[phantom].labels,
        "split": split,
        "layout": "a test",
    }
    return LabelledImage(**(values | changes))


def checked(*images):
    return finish(iter_check_dataset(images))


@pytest.fixture
def leaky():
    return checked(
        image("a", "1", "train"),
        image("b", "1", "train", 1),
        image("c", "2", "test"),
        image("d", "2", "test", 2, read_labels=fails),
        image("e", "3", "test", 2),
    )


def pictures(page):
    found = re.findall(r'src="data:image/png;base64,([^"]+)"', page)
    return [
        cv2.imdecode(np.frombuffer(b64decode(data), np.uint8), cv2.IMREAD_COLOR) for data in found
    ]


def test_the_page_is_self_contained_and_lists_the_problems_first(leaky):
    page = render(leaky)
    assert not re.search(r'(?:src|href)="(?!data:)', page)
    order = ["leak across splits: ", "no readable mask: ", "What there is", "Classes", "Examples"]
    places = [page.index(part) for part in order]
    assert places[0] < places[2]
    assert places[1:] == sorted(places[1:])
    assert "&lt;set&gt;/a" in page
    assert "<set>" not in page


def test_every_plot_is_a_whole_picture_with_something_on_it(leaky):
    # groups, class balance, grey levels, examples, copies
    drawn = pictures(render(leaky))
    assert len(drawn) == 5
    for picture in drawn:
        assert picture.shape[1] == 1100
        assert (picture != 255).any(axis=2).mean() > 0.01


def test_the_examples_are_the_images_under_their_masks(leaky):
    examples = pictures(render(leaky))[3].reshape(-1, 3).astype(int)
    onl = np.array([0xB2, 0x72, 0x00])  # #0072b2, as OpenCV has it: an outline, and the legend
    assert (np.abs(examples - onl).max(axis=1) < 30).sum() > 500


def test_a_report_of_the_same_data_is_the_same(leaky):
    assert render(leaky) == render(leaky)


def test_groups_of_one_size_need_no_plot():
    page = render(checked(image("a", "1"), image("b", "2", phantom=1)))
    assert len(pictures(page)) == 3
    assert "Images without a split are split when a training begins" in page
    assert "No problem found that would stop or spoil a training." in page
    assert "No image is identical or nearly identical" in page


def test_data_of_which_nothing_can_be_read_are_reported_too():
    bad = {"read_pixels": fails, "read_labels": fails}
    check = checked(image("a", "1", **bad), image("b", "2", **bad))
    page = render(check)
    assert pictures(page) == []
    assert page.count("unreadable image: ") == 2
    assert page.count("There is nothing to show.") == 3
    json.dumps(describe(check))


def test_more_groups_than_can_be_named_are_drawn():
    rng = np.random.default_rng(0)
    noise = [rng.integers(0, 256, (32, 32), np.uint8) for _ in range(51)]
    labels = np.ones((32, 32), np.uint8)
    images = [
        image(f"{k}", f"{max(k, 1)}", read_pixels=lambda k=k: noise[k], read_labels=lambda: labels)
        for k in range(51)
    ]
    assert len(pictures(render(checked(*images)))) == 4


def test_json_says_all_that_was_found(leaky, tmp_path):
    page, facts = write_report(leaky, tmp_path / "new")
    assert page.read_text(encoding="utf-8") == render(leaky)
    found = json.loads(facts.read_text(encoding="utf-8"))
    assert found["schema_version"] == 1
    assert found["scheme"]["name"] == "oct-layers"
    assert found["datasets"] == {"<set>": {"layout": "a test", "images": 5, "groups": 3}}
    assert found["splits"]["train"]["groups"] == {"<set>/1": 2}
    pixels = found["splits"]["train"]["pixels"]
    assert sum(pixels.values()) == 2 * 96 * 128
    assert pixels["3"] == sum(int((PHANTOMS[k].labels == 3).sum()) for k in (0, 1))
    assert sum(found["splits"]["train"]["share"].values()) == pytest.approx(1, abs=1e-5)
    assert sum(found["splits"]["test"]["grey_levels"]["counts"]) == 3 * 96 * 128
    assert {problem["kind"] for problem in found["problems"]} == {
        "leak across splits",
        "no readable mask",
        "copies in one split",
    }
    assert found["copies"][0] == {
        "first": "<set>/a",
        "second": "<set>/c",
        "identical": True,
        "similarity": 1.0,
        "turn": "",
        "relation": "other_split",
    }
    by_name = {one["name"]: one for one in found["images"]}
    assert by_name["d"]["mask_pixels"] is None
    assert by_name["d"]["findings"][0]["fault"] == "no readable mask"
    assert by_name["a"]["shape"] == [96, 128]
    assert by_name["a"]["split"] == "train"
