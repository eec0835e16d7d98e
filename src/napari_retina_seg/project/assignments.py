"""Deal second gradings to people, and list the people of a project."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from napari_retina_seg.project.blinding import assign_second_grader, find_second_grader
from napari_retina_seg.project.results import Assigned
from napari_retina_seg.project.store import Store, clean_name, image_row
from napari_retina_seg.project.tables import (
    ImageRow,
    MemberRow,
    ProjectRow,
    SecondGraderRow,
    VersionRow,
)
from napari_retina_seg.types.errors import ProjectError


def assign_second_graders(
    store: Store, image_ids: Sequence[int], graders: Sequence[str]
) -> Assigned:
    """Deal second gradings evenly; see `Project.assign_second_graders`."""
    spellings = {clean_name(grader): grader for grader in reversed(graders)}
    people = list(reversed(spellings.values()))
    if not people:
        raise ProjectError("Choose at least one second grader.")
    counts = dict.fromkeys(people, 0)
    assigned: list[tuple[int, str]] = []
    problems: list[str] = []
    with store.database.writing() as session:
        for image_id in dict.fromkeys(image_ids):
            try:
                grader = _assign(session, image_row(session, image_id), counts)
            except ProjectError as error:
                problems.append(str(error))
                continue
            counts[grader] += 1
            assigned.append((image_id, grader))
    return Assigned(tuple(assigned), tuple(problems))


def _assign(session: Session, image: ImageRow, counts: dict[str, int]) -> str:
    """Assign who has the fewest images so far of those who can grade the image."""
    known = find_second_grader(session, image)
    if known is not None:
        raise ProjectError(f"'{image.name}' has a second grader already: {known}.")
    problem = None
    for grader in sorted(counts, key=lambda each: counts[each]):
        try:
            assign_second_grader(session, image.id, grader)
        except ProjectError as error:
            problem = problem or error
            continue
        session.flush()
        return grader
    raise problem or ProjectError(f"Nobody can grade '{image.name}'.")


def list_people(store: Store) -> tuple[str, ...]:
    """Return the people of a project; see `ProjectView.people`."""
    columns = (
        VersionRow.author,
        SecondGraderRow.grader,
        ImageRow.added_by,
        ProjectRow.created_by,
        MemberRow.name,
    )
    names: dict[str, str] = {clean_name(store.author): store.author}
    with store.database.reading() as session:
        for column in columns:
            for name in session.scalars(select(column).distinct()):
                if name:
                    names.setdefault(clean_name(name), name)
    return tuple(sorted(names.values(), key=str.casefold))
