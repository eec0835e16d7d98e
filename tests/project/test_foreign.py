"""A project from somebody else reads, hashes and removes nothing outside of its folder."""

import hashlib
import sqlite3
import sys
from contextlib import closing

import pytest

from napari_retina_seg.project.checksums import stamp_all
from napari_retina_seg.project.files import IntegrityProblemKind
from napari_retina_seg.project.project import Project
from napari_retina_seg.project.states import Action
from napari_retina_seg.types.errors import OutsideError, ProjectError, RetinaSegError

posix = pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")


@pytest.fixture
def thesis(tmp_path):
    """Write a file that is nobody's business; it must be there, unread, at the end."""
    path = tmp_path / "home" / "thesis.txt"
    path.parent.mkdir()
    path.write_bytes(b"three years of work")
    yield path
    assert path.read_bytes() == b"three years of work"


@pytest.fixture
def opened():
    """Note which files are opened by name."""
    names = set()
    is_on = [True]  # a hook can't be taken away again

    def note(event, args):
        if is_on[0] and event == "open":
            names.add(str(args[0]))

    sys.addaudithook(note)
    yield names
    is_on[0] = False


def hostile(thesis, folder):
    return (
        str(thesis),
        "../../home/thesis.txt",
        f"../../{folder.name}/../home/thesis.txt",
        "..\\..\\home\\thesis.txt",
        "C:\\home\\thesis.txt",
        "\\\\server\\share\\thesis.txt",
        "a\x00b",
        "..",
        "",
    )


def alter(folder, statement, *values):
    """Change a record as somebody would who knows how its checksum is made."""
    with closing(sqlite3.connect(folder / "project.sqlite")) as connection, connection:
        connection.execute("DROP TRIGGER IF EXISTS version_no_update")
        connection.execute("PRAGMA foreign_keys = OFF")
        connection.execute(statement, values)
        stamp_all(connection)


def test_an_autosave_elsewhere_is_neither_read_nor_removed(ann, image, make, thesis, opened):
    ann.autosave(image.id, make.annotation())
    sha256 = hashlib.sha256(thesis.read_bytes()).hexdigest()
    for name in hostile(thesis, ann.folder):
        ann.close()
        alter(ann.folder, "UPDATE autosave SET file = ?, sha256 = ? WHERE id = 1", name, sha256)
        opened.clear()
        with Project(ann.folder, author="Ann") as project:
            slot = project.recoverable()[-1]
            with pytest.raises(OutsideError, match="leads out of"):
                project.recover(slot)
            assert IntegrityProblemKind.OUTSIDE in {finding.kind for finding in project.check()}
        assert str(thesis) not in opened
    with Project(ann.folder, author="Ann") as project:
        for slot in project.recoverable():
            project.discard(slot)
        assert project.recoverable() == ()


def test_a_mask_elsewhere_is_not_read(ann, image, make, thesis, opened):
    version = ann.save_version(image.id, make.annotation(), Action.CORRECT)
    ann.close()
    for name in hostile(thesis, ann.folder)[:-1]:
        alter(ann.folder, "UPDATE file SET sha256 = ?, suffix = ''", name)
        alter(ann.folder, "UPDATE version SET mask = ?", name)
        opened.clear()
        with Project(ann.folder, author="Ann") as project:
            with pytest.raises(ProjectError):
                project.annotation(image.id, version.number)
            assert project.check() != ()
        assert str(thesis) not in opened


def test_a_suffix_elsewhere_is_not_read(ann, image, make, thesis, opened):
    version = ann.save_version(image.id, make.annotation(), Action.CORRECT)
    ann.close()
    alter(ann.folder, "UPDATE file SET suffix = ?", "/../../../../home/thesis.txt")
    with Project(ann.folder, author="Ann") as project:
        with pytest.raises(OutsideError):
            project.annotation(image.id, version.number)
        assert IntegrityProblemKind.OUTSIDE in {finding.kind for finding in project.check()}
    assert str(thesis) not in opened


