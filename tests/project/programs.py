"""Programs that tests run beside each other: ``python programs.py NAME FOLDER ...``."""

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from napari_retina_seg.project.filters import Filters
from napari_retina_seg.project.project import Project
from napari_retina_seg.project.states import FINISHES, Action, GradingRound, State
from napari_retina_seg.types.annotation import Annotation
from napari_retina_seg.types.errors import ProjectError


def noise(seed: int) -> Annotation:
    return Annotation(np.random.default_rng(seed).integers(0, 8, (16, 24), np.uint8))


def save_together(folder: str, readers: str, each: str) -> None:
    """Have readers autosave and save drafts of image 1 at once, each in a process of their own."""
    _fork([lambda n=n: _save(Path(folder), n, int(each)) for n in range(int(readers))])


def _save(folder: Path, number: int, total: int) -> None:
    """Autosave and save drafts, one going on from the other."""
    with Project(folder, author=f"reader{number}") as project:
        parent = None
        for seed in range(100 * number, 100 * number + total):
            project.autosave(1, noise(seed), parent=parent)
            parent = project.save_version(
                1, noise(seed), Action.DRAFT, parent=parent, comment=str(seed)
            ).number


def _fork(actions: Sequence[Callable[[], None]]) -> None:
    """Run each in a copy of this process, which has imported everything, and end with them."""
    children = []
    for action in actions:
        child = os.fork()
        if not child:
            action()
            os._exit(0)  # what the parent does at its end is not for us
        children.append(child)
    sys.exit(sum(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) != 0 for child in children))


def limit_file_size(folder: str, size: str) -> None:
    """Save drafts of image 1 until a file would become larger than the system lets it."""
    import resource  # which not every system has

    with Project(Path(folder), author="Ann") as project:
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(size), int(size)))
        try:
            for number in range(1000):
                project.save_version(1, noise(number), Action.DRAFT, parent=number or None)
        except ProjectError as error:
            print(error)  # noqa: T201


def grade_together(folder: str, graders: str) -> None:
    """Have people grade all images of a project, each of them in a process of their own.

    They all save a draft of image 1 first, as if each had opened it before the others saved.
    """
    _fork([lambda n=n: _grade(Path(folder), n) for n in range(int(graders))])


def _grade(folder: Path, number: int) -> None:
    """Grade what is free, then what this person is the second grader of."""
    with Project(folder, author=f"Grader {number}") as project:
        project.save_version(1, noise(number), Action.DRAFT)
        free = project.images(Filters(states=frozenset({State.UNREVIEWED})))
        start = number // 2 * len(free) // 5  # two begin at the same image, and meet the next two
        for image in (*free[start:], *free[:start]):
            _grade_image(project, image.id, noise(1000 * image.id + number), GradingRound.FIRST)
        for image in project.images(Filters(second_grading=True)):
            _grade_image(project, image.id, noise(1000 * image.id + number), GradingRound.SECOND)


def _grade_image(project: Project, image_id: int, mask: Annotation, grading: GradingRound) -> None:
    """Grade an image as the window does, unless somebody else has it or has finished it."""
    if grading is GradingRound.FIRST and project.image(image_id).state is not State.UNREVIEWED:
        return
    try:
        project.check_out(image_id)
    except ProjectError:
        return
    permissions = project.permissions(image_id)
    if permissions.grading is grading and permissions.begins is None:
        project.autosave(image_id, mask)
        project.save_version(image_id, mask, FINISHES[grading])
    project.check_in(image_id)


if __name__ == "__main__":
    programs = (save_together, limit_file_size, grade_together)
    {program.__name__: program for program in programs}[sys.argv[1]](*sys.argv[2:])
