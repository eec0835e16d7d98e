import highdicom as hd
import nibabel as nib
import numpy as np
import pytest
from napari.layers import Image, Labels, Layer
from napari.utils.notifications import notification_manager
from PIL import Image as PillowImage
from pydicom import dcmread
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sr.codedict import codes
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from helpers import write_png
from napari_retina_seg._napari.layers import KEY
from napari_retina_seg._napari.reader import get_reader
from napari_retina_seg.io.masks import save_mask
from napari_retina_seg.types.labels import FUNDUS_VESSELS, OCT_LAYERS


@pytest.fixture
def viewer(windowless):
    return windowless


@pytest.fixture
def said():
    notification_manager.records.clear()
    yield notification_manager.records
    notification_manager.records.clear()


def test_an_image_is_read(tmp_path, bscan):
    path = tmp_path / "scan.PNG"
    PillowImage.fromarray(bscan).save(path)
    (data,) = get_reader(str(path))(str(path))
    layer = Layer.create(*data)
    assert np.array_equal(layer.data, bscan)
    assert layer.metadata[KEY].source == str(path)


def test_files_of_one_shape_are_stacked(tmp_path, volume):
    paths = [str(tmp_path / f"B{9 + index}.npy") for index in range(len(volume))]
    for path, plane in zip(paths, volume, strict=True):
        np.save(path, plane)
    paths.sort()  # as texts: B10 before B9
    ((pixels, _, _),) = get_reader(paths)(paths)
    assert np.array_equal(pixels, volume)


def test_files_of_two_shapes_are_not_stacked(tmp_path, bscan, said):
    paths = [str(tmp_path / "a.npy"), str(tmp_path / "b.npy")]
    np.save(paths[0], bscan)
    np.save(paths[1], bscan[:-1])
    assert get_reader(paths)(paths) == [(None,)]
    assert "open these one by one" in said[-1].message


def test_a_file_of_another_kind_is_left_to_others(tmp_path):
    assert get_reader(str(tmp_path / "notes.txt")) is None
    assert get_reader([]) is None


@pytest.mark.parametrize("content", [b"", b"\x89PNG\r\n\x1a\n", b"This is a letter."])
def test_a_broken_file_is_one_sentence(viewer, tmp_path, bscan, said, content):
    viewer.add_image(bscan, name="before")
    path = tmp_path / "scan.png"
    path.write_bytes(content)
    viewer.open(str(path), plugin="napari-retina-seg")
    assert [layer.name for layer in viewer.layers] == ["before"]
    (record,) = [each for each in said if path.name in each.message]
    assert str(record.severity) == "error"
    assert record.message.endswith(".")
    assert "Traceback" not in record.message


def test_an_empty_folder_is_one_sentence(tmp_path, said):
    assert get_reader(str(tmp_path))(str(tmp_path)) == [(None,)]
    assert tmp_path.name in said[-1].message


@pytest.mark.parametrize(
    ("key", "ndim", "kind"),
    [("fundus-photograph", 2, "fundus"), ("oct-bscan", 2, "oct"), ("oct-volume", 3, "oct")],
)
def test_samples_open(viewer, key, ndim, kind):
    viewer.open_sample("napari-retina-seg", key)
    (layer,) = viewer.layers
    assert layer.ndim == ndim
    assert layer.metadata[KEY].modality == kind
    assert layer.rgb == (kind == "fundus")
    assert kind == "fundus" or "phantom" in layer.metadata[KEY].source


@pytest.fixture
def write_dicom(tmp_path, volume):
    """Return a function that writes one slice of a volume, at a position if there is one."""

    def write(name, index=0, position=None):
        pixels = np.ascontiguousarray(volume[index])
        meta = FileMetaDataset()
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        dataset = FileDataset(None, {}, file_meta=meta, preamble=bytes(128))
        dataset.SOPClassUID = "1.2.840.10008.5.1.4.1.1.77.1.5.4"
        dataset.SeriesInstanceUID = "1.2.3"
        dataset.Rows, dataset.Columns = pixels.shape
        dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
        dataset.BitsAllocated = dataset.BitsStored = 8 * pixels.itemsize
        dataset.HighBit, dataset.PixelRepresentation = dataset.BitsStored - 1, 0
        if position is not None:
            dataset.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
            dataset.ImagePositionPatient = [0, 0, position]
        dataset.PixelData = pixels.tobytes()
        dataset.save_as(tmp_path / name)
        return tmp_path / name

    return write


@pytest.mark.parametrize("name", ["1.2.840.113619.2.1", "IM000001", "I1000002.DCM", "scan.dcm.1"])
def test_dicom_opens_as_archives_name_it(viewer, write_dicom, volume, name):
    (layer,) = viewer.open(str(write_dicom(name)), plugin="napari-retina-seg")
    assert layer.name == name.removesuffix(".DCM")
    assert np.array_equal(layer.data, volume[0])


