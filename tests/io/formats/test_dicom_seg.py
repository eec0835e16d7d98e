import shutil
import subprocess

import highdicom as hd
import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.sr.codedict import codes
from pydicom.uid import generate_uid

from napari_retina_seg.io.formats.dicom_header import DicomIds, read_referenced_ids
from napari_retina_seg.io.formats.dicom_masks import is_dicom_mask, read_dicom_mask
from napari_retina_seg.io.formats.dicom_seg import read_dicom_seg, write_dicom_seg
from napari_retina_seg.io.formats.record import Attribution, Maker
from napari_retina_seg.io.images.dicom_slices import slice_order
from napari_retina_seg.types.errors import ReadError, WriteError
from napari_retina_seg.types.image import Laterality, Spacing
from napari_retina_seg.types.labels import FUNDUS_VESSELS, OCT_LAYERS, OCTID_LAYERS

OPT = "1.2.840.10008.5.1.4.1.1.77.1.5.4"
OP = "1.2.840.10008.5.1.4.1.1.77.1.5.1"


def item(**attributes):
    dataset = Dataset()
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value)
    return dataset


def sequence(**attributes):
    return Sequence([item(**attributes)])


@pytest.fixture
def volume(make_dicom):
    """Return a DICOM volume whose B-scans lie askew in the patient, the last frame first."""
    dataset = make_dicom(np.zeros((3, 9, 11), np.uint8), OPT)
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = "1.2.3.4", "1.2.3.5"
    dataset.FrameOfReferenceUID = "1.2.3.6"
    dataset.SharedFunctionalGroupsSequence = sequence(
        PixelMeasuresSequence=sequence(
            PixelSpacing=[0.00387, 0.0118], SliceThickness=0.1205, SpacingBetweenSlices=0.1205
        ),
        PlaneOrientationSequence=sequence(ImageOrientationPatient=[0, 1, 0, 0, 0, -1]),
    )
    dataset.PerFrameFunctionalGroupsSequence = Sequence(
        item(PlanePositionSequence=sequence(ImagePositionPatient=[5 - 0.1205 * k, 2, 3]))
        for k in range(3)
    )
    return dataset


def read_standard(path):
    """Read a file by what the standard says of it alone."""
    dataset = pydicom.dcmread(path)
    dataset.remove_private_tags()
    return hd.seg.Segmentation.from_dataset(dataset)


def test_it_refers_to_its_image_and_lies_where_that_does(tmp_path, volume, make_record):
    record = make_record()
    path = tmp_path / "a.dcm"
    write_dicom_seg(path, record, volume, identified=True)
    seg = read_standard(path)
    assert seg.StudyInstanceUID == "1.2.3.4"
    assert seg.FrameOfReferenceUID == "1.2.3.6"
    assert seg.get_source_image_uids() == [("1.2.3.4", "1.2.3.5", volume.SOPInstanceUID)]
    planes = seg.get_pixels_by_source_frame(volume.SOPInstanceUID, [1, 2, 3], combine_segments=True)
    np.testing.assert_array_equal(planes, record.labels)
    shared = seg.SharedFunctionalGroupsSequence[0]
    measures = shared.PixelMeasuresSequence[0]
    assert list(measures.PixelSpacing) == [0.00387, 0.0118]
    assert measures.SpacingBetweenSlices == 0.1205
    assert list(shared.PlaneOrientationSequence[0].ImageOrientationPatient) == [0, 1, 0, 0, 0, -1]
    for group in seg.PerFrameFunctionalGroupsSequence:
        frame = group.DerivationImageSequence[0].SourceImageSequence[0].ReferencedFrameNumber
        given = volume.PerFrameFunctionalGroupsSequence[frame - 1].PlanePositionSequence[0]
        position = group.PlanePositionSequence[0].ImagePositionPatient
        np.testing.assert_allclose(position, given.ImagePositionPatient)
    np.testing.assert_allclose(seg.get_volume_geometry().spacing, (0.1205, 0.00387, 0.0118))
    np.testing.assert_array_equal(read_dicom_seg(path).labels, record.labels)


def test_without_an_image_the_axes_are_those_of_the_scan(tmp_path, make_record):
    record = make_record()
    write_dicom_seg(tmp_path / "a.dcm", record)
    found = read_standard(tmp_path / "a.dcm").get_volume(combine_segments=True)
    np.testing.assert_allclose(found.spacing, (0.1205, 0.00387, 0.0118))
    assert found.spatial_shape == record.labels.shape
    # Slices come in the order of the standard's right-handed axes.
    np.testing.assert_array_equal(found.array[::-1], record.labels)
    np.testing.assert_allclose(found.affine[:3, 2], [0.0118, 0, 0])
    np.testing.assert_allclose(found.affine[:3, 1], [0, 0.00387, 0])


