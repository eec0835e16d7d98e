"""Heidelberg XML exports: B-scans in the order of the XML, the near infrared picture apart."""

from pathlib import Path

import numpy as np
import pytest

from napari_retina_seg.io import read_image
from napari_retina_seg.io.images.folders import list_folder
from napari_retina_seg.io.images.series import group_series
from napari_retina_seg.types.acquisition import ScanPattern
from napari_retina_seg.types.errors import ReadError
from napari_retina_seg.types.image import Laterality, Modality, Origin
from napari_retina_seg.types.patient import patient_token
from vendor_files import FACE, FACE_SCALE, PATIENT, SCALE_X, raster_places, write_xml_export

BSCANS = np.random.default_rng(0).integers(0, 256, (3, 16, 20)).astype(np.uint8)


@pytest.fixture
def export(tmp_path) -> Path:
    return write_xml_export(tmp_path, BSCANS)


def test_b_scans_come_in_the_order_of_the_xml(export):
    image = read_image(export)
    np.testing.assert_array_equal(image.pixels, BSCANS)
    assert (image.name, image.modality) == ("export", Modality.OCT)
    assert image.laterality is Laterality.RIGHT
    spacing = image.spacing
    assert spacing.slice.um == pytest.approx(60)
    assert (spacing.axial.um, spacing.lateral.um) == (pytest.approx(3.9), pytest.approx(11.8))
    assert {one.origin for one in (spacing.slice, spacing.axial, spacing.lateral)} == {Origin.FILE}
    assert image.warnings == ()
    found = image.acquisition
    assert (found.pattern, found.quality) == (ScanPattern.RASTER, (20.0, 21.0, 22.0))


def test_the_near_infrared_picture_is_no_slice(export):
    face = read_image(export).acquisition.en_face
    np.testing.assert_array_equal(face.pixels, FACE)
    left, top, *_ = raster_places(3, 20)[1] / FACE_SCALE - 0.5
    assert face.paths[1].start == pytest.approx((top, left))


def test_a_folder_is_its_export(export):
    folder = export.parent
    np.testing.assert_array_equal(read_image(folder).pixels, BSCANS)
    (folder / "B11.tif").write_bytes((folder / "B10.TIF").read_bytes())
    contents = list_folder(folder)
    assert contents.images == (export,)
    assert contents.message == "Skipped 1 file: 'B11.tif' (not listed in 'export.xml')."
    assert [one.name for one in group_series(contents.images)] == ["export"]


def test_a_photograph_beside_an_export_is_an_image(export):
    from PIL import Image

    Image.fromarray(FACE).save(export.with_name("photo.png"))
    assert list_folder(export.parent).images == (export, export.with_name("photo.png"))


def test_a_folder_with_a_broken_export_is_no_stack(export):
    export.write_text(export.read_text()[:-100])
    with pytest.raises(ReadError):
        read_image(export.parent)
    with pytest.raises(ReadError, match="cut short"):
        read_image(export)


def test_lines_by_name(tmp_path):
    heights = np.full((3, 20), 4.5)
    heights[1, :2] = 3e38, 65535
    path = write_xml_export(tmp_path, BSCANS, lines={"ILM": heights, "OPL": np.full((3, 20), 3e38)})
    found = read_image(path).acquisition.lines
    assert found.names == ("ILM",)
    assert np.isnan(found.heights[1, 0]).tolist() == [True] * 2 + [False] * 18
    assert found.heights[0, 0, 0] == 4.5


def test_a_circle_by_its_places(tmp_path):
    radius = 20 * SCALE_X / (2 * np.pi)
    path = write_xml_export(tmp_path, BSCANS[:1], places=np.array([[0.4 - radius, 0.4, 0.4, 0.4]]))
    image = read_image(path)
    assert image.pixels.shape == (16, 20)
    assert image.acquisition.pattern is ScanPattern.CIRCLE
    assert image.acquisition.en_face.paths[0].clockwise


@pytest.mark.parametrize(("eye", "expected"), [("L", "OS"), ("", "unknown"), ("B", "unknown")])
def test_an_eye_is_known_or_unknown(tmp_path, eye, expected):
    assert read_image(write_xml_export(tmp_path, BSCANS, eye=eye)).laterality == expected


