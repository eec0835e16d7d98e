"""Keep unsaved changes when a project or its window is closed: runs on the I/O thread."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from napari_retina_seg._napari.review.unsaved_edit import UnsavedEdit, autosave, save_draft
from napari_retina_seg.project.project import Project
from napari_retina_seg.types.errors import ProjectError, RetinaSegError, ServerAwayError

log = logging.getLogger(__name__)


@contextmanager
def collect_errors(problems: list[str]) -> Iterator[None]:
    """Collect every error while saving, so that the window never closes over lost work.

    Parameters
    ----------
    problems : list of str
        Receives one message per error.
    """
    try:
        yield
    except RetinaSegError as error:
        problems.append(str(error))
    except MemoryError:
        log.exception("unsaved changes could not be autosaved")
        problems.append("Not enough memory: close other layers or programs.")
    except Exception as error:
        log.exception("unsaved changes could not be autosaved")
        problems.append(f"{type(error).__name__}: {error}.")


def autosave_and_close(project: Project, edit: UnsavedEdit, saving: UnsavedEdit | None) -> None:
    """Keep unsaved changes on closing; raises `ProjectError` if that fails.

    Parameters
    ----------
    project : Project
        The project of the image.
    edit : UnsavedEdit
        Unsaved edit of the open image.
    saving : UnsavedEdit or None
        Edit that was being saved at that moment.
    """
    if saving is not None and saving.versions:
        autosave(project, edit.after(saving))
    elif saving is None and edit.comment:  # a comment need not wait for a recovery
        try:
            save_draft(project, edit)
        except ServerAwayError:
            autosave(project, edit)
    else:
        autosave(project, edit)


def save_and_open(old: Project, edit: UnsavedEdit, make: Callable[[], Project]) -> Project:
    """Save unsaved changes, then open a project; raises `ProjectError` if either fails.

    A project folder may vanish and return, as on a network share that is mounted again. The old
    connection is then unusable: reopen the project and save the changes there.
    """
    try:
        save_draft(old, edit)
    except ProjectError:
        if edit.versions:  # it was saved, in conflict
            raise
        new = make()
        try:
            if not _is_back(old, new, edit):
                raise
            save_draft(new, edit)
        except BaseException:
            new.close()
            raise
        return new
    return make()


def _is_back(old: Project, new: Project, edit: UnsavedEdit) -> bool:
    """Whether the new project is the old one, with the same author and the same image."""
    return (new.folder, new.author) == (old.folder, old.author) and new.image(
        edit.image.id
    ).sha256 == edit.image.sha256