def test_a_photograph_without_geometry(tmp_path, make_dicom, make_record):
    reference = make_dicom(np.zeros((9, 11, 3), np.uint8), OP)
    reference.StudyInstanceUID, reference.SeriesInstanceUID = "1.2.3.4", "1.2.3.5"
    labels = np.eye(9, 11, dtype=np.uint8)
    record = make_record(labels, scheme=FUNDUS_VESSELS, spacing=Spacing())
    write_dicom_seg(tmp_path / "a.dcm", record, reference)
    seg = read_standard(tmp_path / "a.dcm")
    assert seg.get_source_image_uids()[0][2] == reference.SOPInstanceUID
    assert seg.ContentDescription == "Pixel size unknown: 1 mm is none"
    assert seg.SegmentSequence[0].SegmentedPropertyTypeCodeSequence[0].CodeValue == "59820001"
    found = read_dicom_seg(tmp_path / "a.dcm")
    assert found.spacing == Spacing()
    np.testing.assert_array_equal(found.labels, labels)


def test_segments_have_names_codes_and_colours(tmp_path, make_record):
    labels = np.arange(9, dtype=np.uint8).reshape(3, 3)
    ignore = np.zeros((3, 3), bool)
    ignore[0, 0] = True
    write_dicom_seg(tmp_path / "a.dcm", make_record(labels, scheme=OCTID_LAYERS, ignore=ignore))
    seg = read_standard(tmp_path / "a.dcm")
    assert seg.ImageLaterality == "L"
    names = [segment.SegmentLabel for segment in seg.SegmentSequence]
    assert names == [*OCTID_LAYERS.names[1:], "ignore"]
    kinds = [segment.SegmentedPropertyTypeCodeSequence[0] for segment in seg.SegmentSequence]
    assert [kind.CodeValue for kind in kinds] == ["5665001"] * 7 + ["68703001", "5665001"]
    assert kinds[7].CodeMeaning == "Choroid"
    color = hd.color.CIELabColor.from_dicom_value(
        seg.SegmentSequence[0].RecommendedDisplayCIELabValue
    )
    np.testing.assert_allclose(color.to_rgb(), OCTID_LAYERS.classes[1].rgb, atol=1)


@pytest.mark.parametrize(
    ("attribution", "kind"),
    [
        (Attribution(Maker.HUMAN, "a"), "MANUAL"),
        (Attribution(Maker.HUMAN, "a", model="unet"), "SEMIAUTOMATIC"),
        (Attribution(Maker.PREDICTION, model="unet"), "AUTOMATIC"),
        (Attribution(), "AUTOMATIC"),
    ],
)
def test_it_says_whether_a_person_made_it(tmp_path, make_record, attribution, kind):
    write_dicom_seg(tmp_path / "a.dcm", make_record(attribution=attribution))
    segment = read_standard(tmp_path / "a.dcm").SegmentSequence[0]
    assert segment.SegmentAlgorithmType == kind
    assert read_dicom_seg(tmp_path / "a.dcm").attribution == attribution


def write_foreign(path, source, planes, labels, *, code=codes.SCT.Retina, overlapping=False):
    """Write segments as another program does: empty frames left out, classes in any order."""
    segments = [
        hd.seg.SegmentDescription(
            number,
            label,
            codes.SCT.AnatomicalStructure,
            code,
            "MANUAL",
        )
        for number, label in enumerate(labels, 1)
    ]
    for keyword in ("PatientSex", "AccessionNumber", "StudyID", "StudyTime"):
        setattr(source, keyword, "")
    source.Modality = "OPT"
    pixels = np.stack([planes == k for k in range(1, len(labels) + 1)], axis=-1).astype(np.uint8)
    if overlapping:
        pixels[:] = 1
    seg = hd.seg.Segmentation(
        [source],
        pixels,
        "BINARY",
        segments,
        generate_uid(),
        1,
        generate_uid(),
        1,
        "m",
        "m",
        "1",
        "2",
    )
    seg.ImageLaterality = "R"
    seg.save_as(path)


