"""How much of an improvement is done and left."""

import time
from types import SimpleNamespace

import pytest

from napari_retina_seg.types.progress import Progress
from napari_retina_seg.workflows.improvement_pace import Pace, duration


@pytest.fixture
def plan():
    """Return what counts of a plan: three folds of two patients, 5 steps in each of 2 epochs."""
    training = SimpleNamespace(epochs=2, steps_per_epoch=5, batch=1, crop=(10, 10))
    images = [SimpleNamespace(pixels=(100, 200))] * 6
    patients = dict.fromkeys("abcdef", images[:1])
    return SimpleNamespace(
        recipe=SimpleNamespace(training=training, preprocessing=None),
        corrections=SimpleNamespace(images=images, by_patient=patients),
        folds=(("a", "b"), ("c", "d"), ("e", "f")),
        is_cross_validation=True,
    )


@pytest.fixture
def clock(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def run(first=1):
    for step in range(first, 11):
        yield Progress(step, 10, f"step {step}")
    return "model"


def test_all_trainings_and_tests_count(plan):
    # Of 300 px an image, forwards only: as much as one step of 100 px forwards and backwards.
    assert Pace(plan).test == 1
    assert Pace(plan).total == 4 * 10 + 2 * 6
    assert Pace(plan, epochs=1).total == 4 * 5 + 2 * 6


def test_the_time_that_is_left_is_that_of_all_parts(plan, clock):
    pace, seen = Pace(plan), []
    job = pace.iter_part(run(), "Model 1", pace.training)
    for step in job:
        seen.append(step)
        clock[0] += 2
    assert seen[0].message == "Model 1: preparing"
    assert all(step.total == 52 for step in seen)
    assert [step.done for step in seen] == [0, *range(1, 11)]
    assert "left" not in seen[2].message, "too early to tell"
    assert seen[-1].message == f"Model 1: step 10; about {duration(2 * 42)} left in all"


def test_what_an_earlier_process_did_tells_nothing_of_the_speed(plan, clock):
    pace, seen = Pace(plan), []
    list(pace.iter_part(run(11), "Model 1", pace.training))  # finished before
    for step in pace.iter_part(run(6), "Model 2", pace.training):
        seen.append(step)
        clock[0] += 3
    assert seen[1].done == 16
    assert seen[-1].message.endswith(f"about {duration(3 * (52 - 20))} left in all")


def test_durations_in_words():
    assert [duration(seconds) for seconds in (0.2, 89, 120, 3600, 9000)] == [
        *("1 s", "89 s", "2 min", "60 min", "2.5 h")
    ]
