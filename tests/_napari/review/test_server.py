"""The server with a project's records goes away while somebody paints, and comes back."""

import pytest
from qtpy.QtCore import Qt

from napari_retina_seg.project.moving import move_records
from napari_retina_seg.project.project import Project
from postgresql import server

__all__ = ["server"]


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