def test_segments_of_other_programs(tmp_path, volume):
    planes = np.zeros((3, 9, 11), np.uint8)
    planes[0, 2:5], planes[2, 4:6] = 1, 2
    write_foreign(tmp_path / "a.dcm", volume, planes, ["INL", "Retinal pigment epithelium"])
    found = read_dicom_seg(tmp_path / "a.dcm", OCT_LAYERS)
    np.testing.assert_array_equal(found.labels, np.array([0, 3, 7], np.uint8)[planes])
    sizes = (found.spacing.slice.um, found.spacing.axial.um, found.spacing.lateral.um)
    assert sizes == pytest.approx((120.5, 3.87, 11.8))
    assert found.laterality is Laterality.RIGHT
    assert found.attribution.maker is Maker.UNKNOWN
    padded = read_dicom_seg(tmp_path / "a.dcm", OCT_LAYERS, slices=5)
    np.testing.assert_array_equal(padded.labels, np.pad(found.labels, ((0, 2), (0, 0), (0, 0))))
    with pytest.raises(ReadError, match="no scheme: name one"):
        read_dicom_seg(tmp_path / "a.dcm")
    with pytest.raises(ReadError, match="calls segment 1 'INL', not a class of 'fundus-ves"):
        read_dicom_seg(tmp_path / "a.dcm", FUNDUS_VESSELS)


def test_segments_with_other_labels_are_recognised_by_code_or_remap(tmp_path, volume):
    planes = np.zeros((3, 9, 11), np.uint8)
    planes[0, 2:5], planes[2, 4:6] = 1, 2
    path = tmp_path / "a.dcm"
    labels = ["Couche des fibres", "Arbre vasculaire"]
    write_foreign(path, volume, planes, labels, code=codes.SCT.BloodVessel)
    vessels = read_dicom_seg(path, FUNDUS_VESSELS)
    np.testing.assert_array_equal(vessels.labels, planes > 0)
    with pytest.raises(
        ReadError, match=r"calls segment 1 'Couche des fibres'.*: say .*, as in 1:1"
    ):
        read_dicom_seg(path, OCT_LAYERS)
    with pytest.raises(ReadError, match="calls segment 2 'Arbre vasculaire'"):
        read_dicom_seg(path, OCT_LAYERS, remap={1: 3})
    layers = read_dicom_seg(path, OCT_LAYERS, remap={1: 3, 2: 7, 9: 1})
    np.testing.assert_array_equal(layers.labels, np.array([0, 3, 7], np.uint8)[planes])


def test_our_own_file_says_itself_what_its_numbers_mean(tmp_path, volume, make_record):
    record = make_record()
    write_dicom_seg(tmp_path / "a.dcm", record, volume)
    found = read_dicom_seg(tmp_path / "a.dcm", OCT_LAYERS, slices=5, remap={1: 4})
    np.testing.assert_array_equal(found.labels, record.labels)
    assert found.attribution == record.attribution


def test_overlapping_segments_are_refused(tmp_path, volume):
    planes = np.zeros((3, 9, 11), np.uint8)
    write_foreign(tmp_path / "a.dcm", volume, planes, ["INL", "RPE"], overlapping=True)
    with pytest.raises(ReadError, match="segments that overlap"):
        read_dicom_seg(tmp_path / "a.dcm", OCT_LAYERS)


def test_references_that_do_not_fit(tmp_path, volume, make_record):
    volume.Rows = 10
    with pytest.raises(WriteError, match=r"has 3 × 9 × 11 px, and the DICOM image 3 × 10 × 11"):
        write_dicom_seg(tmp_path / "a.dcm", make_record(), volume)
    volume.Rows = 9
    del volume.StudyInstanceUID
    with pytest.raises(WriteError, match="has no StudyInstanceUID"):
        write_dicom_seg(tmp_path / "a.dcm", make_record(), volume)
    assert not list(tmp_path.iterdir())


def test_other_dicom_is_no_mask(tmp_path, volume):
    volume.save_as(tmp_path / "a.dcm")
    with pytest.raises(ReadError, match="no DICOM Segmentation"):
        read_dicom_seg(tmp_path / "a.dcm")


def write_label_map(path, source, planes, labels, *, background=True):
    """Write a label map as another program does: empty frames left out."""
    described = [
        hd.seg.SegmentDescription(
            number, label, codes.SCT.AnatomicalStructure, codes.SCT.Retina, "MANUAL"
        )
        for number, label in labels.items()
    ]
    for keyword in ("PatientSex", "AccessionNumber", "StudyID", "StudyTime"):
        setattr(source, keyword, "")
    source.Modality = "OPT"
    seg = hd.seg.Segmentation(
        [source], planes, "LABELMAP", described, generate_uid(), 1, generate_uid(), 1,
        "m", "m", "1", "2",
    )  # fmt: skip
    if not background:
        seg.SegmentSequence = [one for one in seg.SegmentSequence if one.SegmentNumber]
    seg.save_as(path)
    return path


