import re
import tracemalloc
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile

from napari_retina_seg.imaging.cam import Method
from napari_retina_seg.imaging.explanation import Explanation, PlaceAnswer
from napari_retina_seg.imaging.phantom import phantom_bscan
from napari_retina_seg.imaging.target import Point, Region
from napari_retina_seg.io import read_image
from napari_retina_seg.reports.explanation import MapWriter, map_name, save_maps, save_panels
from napari_retina_seg.saliency.explainer import explain
from napari_retina_seg.types.errors import ImageError, WriteError
from napari_retina_seg.types.labels import FUNDUS_VESSELS, OCT_LAYERS, LabelClass, LabelScheme
from napari_retina_seg.types.progress import Cancelled

GRID = (60, 90)


def explanation(values=(0, 1, 2), grid=GRID, scheme=OCT_LAYERS, seed=0, **fields) -> Explanation:
    """Make maps, each a blob at a place of its own."""
    rng = np.random.default_rng(seed)
    maps = np.zeros((len(values), *grid), np.float32)
    for heat in maps:
        top, left = rng.integers(0, grid[0] - 8), rng.integers(0, grid[1] - 8)
        heat[top : top + 8, left : left + 8] = rng.random((8, 8)) * 1e-3
    labels = np.zeros(grid, np.uint8)
    labels[grid[0] // 2 :] = 1
    known = {"model": "tiny", "weights_sha256": "", "layer": "decoder 1 (cells of 2 × 4 px)"}
    known |= {"method": Method.GRAD_CAM_PLUS_PLUS, "target": Point(3, 4)} | fields
    return Explanation(maps=maps, values=values, labels=labels, scheme=scheme, **known)


def image_of(one: Explanation) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 255, one.labels.shape, np.uint8)


def drawn(one: Explanation, folder: Path, name: str = "figure.png", **options) -> np.ndarray:
    save_panels(one, image_of(one), folder / name, **options)
    return cv2.imread(str(folder / name))


def test_the_phantoms_layers_are_drawn_one_by_one(tmp_path):
    image = phantom_bscan(0, 248, 384).image
    one = explain(image, "oct-layers")
    save_panels(one, image.plane(), tmp_path / "figure.png", title="phantom")
    figure = cv2.imread(str(tmp_path / "figure.png"))
    pictures = panels_of(figure)
    assert len(pictures) == 2 + 8
    colourful = [(picture.max(axis=-1) - picture.min(axis=-1)).mean() for picture in pictures]
    assert colourful[0] < 1 < min(colourful[1:])
    for i, picture in enumerate(pictures):
        assert all(np.abs(picture - other).mean() > 1 for other in pictures[:i])


