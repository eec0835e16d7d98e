from pathlib import Path

import numpy as np
import pytest

from napari_retina_seg.datasets.examine import examine
from napari_retina_seg.datasets.findings import FindingKind, suggest_remap
from napari_retina_seg.datasets.labelled import LabelledImage
from napari_retina_seg.imaging.phantom import phantom_bscan
from napari_retina_seg.types.errors import ReadError
from napari_retina_seg.types.image import Modality
from napari_retina_seg.types.labels import FUNDUS_VESSELS, OCT_LAYERS

PHANTOM = phantom_bscan(0, 96, 128)


def fails():
    raise ReadError("'scan.png' can't be decoded: is the file complete?")


def labelled(pixels=None, labels=None, **others):
    def give(value, usual):
        if callable(value):
            return value
        return lambda: usual if value is None else value

    return LabelledImage(
        "scan",
        "set",
        "a",
        Modality.OCT,
        Path("set/scan.png"),
        give(pixels, PHANTOM.image.pixels),
        give(labels, PHANTOM.labels),
        **others,
    )


def look(scheme=OCT_LAYERS, modality=Modality.OCT, **parts):
    return examine(labelled(**parts), scheme, modality)


def only_finding(**parts):
    (finding,) = look(**parts).findings
    assert "set/scan.png" in finding.sentence or "scan.png" in finding.sentence
    return finding


def test_a_sound_image_has_no_findings():
    examination = look()
    assert examination.findings == ()
    assert examination.modality is Modality.OCT
    np.testing.assert_array_equal(examination.pixels, PHANTOM.image.pixels)
    np.testing.assert_array_equal(examination.labels, PHANTOM.labels)


def test_an_image_that_cannot_be_read_is_named_and_its_mask_is_looked_at_all_the_same():
    examination = look(pixels=fails, labels=np.zeros((96, 128), np.uint8))
    assert examination.pixels is None
    assert [finding.kind for finding in examination.findings] == [
        FindingKind.UNREADABLE,
        FindingKind.EMPTY,
    ]


def test_an_error_that_does_not_name_its_file_gets_the_name():
    def broken():
        raise OSError("Input/output error")

    assert only_finding(pixels=broken).sentence == "'set/scan.png': Input/output error"


def test_a_mask_that_is_missing():
    examination = look(labels=fails)
    assert examination.labels is None
    assert examination.has(FindingKind.NO_MASK)


def test_a_mask_of_another_size():
    finding = only_finding(labels=PHANTOM.labels[:, ::2])
    assert finding.kind is FindingKind.SIZE
    assert "96 × 128 px and its mask 96 × 64" in finding.sentence


def test_an_image_that_shows_nothing():
    finding = only_finding(pixels=np.full((96, 128), 7, np.uint8))
    assert finding.kind is FindingKind.BLANK
    assert "7 everywhere" in finding.sentence


def test_a_photograph_among_scans():
    photograph = np.zeros((96, 128, 3), np.uint8)
    photograph[..., 0] = np.linspace(60, 250, 128)
    finding = only_finding(pixels=photograph)
    assert finding.kind is FindingKind.MODALITY
    assert "looks like a fundus photograph among OCT scans" in finding.sentence


def test_values_without_a_class_and_what_they_may_mean():
    vessels = np.zeros((96, 128), np.uint8)
    vessels[40:44] = 255
    finding = only_finding(labels=vessels, scheme=FUNDUS_VESSELS)
    assert finding.kind is FindingKind.VALUES
    assert "the value 255" in finding.sentence
    assert "--remap 255:1" in finding.sentence


def test_a_smoothed_mask_is_to_be_exported_anew():
    ramp = np.tile(np.arange(128, dtype=np.uint8), (96, 1))
    finding = only_finding(labels=ramp, scheme=FUNDUS_VESSELS)
    assert "126 values from 2 to 127" in finding.sentence
    assert "export it again" in finding.sentence


def test_an_empty_mask():
    assert only_finding(labels=np.zeros((96, 128), np.uint8)).kind is FindingKind.EMPTY


def test_boundaries_that_do_not_fit():
    finding = only_finding(read_heights=lambda: np.zeros((8, 100)))
    assert finding.kind is FindingKind.HEIGHTS
    assert "8 boundaries of 100 columns: 'oct-layers' needs 8 of 128" in finding.sentence
    assert look(read_heights=lambda: np.zeros((8, 128))).findings == ()
    assert only_finding(read_heights=fails).kind is FindingKind.HEIGHTS


def test_a_field_of_view_that_does_not_fit():
    finding = only_finding(read_field=lambda: np.ones((96, 100), bool))
    assert finding.kind is FindingKind.FIELD
    assert look(read_field=lambda: np.ones((96, 128), bool)).findings == ()
    assert only_finding(read_field=fails).kind is FindingKind.FIELD


@pytest.mark.parametrize(
    ("values", "scheme", "expected"),
    [
        ({0, 255}, FUNDUS_VESSELS, {255: 1}),
        ({0, 1, 255}, FUNDUS_VESSELS, {255: 1}),
        ({255}, FUNDUS_VESSELS, {255: 1}),
        ({0, 1}, FUNDUS_VESSELS, {}),
        ({0, 100, 255}, FUNDUS_VESSELS, {}),
        # eight classes, stretched to 0 … 255
        (
            {0, 36, 73, 109, 146, 182, 219, 255},
            OCT_LAYERS,
            {36: 1, 73: 2, 109: 3, 146: 4, 182: 5, 219: 6, 255: 7},
        ),
        ({0, 1, 2, 3, 4, 5, 6, 7, 255}, OCT_LAYERS, {}),
        ({0, 1, 2, 3, 4, 5, 6, 255}, OCT_LAYERS, {}),
        ({0, 9}, OCT_LAYERS, {}),
    ],
)
def test_what_values_may_mean(values, scheme, expected):
    assert suggest_remap(values, scheme) == expected
