"""Two visits of an eye, and both eyes: registered, mirrored, and refused where they don't fit."""

from dataclasses import replace

import numpy as np
import pytest

import napari_retina_seg as rs
from napari_retina_seg.imaging.phantom import phantom_volume
from napari_retina_seg.imaging.surfaces import to_labels
from napari_retina_seg.measurement.comparison import MapDifference
from napari_retina_seg.measurement.orientation import ASSUMED
from napari_retina_seg.types.patient import patient_token

SPACING = rs.Spacing.from_um(axial=15.0, lateral=66.0, slice=700.0)  # 6.3 mm across
VOLUME = phantom_volume(slices=9, rows=96, columns=96)
# Thicker by 3 px below the GCL, and more so to the left.
THICKER = VOLUME.heights + np.linspace(4, 2, 96, dtype=np.float32) * (np.arange(8) > 1)[:, None]


def measured(heights, eye="OD", name="scan", paths=(), **options) -> rs.Measurements:
    labels = np.stack([to_labels(plane, 96) for plane in heights])
    face = rs.EnFace(np.zeros((100, 100), np.uint8), paths=paths)
    image = replace(VOLUME.image, name=name, spacing=SPACING,
                    acquisition=rs.Acquisition("raster", en_face=face))  # fmt: skip
    return rs.measure(image, rs.Annotation(labels, heights), scheme="oct-layers", laterality=eye,
                      **({"fovea": (4, 48)} | options))  # fmt: skip


DOWN = tuple(rs.LinePath((10 * k, 0), (10 * k, 90)) for k in range(9))
UPRIGHT = tuple(rs.LinePath((90, 10 * k), (0, 10 * k)) for k in range(9))
NOW, EARLIER = measured(THICKER, name="now"), measured(VOLUME.heights, name="earlier")


def by_subfield(found: rs.ScanComparison, band: str) -> dict[str, dict]:
    rows = found.table.as_rows()
    return {row["subfield"]: row for row in rows if row["abbreviation"] == band}


def test_what_changed_is_later_minus_earlier():
    found = rs.follow_up(NOW, EARLIER)
    axial = SPACING.axial.um
    rows = by_subfield(found, "GCL+IPL")
    assert len(rows) == 11  # nine subfields, their total, and all that both show
    central = rows["central"]
    assert central["difference [µm]"] == pytest.approx(3 * axial, rel=0.05)
    assert central["now [µm]"] - central["baseline [µm]"] == pytest.approx(
        central["difference [µm]"]
    )
    # The left of the fundus is the temporal side of a right eye.
    assert rows["outer temporal"]["difference [µm]"] > rows["outer nasal"]["difference [µm]"]
    assert by_subfield(found, "RNFL")["central"]["difference [µm]"] == pytest.approx(0, abs=0.01)
    assert (central["image"], central["compared with: image"]) == ("now", "earlier")
    assert found.maps["GCL+IPL"].difference.shape == (9, 96)
    assert "beyond 1.96 × error" not in central
    assert any("error of the difference is not known" in note for note in found.notes)


def test_a_shifted_scan_of_the_same_eye_did_not_change():
    moved = measured(np.roll(VOLUME.heights, 6, axis=2), name="earlier", fovea=(4, 54))
    found = rs.follow_up(EARLIER, moved)
    inside = found.maps["ILM–BM"].difference[:, :88]
    assert np.nanmax(np.abs(inside)) < 0.01


def test_asymmetry_is_right_minus_left_whichever_is_measured():
    left = measured(VOLUME.heights[..., ::-1].copy(), "OS", "left", fovea=(4, 47))
    for found in (rs.asymmetry(NOW, left), rs.asymmetry(left, NOW)):
        rows = by_subfield(found, "GCL+IPL")
        temporal = rows["outer temporal"]
        assert temporal["OD [µm]"] - temporal["OS [µm]"] == pytest.approx(
            temporal["difference [µm]"]
        )
        assert temporal["difference [µm]"] > rows["outer nasal"]["difference [µm]"] > 0
    assert rs.asymmetry(NOW, left).maps["GCL+IPL"].difference[4, 20] > 0


def test_maps_are_compared_where_the_subfields_have_other_names():
    found = rs.follow_up(NOW, measured(VOLUME.heights, paths=DOWN))
    assert list(by_subfield(found, "GCL+IPL")) == ["all that both scans show"]
    assert any("subfields are not compared" in note for note in found.notes)
    assert any("slices is known for one scan only" in note for note in found.notes)


def test_scans_that_would_have_to_be_turned_are_refused():
    upright = measured(VOLUME.heights, name="upright", paths=UPRIGHT)
    fellow = measured(VOLUME.heights, "OS", "fellow", UPRIGHT)
    with pytest.raises(rs.RetinaSegError, match="Only the B-scans of 'upright' are not horizontal"):
        rs.follow_up(NOW, upright)
    with pytest.raises(rs.RetinaSegError, match="'upright' and 'fellow' are not horizontal"):
        rs.asymmetry(upright, fellow)
    assert rs.follow_up(upright, upright).maps