def panels_of(figure: np.ndarray) -> list[np.ndarray]:
    """Find the large framed pictures; return them in one size, as float."""
    _, _, boxes, _ = cv2.connectedComponentsWithStats((figure.min(axis=-1) < 250).astype(np.uint8))
    large = [box for box in boxes[1:] if box[2] > 250 and box[3] > 150]
    size = min(box[2] for box in large), min(box[3] for box in large)
    return [
        figure[top : top + size[1], left : left + size[0]].astype(float)
        for left, top, *_ in sorted(large, key=lambda box: (box[1] // 50, box[0]))
    ]


@pytest.mark.parametrize("classes", [1, 2, 3, 5, 9])
@pytest.mark.parametrize("grid", [(24, 90), (60, 60), (90, 24)], ids=["wide", "square", "tall"])
def test_one_to_nine_classes_find_room_on_a_page(tmp_path, classes, grid):
    scheme = LabelScheme("nine", tuple(replace(OCT_LAYERS.classes[0], value=k) for k in range(9)))
    figure = drawn(explanation(tuple(range(classes)), grid, scheme), tmp_path)
    rows, columns = figure.shape[:2]
    assert columns == 1760
    assert 0.1 < rows / columns < 2
    # Nothing reaches the edge, where it would be cut.
    edges = (figure[:3], figure[-3:], figure[:, :3], figure[:, -3:])
    assert all((edge == 255).all() for edge in edges)


def test_each_format_is_written_the_same_again(tmp_path):
    starts = {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}
    one = explanation((1,))
    for suffix, start in starts.items():
        paths = [tmp_path / f"{turn}.{suffix.upper()}" for turn in "ab"]
        for path in paths:
            save_panels(one, image_of(one), path)
        assert paths[0].read_bytes() == paths[1].read_bytes()
        assert paths[0].read_bytes().startswith(start)
    assert len(list(tmp_path.iterdir())) == 6


def test_the_figure_says_what_it_shows(tmp_path, monkeypatch):
    import matplotlib as mpl

    monkeypatch.setitem(mpl.rcParams, "svg.fonttype", "none")
    shares = (0.2, 0.8, *[0.0] * 6)
    answer = PlaceAnswer(OCT_LAYERS, 1, shares, shares[::-1], is_point=True)
    maps = np.zeros((3, *GRID), np.float32)
    one = replace(explanation(), maps=maps, untargeted=(1,), answer=answer)
    one.maps[0, 5, 5] = 0.002
    save_panels(one, image_of(one), tmp_path / "figure.svg", title="$eye$ of <somebody>")
    texts = re.findall(r"<text[^>]*>([^<]*)</text>", (tmp_path / "figure.svg").read_text())
    said = " ".join(" ".join(texts).split())
    assert "$eye$ of &lt;somebody&gt;" in said
    assert "RNFL · Retinal nerve fibre layer" in said
    assert answer.sentence in said
    assert one.caption in said
    assert one.message in said
    assert "× 10⁻³" in said
    assert "logits per pixel asked about, a scale for each class" in said
    assert said.count("no evidence") == 1
    assert said.count("not drawn here") == 1


def test_one_scale_and_other_colours_are_another_picture(tmp_path):
    one = explanation()
    one.maps[0] *= 0.1
    strongest = 2 + int(one.maps.max(axis=(1, 2)).argmax())
    pictures = [
        panels_of(drawn(one, tmp_path, **options))
        for options in ({}, {"shared": True}, {"colors": "cividis"})
    ]
    mask, weak = 1, 2
    for other in pictures[1:]:
        assert np.array_equal(pictures[0][mask], other[mask])
        assert not np.array_equal(pictures[0][weak], other[weak])
    # The class with the largest evidence looks the same on a scale of its own.
    assert np.array_equal(pictures[0][strongest], pictures[1][strongest])


def test_a_long_title_is_cut_to_its_place(tmp_path):
    one = explanation()
    plain = drawn(one, tmp_path, title="a")
    for title in ("long_file_name-" * 20, "words of a sentence " * 20):
        np.testing.assert_array_equal(drawn(one, tmp_path, title=title)[:, 870:], plain[:, 870:])


def test_the_point_or_region_asked_about_is_marked(tmp_path):
    mask = np.zeros(GRID, bool)
    mask[10:30, 20:50] = True
    mask[50, 80] = True
    plain = explanation((1,), target=Region(np.ones((2, *GRID), bool)))
    for target in (Point(30, 40), Region(mask), Region(np.stack([~mask, mask]))):
        one = replace(plain, target=target, index=1)
        cyan = (drawn(one, tmp_path) == (255, 255, 0)).all(axis=-1)
        assert cyan.sum() > 100


def test_a_large_photograph_makes_no_large_file(tmp_path):
    grid = (2000, 2100)
    one = explanation((0, 1), grid, FUNDUS_VESSELS)
    image = np.random.default_rng(0).integers(0, 255, (*grid, 3), np.uint8)
    save_panels(one, image, tmp_path / "figure.pdf")
    assert (tmp_path / "figure.pdf").stat().st_size < 10e6


@pytest.mark.parametrize("name", ["figure.bmp", "figure"])
def test_another_format_is_refused(tmp_path, name):
    with pytest.raises(WriteError, match=r"save it as \.png, \.svg or \.pdf"):
        save_panels(explanation(), np.zeros(GRID), tmp_path / name)


def test_another_image_is_refused(tmp_path):
    with pytest.raises(ImageError, match="this very image"):
        save_panels(explanation(), np.zeros((4, 4)), tmp_path / "figure.png")
    assert not list(tmp_path.iterdir())


def test_maps_come_back_as_they_were(tmp_path):
    one = explanation()
    arrays = save_maps(one, tmp_path / "new", "scan")
    assert [path.name for path in arrays] == [
        "scan_BG_grad-cam++.npy", "scan_RNFL_grad-cam++.npy", "scan_GCL+IPL_grad-cam++.npy"
    ]  # fmt: skip
    pictures = save_maps(one, tmp_path, "scan", kind="tiff")
    for heat, array, picture in zip(one.maps, arrays, pictures, strict=True):
        assert np.load(array).dtype == np.float32
        np.testing.assert_array_equal(np.load(array), heat)
        np.testing.assert_array_equal(read_image(picture).pixels, heat)
    with tifffile.TiffFile(pictures[0]) as file:
        assert file.shaped_metadata[0]["Description"] == one.caption


def test_no_name_of_a_layer_or_file_is_in_a_figure_or_map(tmp_path, monkeypatch):
    """Who renames the files has removed the name: a region's layer is called as the image is."""
    import matplotlib as mpl

    monkeypatch.setitem(mpl.rcParams, "svg.fonttype", "none")
    region = Region(np.ones(GRID, bool), "RNFL in 'MUELLER_HANS_OD'")
    one = replace(explanation(), target=region)
    assert "MUELLER" in one.caption  # on the screen
    save_panels(one, image_of(one), tmp_path / "a.svg")
    save_maps(one, tmp_path, "a", kind="tiff")
    for path in tmp_path.iterdir():
        assert b"MUELLER" not in path.read_bytes()
    assert ", for a region." in one.file_caption


def test_names_are_safe_and_never_the_same():
    classes = [("a/b", "Äder: 1?"), ("c", "EZ"), ("d", "ez"), ("e", "../x")]
    scheme = LabelScheme(
        "odd", tuple(LabelClass(k, n, short, "#ffffff") for k, (n, short) in enumerate(classes))
    )
    names = [map_name("scan", scheme, value, "hirescam", "tiff") for value in range(4)]
    assert names == [
        "scan_Äder-1-_hirescam.tif", "scan_EZ-1_hirescam.tif", "scan_ez-2_hirescam.tif",
        "scan_..-x_hirescam.tif",
    ]  # fmt: skip


@pytest.mark.parametrize("kind", ["npy", "tiff"])
def test_a_volume_is_written_slice_by_slice(tmp_path, kind):
    slices = {index: explanation(index=index, seed=index) for index in (1, 2, 4)}
    with MapWriter(tmp_path, "volume", (6, *GRID), kind) as writer:
        for one in slices.values():
            writer.add(one)
        assert not [path for path in writer.paths if path.exists()]
    assert sorted(tmp_path.iterdir()) == sorted(writer.paths)
    for k, path in enumerate(writer.paths):
        maps = np.load(path) if kind == "npy" else tifffile.imread(path)
        assert maps.shape == (6, *GRID)
        assert maps.dtype == np.float32
        for index in range(6):
            expected = slices[index].maps[k] if index in slices else np.zeros(GRID)
            np.testing.assert_array_equal(maps[index], expected)


@pytest.mark.parametrize("stop", [Cancelled, KeyboardInterrupt, ZeroDivisionError, OSError])
def test_a_volume_that_is_not_finished_leaves_nothing_and_replaces_nothing(tmp_path, stop):
    name = map_name("volume", OCT_LAYERS, 0, Method.GRAD_CAM_PLUS_PLUS.slug, "npy")
    (tmp_path / name).write_bytes(b"earlier")

    def write() -> None:
        with MapWriter(tmp_path, "volume", (3, *GRID)) as writer:
            writer.add(explanation())
            raise stop

    with pytest.raises(stop):
        write()
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_bytes() == b"earlier"


def test_nothing_explained_is_nothing_written(tmp_path):
    with MapWriter(tmp_path, "volume", (3, *GRID)) as writer:
        pass
    assert writer.paths == ()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("index", [-1, 3])
def test_a_slice_of_another_volume_is_refused(tmp_path, index):
    with (
        pytest.raises(ImageError, match=f"Slice {index} of"),
        MapWriter(tmp_path, "volume", (3, *GRID)) as writer,
    ):
        writer.add(explanation(index=index))
    with (
        pytest.raises(ImageError, match="not of a volume"),
        MapWriter(tmp_path, "volume", (3, 8, 8)) as writer,
    ):
        writer.add(explanation())
    assert not list(tmp_path.iterdir())


def test_a_full_disk_is_reported_and_nothing_is_left(tmp_path):
    resource = pytest.importorskip("resource")  # a limit on files that Windows lacks
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    writer = MapWriter(tmp_path, "volume", (50, *GRID))
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, hard))
    try:
        with pytest.raises(WriteError, match=r"can't be written.*folder with free"), writer:
            writer.add(explanation())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not list(tmp_path.iterdir())


def test_a_volume_is_not_held_in_memory(tmp_path):
    grid, slices = (128, 128), 200  # 3 × 13 MB
    one = explanation(grid=grid)
    tracemalloc.start()
    try:
        with MapWriter(tmp_path, "volume", (slices, *grid)) as writer:
            for index in range(slices):
                writer.add(replace(one, index=index))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1e6
    assert writer.paths[0].stat().st_size > 4 * slices * 128**2