PLANES = np.zeros((3, 9, 11), np.uint8)
PLANES[0, 2:5], PLANES[2, 4:6], PLANES[2, 6:8] = 1, 2, 7


@pytest.mark.parametrize("background", [True, False])
def test_a_label_map(tmp_path, volume, background):
    labels = {1: "INL", 2: "RNFL", 7: "RPE"}
    path = write_label_map(tmp_path / "a.dcm", volume, PLANES, labels, background=background)
    assert pydicom.dcmread(path).SOPClassUID == "1.2.840.10008.5.1.4.1.1.66.7"
    found = read_dicom_seg(path, OCT_LAYERS)
    table = np.array([0, 3, 1, 0, 0, 0, 0, 7], np.uint8)
    np.testing.assert_array_equal(found.labels, table[PLANES])
    remapped = read_dicom_seg(path, OCT_LAYERS, remap={1: 5})
    assert set(np.unique(remapped.labels)) == {0, 5, 1, 7}


def test_a_label_map_with_an_undescribed_value_is_refused(tmp_path, volume):
    path = write_label_map(tmp_path / "a.dcm", volume, PLANES, {1: "INL", 2: "RNFL", 7: "RPE"})
    dataset = pydicom.dcmread(path)
    dataset.SegmentSequence = [one for one in dataset.SegmentSequence if one.SegmentNumber != 7]
    dataset.save_as(path)
    with pytest.raises(ReadError, match="pixels of segment 7, which it does not describe"):
        read_dicom_seg(path, OCT_LAYERS)


def test_probabilities_are_refused(tmp_path, volume):
    path = write_label_map(tmp_path / "a.dcm", volume, PLANES, {1: "INL", 2: "RNFL", 7: "RPE"})
    dataset = pydicom.dcmread(path)
    dataset.SegmentationType = "FRACTIONAL"
    dataset.save_as(path)
    with pytest.raises(ReadError, match="holds probabilities, not classes"):
        read_dicom_seg(path, OCT_LAYERS)


@pytest.fixture
def shuffled(volume):
    """Return the volume with its frames stored out of order, the places theirs."""
    groups = volume.PerFrameFunctionalGroupsSequence
    volume.PerFrameFunctionalGroupsSequence = Sequence(groups[k] for k in (2, 0, 1))
    return volume


def test_slices_lie_on_the_frames_of_their_positions(tmp_path, shuffled, make_record):
    """A mask has the order of the slices that a person saw, not that of the stored frames."""
    record = make_record()
    path = tmp_path / "a.dcm"
    write_dicom_seg(path, record, shuffled)
    seg = read_standard(path)
    frames = seg.get_pixels_by_source_frame(
        shuffled.SOPInstanceUID, [2, 3, 1], combine_segments=True
    )
    np.testing.assert_array_equal(frames, record.labels)
    np.testing.assert_array_equal(read_dicom_seg(path).labels, record.labels)
    assert slice_order(shuffled) == (1, 2, 0)


def test_masks_of_other_programs_are_put_in_the_order_of_slices(tmp_path, shuffled):
    stored = PLANES + 1  # no frame is empty
    stored[stored == 8] = 3
    labels = {1: "INL", 2: "RNFL", 3: "RPE"}
    path = write_label_map(tmp_path / "a.dcm", shuffled, stored, labels)
    expected = np.array([0, 3, 1, 7], np.uint8)[stored[[1, 2, 0]]]
    np.testing.assert_array_equal(read_dicom_seg(path, OCT_LAYERS).labels, expected)
    given = read_dicom_seg(path, OCT_LAYERS, order=slice_order(shuffled))
    np.testing.assert_array_equal(given.labels, expected)