def test_the_error_comes_from_both_models_probabilities():
    pair = []
    for one, sigma in ((NOW, 3.0), (EARLIER, 4.0)):
        known = np.full_like(one.thickness.values, sigma)
        pair.append(replace(one, thickness=replace(one.thickness, uncertainty=known)))
    found = rs.follow_up(*pair)
    row = by_subfield(found, "GCL+IPL")["all that both scans show"]
    assert row["error, at most [µm]"] == pytest.approx(5)
    assert row["beyond 1.96 × error"] == "yes"
    assert by_subfield(found, "RNFL")["all that both scans show"]["beyond 1.96 × error"] == (
        "within the error"
    )
    np.testing.assert_allclose(found.maps["RNFL"].error, 5, rtol=1e-5)


@pytest.mark.parametrize("alike", [0.0, 0.5, 1.0])
def test_the_error_of_a_mean_is_at_most_that_which_is_stated(alike):
    """However far the errors of the columns go together; a mean over all has no other bound."""
    rng, sigma = np.random.default_rng(0), np.linspace(1, 9, 50)
    own, shared = rng.normal(size=(2000, 50)), rng.normal(size=(2000, 1))
    means = (sigma * (np.sqrt(1 - alike) * own + np.sqrt(alike) * shared)).mean(axis=1)
    maps = MapDifference(np.zeros((1, 50)), *[np.ones((1, 50))] * 2, sigma[np.newaxis])
    assert means.std() <= maps.summary("all").error * 1.05
    assert means.std() == pytest.approx(maps.summary("all").error, rel=0.05) or alike < 1


@pytest.mark.parametrize("is_known", [False, True])
def test_a_direction_that_is_assumed_is_a_doubt_of_the_table(is_known):
    pair = [measured(VOLUME.heights, name=name, paths=DOWN if is_known else ()) for name in "ab"]
    found = rs.follow_up(*pair)
    row = found.table.as_rows()[0]
    doubts = [note for note in found.notes if "direction of the columns of 'a' and 'b'" in note]
    if is_known:
        assert not doubts
        assert row["sides from"] == row["compared with: sides from"] == "file"
    else:
        assert "is assumed: horizontal scans" in doubts[0]
        assert row["sides from"] == row["compared with: sides from"] == ASSUMED


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (lambda: measured(VOLUME.heights, "OS"), "shows OD and 'scan' OS: a follow-up needs"),
        (lambda: replace(EARLIER, image=replace(EARLIER.image, laterality="unknown")),
         "not known which eye 'earlier' shows: state it"),
        (lambda: replace(EARLIER, fovea=None), "where the fovea of 'earlier' is: state it"),
        (lambda: replace(EARLIER, thickness=None), "has no mask of layers"),
        (lambda: replace(EARLIER, scheme=rs.LabelScheme("x", NOW.scheme.classes)), "different lay"),
    ],
)  # fmt: skip
def test_what_does_not_belong_together_is_refused(other, message):
    with pytest.raises(rs.RetinaSegError, match=message):
        rs.follow_up(NOW, other())


@pytest.mark.parametrize(
    ("stated", "column", "warning"),
    [
        (("4711", "4711 "), "same in both files", None),
        (("17", "0017"), "different in the files",
         "The files state different patients: make sure that 'now' and 'earlier' are visits of"),
        (("4711", ""), "not stated", "do not say whether 'now' and 'earlier' are of one patient"),
        (("ANONYMOUS", "Anonymous"), "not stated", "do not say whether"),
        (("unknown", "unknown"), "not stated", "do not say whether"),
        (("0", "000"), "not stated", "do not say whether"),
        (("N/A", "n/a"), "not stated", "do not say whether"),
    ],
)  # fmt: skip
def test_patients_who_are_not_the_same_in_both_files_are_a_doubt(stated, column, warning):
    pair = [replace(each, image=replace(each.image, patient=patient_token(text)))
            for each, text in zip((NOW, EARLIER), stated, strict=True)]  # fmt: skip
    found = rs.follow_up(*pair)
    assert {row["compared with: patient"] for row in found.table.as_rows()} == {column}
    patients = [note for note in found.notes if "patient" in note]
    assert [warning in note for note in patients] == ([] if warning is None else [True])
    assert patients == list(found.notes[: len(patients)])  # before all other notes


def test_two_right_eyes_have_no_asymmetry():
    with pytest.raises(rs.RetinaSegError, match="asymmetry needs a right and a left eye"):
        rs.asymmetry(NOW, EARLIER)
