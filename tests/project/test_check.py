"""`check` finds whatever happened to a file, says it in a sentence, and touches nothing."""

import sqlite3

import pytest

from napari_retina_seg.project.files import IntegrityProblemKind
from napari_retina_seg.project.project import Project
from napari_retina_seg.project.states import Action
from napari_retina_seg.types.annotation import Annotation
from napari_retina_seg.types.errors import ProjectError
from napari_retina_seg.types.progress import Cancelled, CancelToken, finish

pytestmark = pytest.mark.both_databases


def cut(path):
    path.write_bytes(path.read_bytes()[:-7])


def alter(path):
    content = bytearray(path.read_bytes())
    content[-9] ^= 1
    path.write_bytes(content)


def lengthen(path):
    path.write_bytes(path.read_bytes() + b"\0")


@pytest.fixture
def full(ann, image, make):
    """Fill the project with one of everything that becomes a file."""
    ann.add_prediction(image.id, make.prediction())
    heights = make.prediction().probabilities[:, 0].astype("float32")
    drawn = make.annotation()
    ann.save_version(image.id, Annotation(drawn.labels, heights, drawn.labels > 3), Action.DRAFT)
    ann.autosave(image.id, drawn)
    return ann


def listing(folder):
    return {
        path: path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and "sqlite" not in path.name
    }


@pytest.mark.only_sqlite
def test_a_sound_project_has_no_findings(full):
    assert full.check() == ()
    assert len(listing(full.folder)) == 6


@pytest.mark.parametrize(
    ("damage", "kind", "said"),
    [
        (cut, IntegrityProblemKind.CUT, "was cut short"),
        (alter, IntegrityProblemKind.ALTERED, "was altered"),
        (lengthen, IntegrityProblemKind.ALTERED, "was altered"),
        (lambda path: path.unlink(), IntegrityProblemKind.MISSING, "is missing"),
    ],
)
def test_every_damaged_file_is_found(full, damage, kind, said):
    for path in sorted((full.folder / "files").rglob("*.*")):
        whole = path.read_bytes()
        damage(path)
        before = listing(full.folder)
        (finding,) = full.check()
        assert (finding.kind, finding.path, finding.serious) == (kind, path, True)
        assert said in finding.sentence
        assert listing(full.folder) == before
        path.write_bytes(whole)
    assert full.check() == ()


def test_a_damaged_mask_is_not_shown_and_saving_it_again_mends_it(full, image, make):
    version = full.history(image.id)[-1]
    path = full.folder / "files" / version.mask[:2] / f"{version.mask}.png"
    cut(path)
    with pytest.raises(ProjectError, match="was cut short"):
        full.annotation(image.id, version.number)
    full.save_version(image.id, make.annotation(), Action.DRAFT, parent=version.number)
    assert full.check() == ()
    assert (full.annotation(image.id, version.number).labels == make.annotation().labels).all()


def test_a_damaged_file_of_a_removed_image_is_found(full, image, write_scan):
    write_scan("scan.png", 77)
    full.remove_images([image.id], "twice")
    assert [finding.path for finding in full.check()] == [image.path]


def test_unsaved_work_and_images_are_looked_at_too(full, image, write_scan):
    (autosaved,) = (full.folder / "autosave").iterdir()
    cut(autosaved)
    write_scan("scan.png", 77)
    found = {finding.path: finding.kind for finding in full.check()}
    assert found == {
        autosaved: IntegrityProblemKind.ALTERED,
        image.path: IntegrityProblemKind.ALTERED,
    }
    image.path.unlink()
    autosaved.unlink()
    found = {finding.path: finding.kind for finding in full.check()}
    assert found == {
        autosaved: IntegrityProblemKind.MISSING,
        image.path: IntegrityProblemKind.MISSING,
    }


def test_what_belongs_to_nothing_is_reported_and_left_alone(full):
    strays = [full.folder / "files" / "ab" / ".draft", full.folder / "autosave" / "old.npz"]
    for stray in strays:
        stray.parent.mkdir(exist_ok=True)
        stray.write_bytes(b"half")
    findings = full.check()
    assert sorted(finding.path for finding in findings) == sorted(strays)
    assert not any(finding.serious for finding in findings)
    assert all(stray.exists() for stray in strays)


@pytest.mark.only_sqlite
def test_a_record_that_points_nowhere_is_found(full):
    connection = sqlite3.connect(full.folder / "project.sqlite")
    connection.execute("DELETE FROM file")
    connection.commit()
    connection.close()
    findings = full.check()
    assert {finding.kind for finding in findings} == {IntegrityProblemKind.DATABASE}
    assert all("points to a missing row of file" in finding.sentence for finding in findings)


def test_a_check_can_be_cancelled(full):
    token = CancelToken()
    job = full.iter_check(token)
    next(job)
    token.cancel()
    with pytest.raises(Cancelled):
        finish(job)


def first_sentence(folder):
    try:
        with Project(folder, author="Ann") as project:
            return project.check()[0].sentence
    except ProjectError as error:
        return str(error)


@pytest.mark.only_sqlite
@pytest.mark.parametrize("offset", [4096, 8192, 40_960])
def test_a_damaged_database_is_reported_wherever_it_is_damaged(full, offset):
    full.close()
    path = full.folder / "project.sqlite"
    content = bytearray(path.read_bytes())
    content[offset : offset + 4096] = b"\xff" * 4096
    path.write_bytes(content)
    masks = listing(full.folder)
    assert "restore " in first_sentence(full.folder)
    assert listing(full.folder) == masks
