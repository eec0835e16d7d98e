import pytest

from postgresql import server, shared_project, study_with_members
from project_fixtures import ann, bob, folder, image, make, open_as, write_scan

__all__ = [
    "ann",
    "bob",
    "folder",
    "image",
    "make",
    "open_as",
    "server",
    "shared_project",
    "study_with_members",
    "write_scan",
]

_PLACES = {"both_databases": ["sqlite", "postgresql"], "as_members": ["members"]}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run tests in the places that their marks name."""
    marks = {mark.name for mark in metafunc.definition.iter_markers()}
    places = [place for mark in _PLACES if mark in marks for place in _PLACES[mark]]
    if "members" in places and len(places) > 1:  # which are on such a server, too
        places.remove("postgresql")
    if "folder" in metafunc.fixturenames and places and "only_sqlite" not in marks:
        metafunc.parametrize("folder", places, indirect=True)
