"""Programs that tests run beside each other: ``python programs.py NAME FOLDER ...``."""

import sys
from pathlib import Path

import numpy as np

from napari_retina_seg.project.project import Project
from napari_retina_seg.project.states import Action
from napari_retina_seg.types.annotation import Annotation
from napari_retina_seg.types.errors import ProjectError


def noise(seed: int) -> Annotation:
    return Annotation(np.random.default_rng(seed).integers(0, 8, (16, 24), np.uint8))


def save_many(folder: str, author: str, first: str, total: str) -> None:
    """Autosave and save drafts of image 1, one going on from the other."""
    with Project(Path(folder), author=author) as project:
        parent = None
        for seed in range(int(first), int(first) + int(total)):
            project.autosave(1, noise(seed), parent=parent)
            parent = project.save_version(
                1, noise(seed), Action.DRAFT, parent=parent, comment=str(seed)
            ).number


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


if __name__ == "__main__":
    {"save_many": save_many, "limit_file_size": limit_file_size}[sys.argv[1]](*sys.argv[2:])
