"""The server with a project's records goes away while somebody paints, and comes back."""

import pytest
from qtpy.QtCore import Qt

from memory_keyring import memory_keyring
from napari_retina_seg._napari.review.password_dialog import PasswordDialog
from napari_retina_seg.project.address import parse_address
from napari_retina_seg.project.moving import move_records
from napari_retina_seg.project.project import Project
from napari_retina_seg.project.states import State
from napari_retina_seg.types.errors import ServerAwayError
from postgresql import address, guarded, server, set_address

__all__ = ["guarded", "memory_keyring", "server"]


@pytest.fixture
def shared(folder, server):
    server.run("CREATE DATABASE painted")
    move_records(folder, server.url("painted"))
    yield folder
    server.run("DROP DATABASE painted WITH (FORCE)")


def test_painting_goes_on_while_the_server_is_away(person, shared, server):
    person.open(shared, "Ann")
    person.press(Qt.Key.Key_N)
    painted = person.paint()
    person.session._away_timer.setInterval(100)
    server.stop()
    try:
        person.session.autosave()
        person.wait()
        assert "can't be reached: go on working" in person.said
        person.session._warn_of_places("Not saved yet: 1 open place.")
        assert "1 open place. The server can't be reached" in person.said
        assert person.session.autosave_and_close() == ""  # nothing would be lost with the window
        person.dock.comment_edit.setText("shadow")
        assert person.session.autosave_and_close() == ""
        painted = person.paint()
    finally:
        server.start()
    person.bot.waitUntil(lambda: "The server is back" in person.said, timeout=20_000)
    with Project(shared, author="Ann") as project:
        (slot,) = project.recoverable()
        assert (project.recover(slot).labels == painted).all()


def test_the_password_is_asked_for_once_and_remembered(person, shared, guarded, memory_keyring):
    def enter(password):
        dialog = person.dock.findChild(PasswordDialog)
        ok = dialog.buttons.button(dialog.buttons.StandardButton.Ok)
        assert not ok.isEnabled()
        person.bot.keyClicks(dialog.password_edit, password)
        assert password not in dialog.password_edit.displayText()
        person.click(ok)

    set_address(shared, url=guarded("painted"))
    person.open(shared, "Ann")
    assert person.session.project is None
    assert "wants your password" in person.said
    enter("wrong")
    assert "refuses your password" in person.said
    assert memory_keyring.kept == {}
    enter("secret")
    assert person.session.project.folder == shared
    assert person.said == ""
    assert list(memory_keyring.kept.values()) == ["secret"]
    assert person.dock.findChild(PasswordDialog) is None


def test_a_project_is_created_on_a_server_and_a_refusal_leaves_what_was_entered(
    person, shared, server, tmp_path
):
    def fill(url):
        dialog = person.dock.bar._new
        ok = dialog.buttons.button(dialog.buttons.StandardButton.Ok)
        dialog.server_edit.setText("db.example.org")
        assert not ok.isEnabled()
        assert "postgresql://host/name" in dialog.problem.text()
        dialog.server_edit.setText(url)
        assert dialog.problem.text() == ""
        person.click(ok)

    person.dock.bar.ask_for_new()
    dialog = person.dock.bar._new
    dialog.folder_edit.setText(str(tmp_path / "new"))
    dialog.author_edit.setText("Ann")
    fill(server.url("painted"))
    assert person.session.project is None
    assert person.dock.bar._new.isVisible()
    assert "each project needs a database of its own" in dialog.problem.text()
    server.run("CREATE DATABASE own")
    try:
        fill(server.url("own"))
        assert person.session.project.folder == tmp_path / "new"
        assert parse_address(address(tmp_path / "new")["url"]).database == "own"
        person.session.project.close()
        person.dock.bar.ask_for_new()
        remembered = parse_address(f"{person.dock.bar._new.server_edit.text()}&service=any")
        assert (remembered.database, remembered.query["host"]) == ("", str(server.folder))
        assert person.dock.bar._new.folder_edit.text() == ""
        person.dock.bar._new.reject()
    finally:
        server.run("DROP DATABASE own WITH (FORCE)")


def test_the_queue_follows_what_others_do(person, shared, server):
    person.open(shared, "Ann")
    queue = person.dock.queue
    person.bot.waitUntil(lambda: queue._watch._notifier is not None)

    def states():
        return {image.state for image in queue.model._images}

    person.press(Qt.Key.Key_N)
    assert states() == {State.UNREVIEWED}
    with Project(shared, author="Bob") as bob:
        first = bob.images()[0].id
        bob.mark_ungradable(first, "dark")
        person.bot.waitUntil(lambda: State.UNGRADABLE in states())
        server.stop()
        try:
            person.bot.waitUntil(lambda: queue._watch._notifier is None)
            for _ in range(2):  # one finds the connections in the pool broken, one none there
                with pytest.raises(ServerAwayError):
                    person.session.project.listen()
        finally:
            server.start()
        bob.reopen(first)
        queue._watch._retry.start(0)
        person.bot.waitUntil(lambda: State.IN_PROGRESS in states())


def test_own_changes_do_not_list_the_queue_again(person, shared):
    person.open(shared, "Ann")
    watch = person.dock.queue._watch
    person.bot.waitUntil(lambda: watch._notifier is not None)
    seen = []
    watch.changed.connect(lambda: seen.append(True))
    person.press(Qt.Key.Key_N)
    person.paint()
    person.session.save()
    person.wait()
    with Project(shared, author="Bob") as bob:
        bob.mark_ungradable(bob.images()[-1].id, "dark")
        person.bot.waitUntil(lambda: bool(seen))
    assert seen == [True]


def test_a_grader_is_told_what_only_others_may_do(person, shared, server):
    with Project(shared, author="Ann") as ann, Project(shared, author="Hugo") as hugo:
        for name in ("Gina", "Hugo"):
            server.run(f"DROP ROLE IF EXISTS {name}")
            server.run(f"CREATE ROLE {name} LOGIN")
            ann.add_member(name.lower(), name, "grader")
        twice = ann.images()[0].id
        ann.mark_ungradable(twice, "dark")
        ann.assign_second_grader(twice, "Hugo")
        hugo.mark_ungradable(twice, "dark, too")
    set_address(shared, url=address(shared)["url"].replace("postgres@", "gina@"))
    person.open(shared, "Ann")
    assert "logged in to the server as 'gina', who is 'Gina' in this study" in person.said
    person.open(shared, "Gina")
    person.open_row(0)
    buttons = person.dock.decisions
    assert not buttons.finish.isEnabled()
    assert "an adjudicator of this study adjudicates it" in buttons.finish.toolTip()
    person.open_row(1)
    assert buttons.finish.isEnabled()
    assert not buttons.assign.isEnabled()
    assert "Only the owner of the study assigns" in buttons.assign.toolTip()