def test_an_image_elsewhere_is_not_read(ann, image, thesis, opened):
    ann.close()
    sha256 = hashlib.sha256(thesis.read_bytes()).hexdigest()
    for name in hostile(thesis, ann.folder):
        for copied in (None, sha256):
            statement = "INSERT OR IGNORE INTO file (sha256, suffix, size) VALUES (?, '', 0)"
            alter(ann.folder, statement, sha256)
            statement = "UPDATE image SET path = ?, sha256 = ?, copy_sha256 = ?"
            alter(ann.folder, statement, name, sha256, copied)
            opened.clear()
            with Project(ann.folder, author="Ann") as project:
                assert project.queue()
                with pytest.raises(RetinaSegError):
                    project.read_image(image.id)
                assert IntegrityProblemKind.ALTERED not in {one.kind for one in project.check()}
            assert not [each for each in opened if "home" in each and each != name]


def elsewhere(tmp_path, out):
    """Return what lies outside of an export, but the database's log."""
    kept = (path for path in tmp_path.rglob("*") if path != out and out not in path.parents)
    return {
        path: path.read_bytes()
        for path in kept
        if path.is_file() and not path.name.startswith("project.sqlite-")
    }


def test_the_name_of_an_image_leads_nowhere_on_export(ann, image, make, thesis, tmp_path):
    from napari_retina_seg.workflows.exporting import export_masks

    ann.save_version(image.id, make.annotation(), Action.CORRECT)
    ann.close()
    alter(ann.folder, "UPDATE image SET name = ?", "../../home/thesis.txt")
    with Project(ann.folder, author="Ann") as project:
        exported = []
        for kind in ("png", "boundary-csv", "coco", "labelme", "vgg", "cvat", "nifti"):
            out = tmp_path / "out" / kind
            before = elsewhere(tmp_path, out)
            try:
                export_masks(project, out, kind, identities="keep")
            except RetinaSegError:
                pass
            else:
                exported.append(kind)
            assert elsewhere(tmp_path, out) == before
            texts = [p.read_text() for p in out.rglob("*.json") if p.name != "export.json"]
            assert not [text for text in texts if "../" in text and kind == "coco"]
    assert exported
    assert {path.name for path in thesis.parent.iterdir()} == {"thesis.txt"}


@posix
def test_links_in_a_project_are_not_followed_out_of_it(ann, image, make, thesis, opened, tmp_path):
    version = ann.save_version(image.id, make.annotation(), Action.CORRECT)
    ann.autosave(image.id, make.annotation(1))
    files, autosave = ann.folder / "files", ann.folder / "autosave"
    kept = files / version.mask[:2]
    kept.rename(thesis.parent / version.mask[:2])
    kept.symlink_to(thesis.parent / version.mask[:2])
    autosave.rename(thesis.parent / "autosave")
    autosave.symlink_to(thesis.parent / "autosave")
    elsewhere = {path: path.read_bytes() for path in thesis.parent.rglob("*") if path.is_file()}
    with pytest.raises(OutsideError):
        ann.annotation(image.id, version.number)
    with pytest.raises(OutsideError):  # the same content would be written there
        ann.save_version(image.id, make.annotation(), Action.DRAFT)
    (slot,) = ann.recoverable()
    with pytest.raises(OutsideError):
        ann.recover(slot)
    with pytest.raises(OutsideError):
        ann.autosave(image.id, make.annotation(2))
    assert IntegrityProblemKind.OUTSIDE in {finding.kind for finding in ann.check()}
    ann.discard(slot)
    after = {path: path.read_bytes() for path in thesis.parent.rglob("*") if path.is_file()}
    assert after == elsewhere


@posix
@pytest.mark.parametrize("ending", ["", "-wal", "-shm", "-journal"])
def test_a_database_that_is_a_link_is_not_opened(folder, tmp_path, ending):
    path = folder / f"project.sqlite{ending}"
    path.unlink(missing_ok=True)
    path.symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere").write_bytes(b"x")
    with pytest.raises(ProjectError, match=r"is a link|no project"):
        Project(folder, author="Ann")
    assert (tmp_path / "elsewhere").read_bytes() == b"x"


@posix
def test_a_pipe_in_place_of_an_image_is_not_waited_for(ann, image):
    import os

    image.path.unlink()
    os.mkfifo(image.path)
    with pytest.raises(ProjectError, match="can't be read"):
        ann.read_image(image.id)
    assert [finding.kind for finding in ann.check()] == [IntegrityProblemKind.UNREADABLE]
