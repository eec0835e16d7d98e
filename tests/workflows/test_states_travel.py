"""What a mask was counts in the next project, too: accepted, adjudicated, ungradable."""

from dataclasses import replace

import numpy as np
import pytest

from helpers import write_png
from napari_retina_seg.imaging.phantom import phantom_bscan
from napari_retina_seg.project.project import Project
from napari_retina_seg.project.states import Action, State
from napari_retina_seg.types.annotation import Annotation
from napari_retina_seg.types.errors import ReadError
from napari_retina_seg.types.labels import OCT_LAYERS
from napari_retina_seg.workflows.export_index import INDEX
from napari_retina_seg.workflows.export_options import Format, Identities
from napari_retina_seg.workflows.exporting import export_masks
from napari_retina_seg.workflows.importing import import_masks
from napari_retina_seg.workflows.patients import PatientRule

NAMES = ("corrected", "accepted", "adjudicated", "ungradable")
CARRYING = [Format.PNG, Format.DICOM_SEG, Format.COCO, Format.TRAINING, Format.BOUNDARY_JSON]


@pytest.fixture
def scans(tmp_path):
    paths = [tmp_path / "scans" / f"{name}.png" for name in NAMES]
    for seed, path in enumerate(paths):
        write_png(path, phantom_bscan(seed, 64, 96).image.pixels)
    return paths


@pytest.fixture
def graded(ann, bob, scans, make):
    """Have one image of each final state."""
    corrected, accepted, adjudicated, ungradable = ann.add_images(scans).images
    drawn = [Annotation(phantom_bscan(seed, 64, 96).labels) for seed in range(4)]
    ann.save_version(corrected.id, drawn[0], Action.CORRECT)
    proposed = replace(make.prediction(1, (64, 96)), labels=drawn[1].labels)
    ann.add_prediction(accepted.id, proposed)
    ann.accept(accepted.id)
    ann.save_version(adjudicated.id, drawn[2], Action.CORRECT)
    bob.save_version(adjudicated.id, drawn[3], Action.SECOND_GRADE)
    ann.save_version(adjudicated.id, drawn[2], Action.ADJUDICATE, parent=1)
    bob.mark_ungradable(ungradable.id, "Mr Smith blinked")
    return ann


@pytest.fixture
def other(tmp_path, scans):
    """Make another project of the same images."""
    with Project.create(tmp_path / "other", scheme=OCT_LAYERS, author="Ann") as project:
        project.add_images(scans)
        yield project


def states(project):
    return [str(image.state) for image in project.images()]


@pytest.mark.parametrize("format", CARRYING)
def test_states_travel_with_the_masks(graded, other, tmp_path, format):
    out = tmp_path / "out"
    exported = export_masks(graded, out, format, patients=PatientRule(each_image=True))
    assert (exported.masks, exported.problems) == (3, ())
    assert "Ungradable, so without a mask: 1 image." in exported.warnings
    imported = import_masks(other, out)
    assert not imported.problems
    assert states(other) == list(NAMES)
    assert other.truth(3).state is State.ADJUDICATED
    assert np.array_equal(
        other.annotation(3, other.truth(3).number).labels, phantom_bscan(2, 64, 96).labels
    )
    again = import_masks(other, out)
    assert (again.versions, again.problems) == ((), ())


def test_a_reason_leaves_only_if_identities_are_kept(graded, tmp_path):
    for identities, is_there in ((Identities.HIDE, False), (Identities.KEEP, True)):
        out = tmp_path / identities.value
        export_masks(graded, out, Format.PNG, identities=identities)
        assert ("Smith" in (out / INDEX).read_text()) == is_there


def test_an_image_that_somebody_graded_here_does_not_become_ungradable(graded, other, tmp_path):
    other.save_version(4, Annotation(phantom_bscan(3, 64, 96).labels), Action.CORRECT)
    export_masks(graded, tmp_path / "out", Format.PNG)
    imported = import_masks(other, tmp_path / "out")
    assert "'ungradable' is corrected already" in imported.problems[0]
    assert other.image(4).state is State.CORRECTED


def test_a_damaged_index_is_said(graded, other, tmp_path):
    export_masks(graded, tmp_path / "out", Format.PNG)
    (tmp_path / "out" / INDEX).write_text("{")
    with pytest.raises(ReadError, match="is damaged: export again"):
        import_masks(other, tmp_path / "out")