@pytest.mark.parametrize("name", ["notes", "1.2.3.4", "points.csv", "IM0001"])
def test_other_files_of_such_names_are_left_to_others(tmp_path, name):
    (tmp_path / name).write_text("axis-0,axis-1\n1,2\n" * 100)
    assert get_reader(str(tmp_path / name)) is None


def test_a_folder_opens_a_series_as_one_volume_and_says_what_it_skipped(
    viewer, write_dicom, volume, tmp_path, said
):
    for index, name in enumerate("dcba"[: len(volume)]):
        write_dicom(name, index, 0.12 * index)
    (tmp_path / "notes.txt").write_text("x")
    (layer,) = viewer.open(str(tmp_path), plugin="napari-retina-seg")
    assert np.array_equal(layer.data, volume[: layer.data.shape[0]])
    assert layer.name == tmp_path.name
    assert any("'notes.txt' (not an image)" in record.message for record in said)


def test_files_that_are_stacked_are_in_the_order_of_their_positions(write_dicom, volume):
    paths = [str(write_dicom(f"{9 - k}.dcm", k, 0.12 * k)) for k in range(3)]
    ((pixels, _, _),) = get_reader(paths)(sorted(paths))
    assert np.array_equal(pixels, volume[:3])


def test_a_folder_opens_images_that_are_sound_beside_one_that_is_not(
    viewer, write_dicom, tmp_path, said
):
    write_dicom("IM1")
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    (layer,) = viewer.open(str(tmp_path), plugin="napari-retina-seg")
    assert layer.name == "IM1"
    assert any("'broken.png' can't be read" in record.message for record in said)


def test_what_a_file_leaves_in_doubt_is_reported(write_dicom, said):
    paths = [str(write_dicom(f"{k}.dcm", k, place)) for k, place in enumerate((0, 0.1, 0.5))]
    get_reader(paths)(paths)
    assert any("unevenly spaced" in record.message for record in said)


def as_volume(source, shape, places=None):
    """Return a dataset as that of a volume whose frames lie at some places, in steps."""
    source.SOPInstanceUID, source.StudyInstanceUID = generate_uid(), generate_uid()
    for word in ("PatientID", "PatientName", "PatientBirthDate", "PatientSex", "StudyID",
                 "AccessionNumber", "StudyDate", "StudyTime"):  # fmt: skip
        setattr(source, word, "")
    source.Modality, source.FrameOfReferenceUID = "OPT", generate_uid()
    source.NumberOfFrames, source.Rows, source.Columns = shape
    shared, measures, axes = Dataset(), Dataset(), Dataset()
    measures.PixelSpacing, measures.SliceThickness = [0.004, 0.012], 0.12
    measures.SpacingBetweenSlices = 0.12
    axes.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    shared.PixelMeasuresSequence, shared.PlaneOrientationSequence = [measures], [axes]
    source.SharedFunctionalGroupsSequence = [shared]
    frames = []
    for k in range(shape[0]) if places is None else places:
        frame, place, content = Dataset(), Dataset(), Dataset()
        place.ImagePositionPatient = [0, 0, 0.12 * k]
        content.DimensionIndexValues = [1, k + 1]
        frame.PlanePositionSequence, frame.FrameContentSequence = [place], [content]
        frames.append(frame)
    source.PerFrameFunctionalGroupsSequence = frames
    return source


def write_segmentation(path, source, labels, names):
    """Write a label map of another program."""
    described = [
        hd.seg.SegmentDescription(
            number, name, codes.SCT.AnatomicalStructure, codes.SCT.Retina, "MANUAL"
        )
        for number, name in enumerate(names, 1)
    ]
    uids = generate_uid(), 1, generate_uid(), 1
    seg = hd.seg.Segmentation([source], labels, "LABELMAP", described, *uids, "m", "m", "1", "2")
    seg.save_as(path)


@pytest.mark.parametrize(
    ("names", "known"), [(["INL", "RPE"], True), (["Drusen", "Fluid"], False), (["1", "1"], False)]
)
def test_a_dicom_segmentation_opens_as_labels(viewer, write_dicom, tmp_path, said, names, known):
    labels = np.zeros((3, 20, 30), np.uint8)
    labels[0, 5:9], labels[2, 9:12] = 1, 2
    source = as_volume(dcmread(write_dicom("scan.dcm")), labels.shape)
    write_segmentation(tmp_path / "1.2.840.5", source, labels, names)
    (layer,) = viewer.open(str(tmp_path / "1.2.840.5"), plugin="napari-retina-seg")
    assert isinstance(layer, Labels)
    table = np.array([0, 3, 7]) if known else np.arange(3)
    assert np.array_equal(layer.data, table[labels])
    assert np.allclose(layer.scale, (120, 4, 12))
    assert layer.name == "1.2.840.5"
    assert (KEY in layer.metadata) is known
    asked = any("may be classes of 'oct-layers' or" in record.message for record in said)
    assert asked == (names == ["1", "1"])


