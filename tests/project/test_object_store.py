"""Studies without a common folder: records on a server, masks in an object store."""

import contextlib
import shutil
import socket
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from s3fs.errors import translate_boto_error
from typer.testing import CliRunner

from napari_retina_seg.cli.app import app
from napari_retina_seg.project import moving_files, object_storage, pending_autosaves
from napari_retina_seg.project.files import hash_file
from napari_retina_seg.project.images import local_path
from napari_retina_seg.project.moving import move_records
from napari_retina_seg.project.moving_files import join_study, move_files
from napari_retina_seg.project.object_storage import _translating, parse_store
from napari_retina_seg.project.project import Project
from napari_retina_seg.project.states import Action
from napari_retina_seg.types.errors import ProjectError, SavedLocallyError, ServerAwayError
from napari_retina_seg.types.labels import OCT_LAYERS
from object_store import object_store

__all__ = ["object_store"]


@pytest.fixture
def at_computer(tmp_path, monkeypatch):
    """Return a function that sits down at a computer with folders of its own."""

    def sit(name):
        for module, kind in ((object_storage, "cache"), (pending_autosaves, "data")):
            folder = tmp_path / name / kind
            monkeypatch.setattr(
                module.platformdirs, f"user_{kind}_dir", lambda app, at=folder: str(at / app)
            )
        return tmp_path / name

    return sit


@pytest.fixture
def database(server):
    """Return the address of an empty database."""
    server.run("CREATE DATABASE cloud")
    yield server.url("cloud")
    server.run("DROP DATABASE cloud WITH (FORCE)")


@pytest.fixture
def ann(database, object_store, at_computer):
    """Return Ann's project, which nobody else can reach the folder of."""
    folder = at_computer("ann") / "study"
    address = object_store.new_address()
    with Project.create(
        folder, scheme=OCT_LAYERS, author="Ann", database=database, files=address
    ) as project:
        yield project


@pytest.fixture
def image(ann, write_scan):
    return ann.add_images([write_scan("scan.png", 1)], copy=True).images[0]


def run(*arguments):
    result = CliRunner().invoke(app, ["project", *map(str, arguments), "--author", "Ann"])
    assert result.exit_code == 0, result.output


def cached(folder):
    return [path for path in (folder / "cache").rglob("*") if path.is_file()]


def test_a_study_needs_no_common_folder(ann, image, make, write_scan, database, at_computer):
    ann.save_version(image.id, make.annotation(1), Action.CORRECT)
    ann.autosave(image.id, make.annotation(2), comment="a cut")
    pixels = ann.read_image(image.id).pixels
    assert [path.name for path in ann.folder.iterdir()] == ["database.json"]
    write_scan("scan.png", 1).unlink()
    bobs = at_computer("bob")
    run("join", bobs / "study", "--database", database)
    with Project(bobs / "study", author="Bob") as bob:
        assert bob.annotation(image.id, 1).equals(make.annotation(1))
        assert np.array_equal(bob.read_image(image.id).pixels, pixels)
        assert bob.check() == ()
        copies = cached(bobs)
        assert len(copies) == 2
        assert copies[0].parents[2].stat().st_mode & 0o077 == 0  # for nobody else
        assert bob.save_version(image.id, make.annotation(3), Action.DRAFT).number == 2
    with Project(bobs / "study", author="Ann") as elsewhere:
        (slot,) = elsewhere.recoverable()
        assert elsewhere.recover(slot).equals(make.annotation(2))
        elsewhere.discard(slot)
        assert elsewhere.check() == ()
    assert ann.annotation(image.id, 2).equals(make.annotation(3))


