"""Masks of images that share a name: each is drawn on the grid of its own, or refused."""

import json

import numpy as np
import pytest

from helpers import write_png
from napari_retina_seg.io.formats.named import KnownShapes
from napari_retina_seg.types.progress import finish
from napari_retina_seg.workflows.image_finder import ImageFinder
from napari_retina_seg.workflows.importing import iter_import_masks

SMALL, LARGE = (40, 50), (60, 90)


def write_shapes(path, file_name):
    """Write a triangle as VIA does, which says nothing of the image's size."""
    shape = {"name": "polygon", "all_points_x": [2, 30, 10], "all_points_y": [3, 5, 35]}
    region = {"shape_attributes": shape, "region_attributes": {"label": "RNFL"}}
    entry = {"filename": file_name, "size": 1, "regions": [region], "file_attributes": {}}
    path.write_text(json.dumps({f"{file_name}1": entry}))
    return path


def add(ann, path, shape):
    write_png(path, np.random.default_rng([*path.name.encode()]).integers(0, 255, shape, np.uint8))
    (image,) = ann.add_images([path]).images
    return image


@pytest.mark.parametrize("order", [1, -1])
def test_suffixes_tell_two_images_apart(ann, tmp_path, order):
    wanted = [("a/x.png", SMALL), ("b/x.bmp", LARGE)][::order]
    images = {name[2:]: add(ann, tmp_path / name, shape) for name, shape in wanted}
    for name, image in images.items():
        path = write_shapes(tmp_path / "shapes.json", name)
        (version,) = finish(iter_import_masks(ann, path, author="Eve")).versions
        assert version.image_id == image.id
        assert ann.annotation(image.id, version.number).labels.shape == image.shape


def test_two_of_one_file_name_are_refused_with_the_reason(ann, tmp_path):
    for folder, shape in (("a", SMALL), ("b", LARGE)):
        add(ann, tmp_path / folder / "x.png", shape)
    done = finish(iter_import_masks(ann, write_shapes(tmp_path / "s.json", "x.png"), author="Eve"))
    assert not done.versions
    (sentence,) = done.problems
    assert sentence.startswith("Several images of different sizes are called 'x'")
    assert sentence.endswith("rename the images.")


def test_names_that_differ_in_case_are_one(ann, tmp_path):
    add(ann, tmp_path / "a/X.png", SMALL)
    add(ann, tmp_path / "b/x.png", LARGE)
    add(ann, tmp_path / "c/y.png", LARGE)
    known = KnownShapes(ImageFinder(ann).shapes)
    assert known.is_ambiguous("x.png")
    assert known.find("x.png") is None
    assert not known.is_ambiguous("y.png")
    assert known.find("y.png") == LARGE
    assert not known.is_ambiguous("z.png")