@pytest.mark.parametrize("scale", ["0", "", "nan", "-1", "1e300"])
def test_a_size_that_no_image_has_is_unknown(tmp_path, scale):
    image = read_image(write_xml_export(tmp_path, BSCANS, scale_y=scale))
    assert image.spacing.axial.um is None
    assert image.spacing.lateral.um == pytest.approx(11.8)


def test_letters_of_another_encoding(export):
    content = export.read_bytes().replace(PATIENT.encode(), "Müller".encode("latin-1"))
    export.write_bytes(content)
    np.testing.assert_array_equal(read_image(export).pixels, BSCANS)


def test_nothing_of_the_patient_is_kept(export):
    image = read_image(export)
    assert PATIENT in export.read_text()
    assert image.patient == patient_token("0815")
    for text in (image.name, str(image.metadata), str(image.warnings), image.acquisition.device):
        assert PATIENT not in text


BAD = {
    "count": ({"count": 5}, "states 5 images and lists 4"),
    "no scans": ({">OCT<": ">FUNDUS<"}, "lists no B-scans"),
    "missing file": ({"B2.tif": "B3.tif"}, r"names the picture 'B3\.tif', which is not in its"),
    "outside": ({"\\B2.tif": "\\.."}, "not in its folder"),
    "twice": ({"B2.tif": "B1.tif"}, "lists a B-scan twice"),
    "other size": ({"<Height>16<": "<Height>17<"}, "but its XML says 17 × 20 px"),
    "huge": ({"<Height>16<": "<Height>9999999999<"}, "more than the limit"),
    "no size": ({"<Height>16<": "<Height><"}, "can't be read as a Heidelberg XML export"),
    "entities": ({"<HEDX>": '<!DOCTYPE a [<!ENTITY b "c">]><HEDX>'}, "can't be read as XML"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_does_not_fit_is_refused_in_a_sentence(tmp_path, case):
    changes, message = BAD[case]
    path = write_xml_export(tmp_path, BSCANS, **changes)
    with pytest.raises(ReadError, match=message) as caught:
        read_image(path)
    assert "\n" not in str(caught.value)


def test_lines_of_another_length(tmp_path):
    path = write_xml_export(tmp_path, BSCANS, lines={"ILM": np.full((3, 19), 4.5)})
    with pytest.raises(ReadError, match="line ILM of a B-scan with 20 columns has 19 heights"):
        read_image(path)


def test_without_its_near_infrared_picture(export):
    (export.parent / "NIR0.TIF").unlink()
    image = read_image(export)
    assert image.acquisition.en_face is None
    assert "Without its en-face image" in image.warnings[0]


def test_the_devices_own_export_is_the_volume_beside_it(shared_data):
    """The B-scans of the raw export are those of the XML, and eyepy reads both."""
    import eyepy

    folder = Path(shared_data) / "heidelberg_xml"
    image = read_image(folder)
    other = eyepy.import_heyex_xml(folder)
    np.testing.assert_array_equal(image.pixels, other.data)
    raw = read_image(Path(shared_data) / "heidelberg_vol/tiny_volume.vol")
    np.testing.assert_array_equal(image.pixels, raw.pixels)
    assert image.acquisition.quality == raw.acquisition.quality
    assert image.spacing.slice.um == pytest.approx(1000 * other.scale_z, rel=0.01)
    assert image.spacing.lateral.um == pytest.approx(1000 * other.scale_x)
    assert image.spacing.axial.um == pytest.approx(1000 * other.scale_y)
    lines = image.acquisition.lines
    for k, name in enumerate(lines.names):
        np.testing.assert_array_equal(lines.heights[:, k], other.layers[name].data)


def test_altered_exports_are_read_or_refused_in_a_sentence(export):
    content, rng = export.read_bytes(), np.random.default_rng(0)
    for _ in range(60):
        altered = bytearray(content)
        for at in rng.integers(0, len(content), 3):
            altered[at] = rng.integers(256)
        export.write_bytes(altered[: rng.integers(1, 2 * len(content))])
        try:
            image = read_image(export)
        except ReadError as error:
            assert "\n" not in str(error)  # noqa: PT017 - either of the two is right
        else:
            assert image.pixels.shape[-2:] == (16, 20)