def test_a_member_joins_and_grades_but_moves_no_files(
    ann, image, make, server, at_computer, object_store
):
    server.run("CREATE ROLE cloud_bob LOGIN")
    try:
        ann.add_member("cloud_bob", "Bob", "grader")
        folder = at_computer("bob") / "study"
        join_study(folder, server.url("cloud", "cloud_bob"), "Bob")
        with Project(folder, author="Bob") as bob:
            assert bob.read_image(image.id).pixels.any()
            bob.save_version(image.id, make.annotation(1), Action.CORRECT)
        with pytest.raises(ProjectError, match="Only the owner of the study may move its files"):
            move_files(folder, object_store.new_address(), "Bob")
        ann.remove_member("cloud_bob")
    finally:
        server.run("DROP ROLE cloud_bob")
    assert ann.annotation(image.id, 1).equals(make.annotation(1))


def test_a_copy_that_was_altered_is_fetched_anew(ann, image, make, at_computer):
    ann.save_version(image.id, make.annotation(1), Action.CORRECT)
    ann.annotation(image.id, 1)
    pixels = ann.read_image(image.id).pixels
    for path in cached(at_computer("ann")):
        path.write_bytes(path.read_bytes()[:-1])
    assert hash_file(local_path(image)) == image.sha256
    for path in cached(at_computer("ann")):
        path.write_bytes(b"")
    assert ann.annotation(image.id, 1).equals(make.annotation(1))
    assert np.array_equal(ann.read_image(image.id).pixels, pixels)


def test_what_is_missing_altered_or_nobody_s_in_the_store_is_found(
    ann, image, make, object_store, at_computer
):
    saved = ann.save_version(image.id, make.annotation(1), Action.CORRECT)
    mask, copy = (
        next(path for path in object_store.system.find(ann._store.address) if sha256 in path)
        for sha256 in (saved.mask, image.sha256)
    )
    content = object_store.system.cat_file(mask)
    object_store.system.pipe_file(mask, content[:-1] + b"?")
    object_store.system.rm_file(copy)
    object_store.system.pipe_file(f"{ann._store.address}/files/ab/stray.png", b"?")
    found = {finding.kind: finding.sentence for finding in ann.check()}
    assert sorted(found) == ["altered", "missing", "orphan"]
    assert all("s3://clinic/" in sentence for sentence in found.values())
    with pytest.raises(ProjectError, match=r"s3://.*was altered"):
        ann.annotation(image.id, 1)
    with pytest.raises(ProjectError, match=r"s3://.*is missing"):
        ann.read_image(image.id)
    lost = at_computer("ann") / "backup.png"
    lost.write_bytes(content)
    assert "s3://" in ann.repair(lost)[0]
    assert ann.annotation(image.id, 1).equals(make.annotation(1))


def test_work_waits_on_the_computer_while_the_store_is_away(
    ann, image, make, object_store, monkeypatch
):
    monkeypatch.setitem(object_storage._CONFIG, "retries", {"max_attempts": 0})
    object_store.stop()
    try:
        with pytest.raises(SavedLocallyError, match="go on working"):
            ann.autosave(image.id, make.annotation(1))
        with pytest.raises(ServerAwayError, match=r"object store.*can't be reached"):
            ann.save_version(image.id, make.annotation(1), Action.CORRECT)
        with pytest.raises(ServerAwayError):
            ann.read_image(image.id)
        with pytest.raises(ServerAwayError):
            ann.check()
    finally:
        object_store.start()
    assert ann.upload_pending() == 1
    (slot,) = ann.recoverable()
    assert ann.recover(slot).equals(make.annotation(1))


