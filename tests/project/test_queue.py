"""The queue: filters, orders and pages, and a step that costs the same in any project."""

import sqlite3

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, event

from napari_retina_seg.project.checksums import stamp_all
from napari_retina_seg.project.filters import Filters, Order
from napari_retina_seg.project.project import Project
from napari_retina_seg.project.states import Action, State


def multiply(folder, total):
    """Fill the queue with copies of its one row: adding thousands of files would take minutes."""
    connection = sqlite3.connect(folder / "project.sqlite")
    columns = [row[1] for row in connection.execute("PRAGMA table_info(image)")]
    first = dict(zip(columns, connection.execute("SELECT * FROM image").fetchone(), strict=True))
    states = [state.value for state in State]
    rows = [
        {
            **first,
            "id": number,
            "sha256": f"{number:064x}",
            "name": f"scan{number:05d}",
            "state": states[number % len(states)],
            "author": "Ann" if number % 3 else None,
            "uncertainty": (number * 7919 % 10) / 10 if number % 4 else -1,
            "gain": (number * 6007 % 10) / 10 if number % 3 else -1,
        }
        for number in range(2, total + 1)
    ]
    names = ", ".join(columns)
    marks = ", ".join(f":{column}" for column in columns)
    connection.executemany(f"INSERT INTO image ({names}) VALUES ({marks})", rows)  # noqa: S608
    stamp_all(connection)
    connection.commit()
    connection.close()


@pytest.fixture
def many(folder, image):
    multiply(folder, 60)
    return folder


filters = st.builds(
    Filters,
    states=st.frozensets(st.sampled_from(State)),
    author=st.none() | st.just("Ann"),
    text=st.sampled_from(["", "SCAN000", "5", "%"]),
)


def fits(image, wanted):
    return (
        (not wanted.states or image.state in wanted.states)
        and wanted.author in (None, image.author)
        and wanted.text.casefold() in image.name.casefold()
    )


def uncertainty(image):
    return -1 if image.uncertainty is None else image.uncertainty


@pytest.fixture(scope="module")
def module_project(tmp_path_factory):
    import numpy as np

    from napari_retina_seg.types.labels import OCT_LAYERS

    folder = tmp_path_factory.mktemp("queue")
    np.save(folder / "scan.npy", np.zeros((16, 24), np.uint8))
    with Project.create(folder / "project", scheme=OCT_LAYERS, author="Ann") as project:
        project.add_images([folder / "scan.npy"])
        multiply(folder / "project", 60)
        yield project


@settings(max_examples=30)
@given(filters, st.sampled_from(Order), st.integers(5, 25))
def test_pages_put_together_are_the_queue(module_project, wanted, order, limit):
    everything = module_project.queue(limit=1000)
    expected = [image for image in everything if fits(image, wanted)]
    if order is Order.WORST_FIRST:
        expected.sort(key=lambda image: (-uncertainty(image), image.id))
    if order is Order.GAIN:
        expected.sort(key=lambda image: (-(-1 if image.gain is None else image.gain), image.id))
    pages, after = [], None
    while page := module_project.queue(wanted, order, after=after, limit=limit):
        pages += page
        after = page[-1].id
    assert pages == expected
    backwards, before = [], None
    if pages:
        backwards, before = [pages[-1]], pages[-1].id
    while before and (page := module_project.queue(wanted, order, before=before, limit=limit)):
        backwards = [*page, *backwards]
        before = page[0].id
    assert backwards == expected


def test_one_goes_on_from_an_image_that_the_filter_no_longer_lets_through(ann, many, make):
    unreviewed = Filters(states=frozenset({State.UNREVIEWED}))
    first, second = ann.queue(unreviewed, limit=2)
    ann.save_version(first.id, make.annotation(), Action.CORRECT)
    assert ann.queue(unreviewed, after=first.id, limit=1) == (second,)


def test_the_status_counts_every_state(ann, many):
    status = ann.status()
    assert status.images == 60
    assert list(status.states) == list(State)
    assert sum(status.states.values()) == 60


@pytest.fixture
def instructions():
    """Return a list of one number: the instructions that SQLite has carried out."""
    done = [0]

    def step():
        done[0] += 1

    def watch(connection, _):
        connection.set_progress_handler(step, 1)

    event.listen(Engine, "connect", watch)
    yield done
    event.remove(Engine, "connect", watch)


@pytest.mark.parametrize("order", Order)
@pytest.mark.parametrize("states", [frozenset(), frozenset({State.ACCEPTED, State.CORRECTED})])
def test_the_next_of_ten_thousand_costs_what_the_next_of_ten_does(
    folder, image, open_as, instructions, order, states
):
    def cost(project):
        middle = project.queue(limit=project.status().images // 2)[-1].id
        before = instructions[0]
        project.queue(Filters(states=states), order, after=middle, limit=1)
        return instructions[0] - before

    multiply(folder, 10)
    few = cost(open_as("Ann"))
    assert few > 0
    connection = sqlite3.connect(folder / "project.sqlite")
    connection.execute("DELETE FROM image WHERE id > 1")
    connection.commit()
    connection.close()
    multiply(folder, 10_000)
    assert cost(open_as("Ann")) < 2 * few