@pytest.mark.parametrize("places", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_a_dicom_segmentation_lies_on_the_slices_of_its_open_image(
    viewer, write_dicom, tmp_path, places
):
    """Only the image says in which order its frames are."""
    labels = np.zeros((3, 20, 30), np.uint8)
    for frame, place in enumerate(places[:2]):  # the last is left out, and empty
        labels[frame, 4 * place : 4 * place + 4] = 1
    source = as_volume(dcmread(write_dicom("scan.dcm")), labels.shape, places)
    source.BitsAllocated, source.BitsStored, source.HighBit = 8, 8, 7
    source.PixelData = np.where(labels, 200, 10).astype(np.uint8).tobytes()
    source.save_as(tmp_path / "scan.dcm")
    write_segmentation(tmp_path / "elsewhere.dcm", source, labels, ["INL"])
    (other,) = viewer.open(str(write_dicom("other.dcm")), plugin="napari-retina-seg")
    (image,) = viewer.open(str(tmp_path / "scan.dcm"), plugin="napari-retina-seg")
    viewer.layers.selection.active = other
    (layer,) = viewer.open(str(tmp_path / "elsewhere.dcm"), plugin="napari-retina-seg")
    assert np.array_equal(layer.data > 0, np.asarray(image.data) > 100)
    assert np.allclose(layer.scale, image.scale)


def test_a_folder_opens_its_masks_as_labels_on_their_images(viewer, bscan, tmp_path, said):
    labels = (np.arange(bscan.size) % 7).astype(np.uint8).reshape(bscan.shape)
    write_png(tmp_path / "scan.png", bscan)
    save_mask(tmp_path / "scan_mask.png", labels, OCT_LAYERS)  # as `segment` names it
    save_mask(tmp_path / "by-hand.tif", labels, OCT_LAYERS)
    nib.save(nib.Nifti1Image(labels.T, np.diag([0.01, 0.004, 1, 1])), tmp_path / "other.nii.gz")
    (tmp_path / "broken.nii").write_bytes(b"x" * 400)
    (tmp_path / "scan_boundaries.csv").write_text("x")
    opened = viewer.open(str(tmp_path), plugin="napari-retina-seg")
    kinds = {layer.name: type(layer) for layer in opened}
    assert kinds == {"scan": Image, "scan_mask": Labels, "by-hand": Labels, "other": Labels}
    for name in ("scan_mask", "by-hand"):
        assert np.array_equal(viewer.layers[name].data, labels)
        assert viewer.layers[name].metadata[KEY].scheme == OCT_LAYERS
    assert viewer.layers["scan_mask"].metadata[KEY].image == "scan"
    (words,) = [record.message for record in said]
    assert "'broken.nii' (" in words
    assert "'scan_boundaries.csv' (a result for another image)" in words
    assert "mask.png" not in words


def test_masks_of_a_folder_lie_on_an_image_in_micrometres(viewer, write_dicom, tmp_path, bscan):
    volume = write_dicom("scan.dcm")
    dataset = dcmread(volume)
    dataset.PixelSpacing = [0.004, 0.012]
    dataset.save_as(volume)
    save_mask(tmp_path / "scan_mask.png", np.ones(bscan.shape, np.uint8), OCT_LAYERS)
    image, mask = viewer.open(str(tmp_path), plugin="napari-retina-seg")
    assert np.allclose(image.scale, (4, 12))
    assert np.allclose(mask.scale, image.scale)
    assert mask.units == image.units


def test_a_folder_of_masks_alone_opens(viewer, tmp_path):
    save_mask(tmp_path / "one.png", np.ones((8, 9), np.uint8), FUNDUS_VESSELS)
    (mask,) = viewer.open(str(tmp_path), plugin="napari-retina-seg")
    assert isinstance(mask, Labels)


def test_a_metaimage_mask_of_another_program_is_no_image(tmp_path):
    values = np.tile(np.repeat(np.arange(4, dtype=np.uint8), 8)[:, None], (2, 1, 40))
    (tmp_path / "seg.raw").write_bytes(values.tobytes())
    path = tmp_path / "seg.mhd"
    path.write_text("DimSize = 40 32 2\nElementType = MET_UCHAR\nElementDataFile = seg.raw\n")
    (data,) = get_reader(str(path))(str(path))
    layer = Layer.create(*data)
    assert isinstance(layer, Labels)
    assert np.array_equal(layer.data, values)