def test_files_move_to_a_store_and_back(ann, image, make, object_store, database, at_computer):
    ann.save_version(image.id, make.annotation(1), Action.CORRECT)
    ann.autosave(image.id, make.annotation(2))
    assert ann._store.address in move_files(ann.folder, None, "Ann")
    with pytest.raises(ProjectError, match="moved while it was open"):
        ann.save_version(image.id, make.annotation(3), Action.DRAFT)
    with pytest.raises(ProjectError, match="moved while it was open"):
        ann.autosave(image.id, make.annotation(3))
    shutil.rmtree(at_computer("ann") / "cache")
    with Project(ann.folder, author="Ann") as moved:
        assert moved.images()[0].path.is_relative_to(ann.folder)
        assert moved.annotation(image.id, 1).equals(make.annotation(1))
        assert moved.recover(moved.recoverable()[0]).equals(make.annotation(2))
        assert moved.read_image(image.id).pixels.any()
        assert {finding.kind for finding in moved.check()} <= {"orphan"}
    with pytest.raises(ProjectError, match="are in a folder: open that"):
        join_study(at_computer("bob") / "study", database, "Bob")
    assert list((at_computer("bob") / "study").iterdir()) == []
    with pytest.raises(ProjectError, match="there already"):
        move_files(ann.folder, None, "Ann")
    move_files(ann.folder, object_store.new_address(), "Ann")
    with pytest.raises(ProjectError, match="first move them with 'project move --files folder'"):
        move_records(ann.folder, None)
    with Project(ann.folder, author="Ann") as again:
        assert again.images()[0].remote.startswith("s3://clinic/")
        assert again.annotation(image.id, 1).equals(make.annotation(1))


def test_what_is_saved_while_files_are_copied_moves_too(
    ann, image, make, object_store, monkeypatch
):
    copy_files = moving_files._copy

    def copy_and_save(store, files, known):
        copied = copy_files(store, files, known)
        if not known:
            ann.save_version(image.id, make.annotation(1), Action.CORRECT)
        return copied

    monkeypatch.setattr(moving_files, "_copy", copy_and_save)
    left = ann._store.address
    move_files(ann.folder, object_store.new_address(), "Ann")
    object_store.system.rm(left, recursive=True)
    with Project(ann.folder, author="Ann") as moved:
        assert moved.annotation(image.id, 1).equals(make.annotation(1))


def test_a_project_moves_to_the_cloud_and_back_by_one_command_each(
    empty_project, object_store, database, at_computer, write_scan, make
):
    folder = shutil.copytree(empty_project, at_computer("ann") / "study")
    with Project(folder, author="Ann") as project:
        (image,) = project.add_images([write_scan("scan.png", 1)], copy=True).images
        project.save_version(image.id, make.annotation(1), Action.CORRECT)
    address = object_store.new_address()
    run("move", folder, "--database", database, "--files", address)
    shutil.rmtree(folder / "files")
    with Project(folder, author="Ann") as project:
        assert project.annotation(image.id, 1).equals(make.annotation(1))
    run("move", folder, "--database", "sqlite", "--files", "folder")
    assert (folder / "project.sqlite").exists()
    object_store.system.rm(address, recursive=True)
    with Project(folder, author="Ann") as project:
        assert project.annotation(image.id, 1).equals(make.annotation(1))
        assert project.read_image(image.id).pixels.any()
        assert project.check() == ()


def test_a_place_belongs_to_one_project(ann, empty_project, at_computer, server, database):
    folder = shutil.copytree(empty_project, at_computer("bob") / "study")
    with pytest.raises(ProjectError, match="first move them to a server"):
        move_files(folder, ann._store.address, "Bob")
    server.run("CREATE DATABASE other")
    try:
        with pytest.raises(ProjectError, match="the files of another project"):
            Project.create(
                at_computer("bob") / "new",
                scheme=OCT_LAYERS,
                author="Bob",
                database=server.url("other"),
                files=ann._store.address,
            )
    finally:
        server.run("DROP DATABASE other WITH (FORCE)")
    with pytest.raises(ProjectError, match="open it"):
        join_study(ann.folder, database, "Bob")