def test_an_image_out_of_order_is_needed_where_slices_are_left_out(tmp_path, volume):
    groups = volume.PerFrameFunctionalGroupsSequence
    volume.PerFrameFunctionalGroupsSequence = Sequence(groups[k] for k in (2, 1, 0))
    path = write_label_map(
        tmp_path / "falling.dcm", volume, PLANES, {1: "INL", 2: "RNFL", 7: "RPE"}
    )
    table = np.array([0, 3, 1, 0, 0, 0, 0, 7], np.uint8)
    np.testing.assert_array_equal(read_dicom_seg(path, OCT_LAYERS).labels, table[PLANES])
    wide = np.zeros((3, 9, 11), np.uint8)
    wide[[0, 1]] = 1
    volume.PerFrameFunctionalGroupsSequence = Sequence(groups[k] for k in (1, 2, 0))
    path = write_label_map(tmp_path / "b.dcm", volume, wide[[0, 2, 1]], {1: "INL"})
    with pytest.raises(ReadError, match="leaves out slices of an image whose frames may not be"):
        read_dicom_seg(path, OCT_LAYERS)
    order = slice_order(volume)
    given = read_dicom_seg(path, OCT_LAYERS, order=order)
    np.testing.assert_array_equal(given.labels, 3 * wide[[0, 2, 1]][list(order)])


@pytest.mark.parametrize("labels", [{1: "INL", 2: "RNFL", 7: "RPE"}, {1: "A", 2: "B", 7: "C"}])
def test_a_segmentation_by_itself(tmp_path, volume, labels):
    path = write_label_map(tmp_path / "a.dcm", volume, PLANES, labels)
    assert is_dicom_mask(path)
    mask = read_dicom_mask(path)
    known = labels[1] == "INL"
    table = np.array([0, 3, 1, 0, 0, 0, 0, 7]) if known else np.arange(8)
    np.testing.assert_array_equal(mask.labels, table[PLANES])
    assert mask.scheme is (OCT_LAYERS if known else None)
    assert mask.spacing.axial.um == pytest.approx(3.87)
    assert mask.warning == ""
    assert not is_dicom_mask(tmp_path / "missing")


@pytest.mark.parametrize(
    ("labels", "scheme", "warning"),
    [
        ({1: "1", 2: "3", 7: "7"}, None, "may be classes of 'oct-layers' or 'duke-layers' or"),
        ({1: "1", 2: "1", 7: "1"}, None, "or 'fundus-arteries-veins': they are shown by their"),
        ({1: "INL", 2: "EZ", 7: "ONL"}, OCT_LAYERS, ""),
        ({1: "INL", 2: "Choroid", 7: "RPE"}, OCTID_LAYERS, ""),
        ({1: "Vessel", 2: "Vessels", 7: "vasculature"}, FUNDUS_VESSELS, ""),
    ],
)
def test_a_scheme_is_chosen_only_if_no_other_gives_other_classes(
    tmp_path, volume, labels, scheme, warning
):
    mask = read_dicom_mask(write_label_map(tmp_path / "a.dcm", volume, PLANES, labels))
    assert mask.scheme is scheme
    assert warning in mask.warning
    assert bool(warning) == bool(mask.warning)
    if scheme is None:
        np.testing.assert_array_equal(mask.labels, PLANES)


CLASSES = np.tile(np.arange(8, dtype=np.uint8), (64, 8))
VESSELS = (CLASSES > 5).astype(np.uint8)
KINDS = {
    "B-scan": {"labels": CLASSES},
    "volume": {"labels": np.stack([CLASSES, CLASSES[::-1], CLASSES])},
    "fundus": {"labels": VESSELS, "scheme": FUNDUS_VESSELS, "ignore": CLASSES == 2},
}


