"""Whatever people do, in whatever order: nothing changes, nothing counts that should not."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_retina_seg.project.project import Project
from napari_retina_seg.project.states import MASK_COUNTS, REFUSALS, Action, GradingRound, State
from napari_retina_seg.project.values import VersionKind
from napari_retina_seg.types.annotation import Annotation
from napari_retina_seg.types.errors import ProjectError
from napari_retina_seg.types.labels import OCT_LAYERS
from napari_retina_seg.types.segmentation import Provenance, Segmentation

PEOPLE = ("Ann", "Bob", "Carl")
PREDICT, ASSIGN = "predict", "assign"
PROVENANCE = Provenance("", "oct-layers", "ef" * 32, "1.0", "CPU", "float32", 1.0)

deeds = st.lists(
    st.tuples(
        st.sampled_from(PEOPLE),
        st.sampled_from([*Action, PREDICT, ASSIGN]),
        st.integers(0, 3),  # how many versions ago the parent was the newest one seen
    ),
    min_size=1,
    max_size=12,
)


@pytest.fixture(scope="module")
def projects(tmp_path_factory):
    """Open one project as three people."""
    folder = tmp_path_factory.mktemp("order") / "project"
    Project.create(folder, scheme=OCT_LAYERS, author="Ann").close()
    opened = {person: Project(folder, author=person) for person in (*PEOPLE, "Dora")}
    yield opened
    for project in opened.values():
        project.close()


def add_image(project, seed):
    path = Path(project.folder) / f"{seed}.npy"
    np.save(path, np.random.default_rng(seed).integers(0, 255, (16, 24), np.uint8))
    return project.add_images([path]).images[0].id


def annotation(seed):
    return np.random.default_rng(seed).integers(0, 8, (16, 24), np.uint8)


def act(project, image, action, ago, seed):
    seen = project.history(image)
    parent = seen[-1 - ago].number if ago < len(seen) else None
    if action == PREDICT:
        return project.add_prediction(
            image, Segmentation(annotation(seed), scheme=OCT_LAYERS, provenance=PROVENANCE)
        )
    if action == ASSIGN:
        return project.assign_second_grader(image, "Bob")
    if action is Action.ACCEPT:
        return project.accept(image)
    if action in REFUSALS:
        return project.mark_ungradable(image, "blurred")
    if action is Action.REOPEN:
        return project.reopen(image, parent)
    return project.save_version(image, Annotation(annotation(seed)), action, parent=parent)


def everything(projects, image):
    """Return all versions that anybody may see."""
    return {
        version.number: version
        for project in projects.values()
        for version in project.history(image)
    }


def check_truth(projects, image):
    dora = projects["Dora"]  # who does nothing, and so is no second grader
    state, truth = dora.image(image).state, dora.truth(image)
    if truth is None and state is State.GRADED_TWICE:  # the first grader could not grade it
        assert any(version.state is State.UNGRADABLE for version in dora.history(image))
        return
    assert (truth is None) == (state not in MASK_COUNTS)
    if truth is not None:
        assert truth.kind is VersionKind.HUMAN
        assert truth.is_final
        assert not truth.conflict
        adjudicated = truth.grading is GradingRound.ADJUDICATION
        assert adjudicated == (state is State.ADJUDICATED)


def check_blindness(projects, image):
    """Whoever has a second read in work sees nobody else's; nobody sees theirs."""
    for person, project in projects.items():
        seen = project.history(image)
        round_now, state = project.image(image).round, project.image(image).state
        adjudicated = any(one.grading is GradingRound.ADJUDICATION for one in seen)
        ungradable = () if adjudicated else (State.UNGRADABLE,)
        for version in seen:
            under_way = version.grading is GradingRound.SECOND and version.round == round_now
            if under_way and state in (State.CORRECTED, State.ACCEPTED, *ungradable):
                assert version.author == person
                others = {other.author for other in seen} - {person, None}
                assert not others


_images = iter(range(1_000_000))


@settings(max_examples=15)
@given(deeds)
def test_nothing_is_lost_whatever_is_done(projects, steps):
    image = add_image(projects["Ann"], next(_images))
    known = {}
    masks = {}
    for seed, (person, action, ago) in enumerate(steps):
        try:
            made = act(projects[person], image, action, ago, seed)
        except ProjectError:
            made = None
        now = everything(projects, image)
        assert {number: now[number] for number in known if number in now}.items() <= known.items()
        if made is not None:
            assert made.number == max(masks, default=0) + 1
            assert made == now[made.number]
            masks[made.number] = made.mask
        known |= now
        check_truth(projects, image)
        check_blindness(projects, image)
    assert sorted(known) == sorted(masks)
    for number, mask in masks.items():
        assert known[number].mask == mask
