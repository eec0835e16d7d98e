"""A project with a row in every table, and ways to damage its records."""

import sqlite3
import struct
from contextlib import closing

import pytest

from napari_retina_seg.metrics.expected_gain import ReviewFigures
from napari_retina_seg.project.states import Action
from napari_retina_seg.project.tables import Base
from napari_retina_seg.types.annotation import Annotation


@pytest.fixture
def full(ann, image, make):
    """Fill the project with a row in every table, and close it."""
    figures = ReviewFigures(0.1, 0.2, "INL is missing", 0.3, "the mask of older", (0.5, 1.5))
    ann.add_prediction(image.id, make.prediction(), figures)
    ann.rank_images()
    drawn = make.annotation()
    ann.save_version(image.id, Annotation(drawn.labels, None, drawn.labels > 3), Action.DRAFT)
    ann.assign_second_grader(image.id, "Bob")
    ann.autosave(image.id, drawn)
    ann.check_out(image.id)
    ann.close()
    return ann.folder


def connect(folder):
    raw = sqlite3.connect(folder / "project.sqlite", isolation_level=None)
    raw.execute("PRAGMA foreign_keys = OFF")
    raw.execute("DROP TRIGGER IF EXISTS version_no_update")
    return closing(raw)


def flip(value):
    """Return a value of which one bit is another."""
    if isinstance(value, int):
        return value ^ 2
    if isinstance(value, float):
        (bits,) = struct.unpack("<q", struct.pack("<d", value))
        return struct.unpack("<d", struct.pack("<q", bits ^ 1))[0]
    if value is None:
        return 0
    content = bytearray(value.encode() or b"\0")
    content[len(content) // 2] ^= 1 if value else 64
    return content.decode()


def cells(raw):
    for table in Base.metadata.sorted_tables:
        for column in table.columns:
            query = f'SELECT "{column.name}" FROM "{table.name}" ORDER BY rowid DESC LIMIT 1'  # noqa: S608
            for (value,) in raw.execute(query):
                yield table.name, column.name, value


def put(raw, table, column, value):
    raw.execute(
        f'UPDATE "{table}" SET "{column}" = ? WHERE rowid = (SELECT max(rowid) FROM "{table}")',  # noqa: S608
        (value,),
    )
