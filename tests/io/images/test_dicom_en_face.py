"""B-scans of DICOM OPT on the photograph that their frames refer to."""

import numpy as np
import pytest
from pydicom.sequence import Sequence

from napari_retina_seg.io import read_image
from napari_retina_seg.io.images import dicom
from napari_retina_seg.io.images.dicom_pixels import decode_pixels as decode
from napari_retina_seg.types.acquisition import ScanPattern
from vendor_files import PATIENT

OPT, OP = "1.2.840.10008.5.1.4.1.1.77.1.5.4", "1.2.840.10008.5.1.4.1.1.77.1.5.1"
VOLUME = np.arange(3 * 7 * 9, dtype=np.uint16).reshape(3, 7, 9)
FACE = np.arange(40 * 50, dtype=np.uint32).astype(np.uint8).reshape(40, 50)
UID = "1.2.3.4711"
STORED = ([20.5, 10.5, 20.5, 40.5], [30.5, 10.5, 30.5, 40.5], [10.5, 10.5, 10.5, 40.5])
STAR = ([20.5, 10.5, 20.5, 40.5], [5.5, 25.5, 35.5, 25.5], [10.5, 15.5, 30.5, 35.5])


@pytest.fixture
def read(tmp_path, make_dicom, sequence):
    """Return a function that writes a volume and its photograph, and reads the volume."""

    def write_and_read(lines=STORED, *, sizes=((0.004, 0.012),) * 3, eye="R", uid=UID):
        frames = []
        for line, size in zip(lines, sizes, strict=True):
            frame = sequence(PixelMeasuresSequence=sequence(PixelSpacing=list(size)))[0]
            frame.OphthalmicFrameLocationSequence = sequence(
                ReferencedSOPInstanceUID=UID, ReferenceCoordinates=line
            )
            frames.append(frame)
        volume = make_dicom(
            VOLUME, OPT, PerFrameFunctionalGroupsSequence=Sequence(frames),
            SharedFunctionalGroupsSequence=sequence(), ImageLaterality="R",
        )  # fmt: skip
        face = make_dicom(FACE, OP, PixelSpacing=[0.02, 0.02], ImageLaterality=eye)
        face.SOPInstanceUID = face.file_meta.MediaStorageSOPInstanceUID = uid
        for dataset, name in ((volume, "scan"), (face, "face")):
            dataset.PatientName = PATIENT
            dataset.save_as(tmp_path / f"{name}.dcm")
        return read_image(tmp_path / "scan.dcm")

    return write_and_read


def test_frames_are_in_order_and_on_the_photograph(read):
    image = read()
    np.testing.assert_array_equal(image.pixels, VOLUME[[2, 0, 1]])
    found = image.acquisition
    assert found.pattern is ScanPattern.RASTER
    np.testing.assert_array_equal(found.en_face.pixels, FACE)
    assert [one.start for one in found.en_face.paths] == [(10, 10), (20, 10), (30, 10)]
    assert found.en_face.paths[0].end == (10, 40)
    assert (found.en_face.spacing.axial.um, image.laterality) == (20, "OD")
    spacing = image.spacing
    assert [round(one.um) for one in (spacing.slice, spacing.axial, spacing.lateral)] == [
        200, 4, 12,
    ]  # fmt: skip
    assert PATIENT not in f"{image.name} {image.metadata} {image.warnings} {found}"


def test_a_star_has_no_distance(read):
    image = read(STAR)
    assert image.acquisition.pattern is ScanPattern.RADIAL
    assert image.spacing.slice.um is None


def test_sizes_that_differ_are_unknown(read):
    image = read(sizes=((0.004, 0.012), (0.004, 0.012), (0.004, 0.011)))
    assert (image.spacing.axial.um, image.spacing.lateral.um) == (None, None)
    assert any("differ from B-scan to B-scan" in warning for warning in image.warnings)


@pytest.mark.parametrize(("changes", "warning"), [
    ({"uid": "1.2.3.9"}, "not in the folder of this file"),
    ({"eye": "L"}, "of another eye"),
])  # fmt: skip
def test_without_its_photograph_the_pattern_is_known(read, changes, warning):
    image = read(**changes)
    assert image.acquisition.en_face is None
    assert image.acquisition.pattern is ScanPattern.RASTER
    assert warning in image.warnings[-1]


def test_of_files_that_refer_to_each_other_each_is_read_once(
    tmp_path, make_dicom, sequence, monkeypatch
):
    decoded = []
    monkeypatch.setattr(
        dicom,
        "decode_pixels",
        lambda path, *rest: (decoded.append(path.stem), decode(path, *rest))[1],
    )
    names = ("1.2.3.1", "1.2.3.2")
    for own, other in (names, names[::-1]):
        location = sequence(ReferencedSOPInstanceUID=other, ReferenceCoordinates=STORED[0])
        frame = sequence(OphthalmicFrameLocationSequence=location)
        scan = make_dicom(VOLUME[0], OPT, PerFrameFunctionalGroupsSequence=frame)
        scan.SOPInstanceUID = scan.file_meta.MediaStorageSOPInstanceUID = own
        scan.save_as(tmp_path / f"{own}.dcm")
    image = read_image(tmp_path / "1.2.3.1.dcm")
    np.testing.assert_array_equal(image.acquisition.en_face.pixels, VOLUME[0])
    assert decoded == list(names)


def test_other_locations_are_left_out(read):
    image = read([[1.0, 2.0], *STORED[1:]])
    assert image.acquisition is None
    assert not image.warnings
