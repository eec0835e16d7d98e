"""Which versions a mask continues."""

from types import SimpleNamespace

import pytest

from napari_retina_seg.workflows.open_places import iter_ancestors


@pytest.mark.parametrize(
    ("parents", "found"),
    [
        ({1: None, 2: 1, 3: 2}, [2, 1]),
        ({1: 3, 2: 1, 3: 2}, [2, 1]),  # a circle, as only another program can have written it
        ({1: 1}, []),
        ({2: 7, 3: 2}, [2]),
    ],
)
def test_the_versions_before_are_finite(parents, found):
    versions = tuple(
        SimpleNamespace(number=number, parent=parent, image_id=1)
        for number, parent in parents.items()
    )
    project = SimpleNamespace(history={1: versions}.get)
    assert [one.number for one in iter_ancestors(project, versions[-1])] == found
