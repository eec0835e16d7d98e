import pytest

from postgresql import server, shared_project
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
    "write_scan",
]

_BOTH = {"both_databases", "only_sqlite"}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run tests that are marked so on both databases."""
    marks = {mark.name for mark in metafunc.definition.iter_markers()}
    if "folder" in metafunc.fixturenames and marks & _BOTH == {"both_databases"}:
        metafunc.parametrize("folder", ["sqlite", "postgresql"], indirect=True)