def test_a_place_stays_free_if_the_project_can_t_be_created(object_store, server, tmp_path):
    address = object_store.new_address()
    with pytest.raises(ProjectError, match="has no database"):
        Project.create(
            tmp_path / "p",
            scheme=OCT_LAYERS,
            author="Ann",
            database=server.url("unheard_of"),
            files=address,
        )
    assert object_store.system.find(address) == []
    with pytest.raises(ProjectError, match="only if the records are on a server"):
        Project.create(tmp_path / "p", scheme=OCT_LAYERS, author="Ann", files=address)


@pytest.mark.parametrize(
    "address",
    [
        *(
            "s3://",
            "s3://b",
            "clinic/study",
            "https://clinic/study",
            "s3://ann:secret@clinic/study",
        ),
        *(
            "s3://clinic/../other",
            "s3://clinic//study",
            "file:///etc",
            "simplecache::s3://clinic/a",
        ),
    ],
)
def test_other_addresses_are_refused(address):
    with pytest.raises(ProjectError, match=r"write s3://bucket/study") as error:
        parse_store(address)
    assert "secret" not in str(error.value)


def answered(code, status, said="No"):
    response = {
        "Error": {"Code": code, "Message": said},
        "ResponseMetadata": {"HTTPStatusCode": status},
    }
    return translate_boto_error(ClientError(response, "PutObject"))


@pytest.mark.parametrize(
    ("error", "said", "is_away"),
    [
        (answered("AccessDenied", 403), "no permission", False),
        (answered("SignatureDoesNotMatch", 403), "no permission", False),
        (answered("NoSuchBucket", 404, "The specified bucket does not exist"), "no bucket", False),
        (answered("XMinioStorageFull", 507, "Storage backend is full"), "is full", False),
        (answered("EntityTooLarge", 400), "refuses", False),
        (answered("SlowDown", 503), "can't be reached", True),
        (EndpointConnectionError(endpoint_url="https://s3"), "can't be reached", True),
        (ConnectionResetError(), "can't be reached", True),
    ],
)
def test_what_a_store_says_is_one_sentence(error, said, is_away):
    with pytest.raises(ProjectError, match=said) as caught, _translating("s3://clinic/study"):
        raise error
    assert isinstance(caught.value, ServerAwayError) == is_away
    assert "\n" not in str(caught.value)


def test_a_computer_without_keys_or_without_the_bucket_is_told(ann, object_store, monkeypatch):
    with pytest.raises(ProjectError, match="There is no bucket"):
        object_storage.claim_store("s3://unheard-of/study", "0" * 16)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(Path("none").absolute()))
    object_store.system.clear_instance_cache()
    with pytest.raises(ProjectError, match="no keys"):
        object_storage.claim_store("s3://clinic/study", "0" * 16)
    object_store.system.clear_instance_cache()


def test_a_store_that_accepts_and_says_nothing_is_given_up(monkeypatch, tmp_path):
    settings = object_storage._CONFIG | {"read_timeout": 0.2}
    monkeypatch.setattr(object_storage, "_CONFIG", settings)
    monkeypatch.setattr(object_storage, "_WRITE_SECONDS", 0.5)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "ann")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    with socket.create_server(("127.0.0.1", 0)) as silent:  # its backlog takes the connections
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{silent.getsockname()[1]}")
        files = object_storage.ObjectStorage("s3://clinic/study", tmp_path)
        started = time.monotonic()
        with pytest.raises(ServerAwayError, match="can't be reached"):
            files.read("a")
        with pytest.raises(ServerAwayError, match="can't be reached"):
            files.write("a", b"mask")
        assert time.monotonic() - started < 10
        silent.settimeout(0)
        asked = []
        with contextlib.suppress(BlockingIOError):
            while True:
                asked.append(silent.accept()[0])
        for connection in asked:
            connection.close()
    assert 1 < len(asked) <= 4


def test_without_the_library_the_command_that_installs_it_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "s3fs", None)
    with pytest.raises(ProjectError, match=r"pip install 'napari-retina-seg\[object-store\]'"):
        object_storage.claim_store("s3://clinic/study", "0" * 16)
