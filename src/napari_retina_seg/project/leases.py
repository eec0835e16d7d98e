"""Leases: an image is checked out by one person at a time."""

from __future__ import annotations

from datetime import timedelta

from napari_retina_seg.project.store import Store, image_row, lease_value, same_person
from napari_retina_seg.project.tables import LeaseRow
from napari_retina_seg.project.values import Lease
from napari_retina_seg.types.errors import ProjectError

DURATION = timedelta(minutes=10)  # renewed every minute by autosaving


def check_out(
    store: Store, image_id: int, duration: timedelta, *, take_over: bool = False
) -> Lease:
    """Take or renew a lease; see `Project.check_out`."""
    with store.database.writing() as session:
        image = image_row(session, image_id)
        row = session.get(LeaseRow, image_id)
        now = store.database.now(session)
        if row is None:
            row = LeaseRow(image_id=image_id)
            session.add(row)
        elif row.program != store.program and row.expires > now:
            same = same_person(row.holder, store.author)
            if not (same and take_over):
                raise ProjectError(_explain(image.name, row, same))
        row.holder, row.program, row.expires = store.author, store.program, now + duration
        session.flush()
        return lease_value(row)


def check_in(store: Store, image_id: int) -> None:
    """Release a lease that this process holds."""
    with store.database.writing() as session:
        row = session.get(LeaseRow, image_id)
        if row is not None and row.program == store.program:
            session.delete(row)


def _explain(name: str, row: LeaseRow, same: bool) -> str:
    who = "you, in another window" if same else row.holder
    return (
        f"'{name}' is being worked on by {who}, until {row.expires.astimezone():%H:%M} at least:"
        " choose another image."
    )