@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="dciodvfy is not installed")
@pytest.mark.parametrize("side", list(Laterality))
@pytest.mark.parametrize("spacing", [Spacing(), Spacing.from_um(slice=120.5, axial=4, lateral=8)])
@pytest.mark.parametrize("identified", [None, False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_dciodvfy_finds_no_error(
    tmp_path, make_record, make_dicom, kind, identified, spacing, side
):
    record = make_record(**KINDS[kind], spacing=spacing, laterality=side)
    reference = None
    if identified is not None:
        reference = make_dicom(record.labels, OP if kind == "fundus" else OPT)
        reference.StudyInstanceUID, reference.SeriesInstanceUID = "1.2.3.4", "1.2.3.5"
        reference.PatientID, reference.PatientName = "7", "Doe^Jane"
        reference.StudyDate, reference.StudyTime, reference.StudyID = "20260101", "1201", "1"
        reference.PatientBirthDate, reference.PatientSex = "19700101", "F"
    path = tmp_path / "a.dcm"
    write_dicom_seg(path, record, reference, identified=bool(identified))
    checked = subprocess.run(["dciodvfy", str(path)], capture_output=True, text=True, check=False)
    said = (checked.stderr + checked.stdout).splitlines()
    assert [line for line in said if line.startswith("Error")] == []
    assert any("Segmentation" in line for line in said)
    assert read_dicom_seg(path).laterality is side


@pytest.mark.parametrize(
    ("side", "letter", "code"), [("OD", "R", "24028007"), ("OS", "L", "7771000")]
)
def test_the_side_is_stated_of_the_image_and_of_each_segment(
    tmp_path, make_record, side, letter, code
):
    write_dicom_seg(tmp_path / "a.dcm", make_record(laterality=Laterality(side)))
    seg = read_standard(tmp_path / "a.dcm")
    assert seg.ImageLaterality == letter
    assert "Laterality" not in seg
    for segment in seg.SegmentSequence:
        (modifier,) = segment.AnatomicRegionSequence[0].AnatomicRegionModifierSequence
        assert (modifier.CodingSchemeDesignator, modifier.CodeValue) == ("SCT", code)


@pytest.fixture
def archived(volume):
    """Return a volume that an archive knows the patient of."""
    volume.PatientID, volume.PatientName = "4711", "Doe^Jane"
    volume.PatientBirthDate, volume.PatientSex = "19700101", "F"
    volume.StudyDate, volume.StudyTime, volume.StudyID = "20260102", "120000", "S1"
    volume.AccessionNumber, volume.ReferringPhysicianName = "A1", "Roe^Richard"
    return volume


WHO = ("PatientID", "PatientName", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime")
WHICH = (*WHO, "StudyID", "AccessionNumber", "ReferringPhysicianName")


def test_patient_and_study_are_all_kept(tmp_path, make_record, archived):
    write_dicom_seg(tmp_path / "a.dcm", make_record(), archived, identified=True)
    seg = read_standard(tmp_path / "a.dcm")
    assert {word: seg[word].value for word in WHICH} == {
        word: archived[word].value for word in WHICH
    }
    assert seg.StudyInstanceUID == archived.StudyInstanceUID


def test_patient_and_study_are_all_hidden_and_the_image_is_found_still(
    tmp_path, make_record, archived
):
    path = tmp_path / "a.dcm"
    write_dicom_seg(path, make_record(), archived)
    seg = read_standard(path)
    assert not any(seg[word].value for word in WHICH)
    assert seg.StudyInstanceUID != archived.StudyInstanceUID
    assert seg.get_source_image_uids() == [("1.2.3.4", "1.2.3.5", archived.SOPInstanceUID)]
    assert read_referenced_ids(path) == DicomIds("1.2.3.5", archived.SOPInstanceUID)
    np.testing.assert_array_equal(read_dicom_seg(path).labels, make_record().labels)


@pytest.mark.parametrize("distance", [0.1205, 0.2410])
def test_the_distance_of_slices_is_that_of_their_positions(tmp_path, make_record, volume, distance):
    for number, group in enumerate(volume.PerFrameFunctionalGroupsSequence):
        group.PlanePositionSequence[0].ImagePositionPatient = [5 - distance * number, 2, 3]
    write_dicom_seg(tmp_path / "a.dcm", make_record(), volume)
    shared = read_standard(tmp_path / "a.dcm").SharedFunctionalGroupsSequence[0]
    assert float(shared.PixelMeasuresSequence[0].SpacingBetweenSlices) == pytest.approx(distance)


def test_slices_at_uneven_distances_have_no_single_one(tmp_path, make_record, volume):
    for x, group in zip((5, 4, 2), volume.PerFrameFunctionalGroupsSequence, strict=True):
        group.PlanePositionSequence[0].ImagePositionPatient = [x, 2, 3]
    write_dicom_seg(tmp_path / "a.dcm", make_record(), volume)
    shared = read_standard(tmp_path / "a.dcm").SharedFunctionalGroupsSequence[0]
    assert "SpacingBetweenSlices" not in shared.PixelMeasuresSequence[0]


def test_a_single_plane_has_a_size(tmp_path, make_record):
    spacing = Spacing.from_um(axial=3.87, lateral=11.8)
    write_dicom_seg(tmp_path / "a.dcm", make_record(CLASSES, spacing=spacing))
    measures = read_standard(tmp_path / "a.dcm").SharedFunctionalGroupsSequence[0]
    measures = measures.PixelMeasuresSequence[0]
    assert list(measures.PixelSpacing) == [0.00387, 0.0118]
    assert float(measures.SliceThickness) > 0
