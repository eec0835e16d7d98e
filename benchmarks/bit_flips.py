"""What a flipped bit in the database of a project does; a part of ``reliability.py``.

Every page of the database gets one flipped bit at a time, at several places, and the project is
used as a person would: opened, listed, its histories and masks read, and checked.
"""

from __future__ import annotations

import random
import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

from napari_retina_seg.project.project import Project
from napari_retina_seg.types.errors import RetinaSegError

DATABASE = "project.sqlite"
READ = 8  # images that are opened; all are listed
FOUND, HARMLESS, SILENT, TRACEBACK = "found by check", "harmless", "silent", "traceback"


def flip_bits(folder: Path, each_page: int, seed: int) -> dict[str, Any]:
    """Flip bits of a closed project, one at a time; its database is as before at the end."""
    path = folder / DATABASE
    whole = path.read_bytes()
    size = int.from_bytes(whole[16:18], "big")
    expected = dump(path)
    rng = random.Random(seed)  # noqa: S311
    counts: Counter[str] = Counter()
    failures = []
    try:
        for page in range(0, len(whole), size):
            for _ in range(each_page):
                place, bit = page + rng.randrange(size), rng.randrange(8)
                altered = bytearray(whole)
                altered[place] ^= 1 << bit
                path.write_bytes(altered)
                outcome, sentence = look(folder, expected)
                counts["sentences"] += sentence
                counts[outcome] += 1
                if outcome in (SILENT, TRACEBACK):
                    failures.append(f"{outcome}: bit {bit} of byte {place}")
    finally:
        remove_log(path)
        path.write_bytes(whole)
    return {"pages": len(whole) // size, "n": each_page * len(whole) // size, **counts,
            SILENT: counts[SILENT], TRACEBACK: counts[TRACEBACK], "failures": failures}  # fmt: skip


def look(folder: Path, expected: object) -> tuple[str, bool]:
    """Use a project; return what became of the flipped bit, and whether use met a sentence."""
    path = folder / DATABASE
    altered = path.read_bytes()
    sentence = False
    try:
        try:
            use(folder)
        except RetinaSegError:
            sentence = True
        remove_log(path)
        path.write_bytes(altered)
        found = check(folder)
    except Exception:  # noqa: BLE001 - anything but a sentence is a failure
        return TRACEBACK, sentence
    finally:
        remove_log(path)
        path.write_bytes(altered)
    if found:
        return FOUND, sentence
    return (HARMLESS if dump(path) == expected else SILENT), sentence


def check(folder: Path) -> bool:
    """Whether ``project check`` finds something serious, or says why it can't begin."""
    try:
        with Project(folder, author="Ann") as project:
            return any(finding.serious for finding in project.check())
    except RetinaSegError:
        return True


def use(folder: Path) -> None:
    """Read all that the window and the commands show."""
    with Project(folder, author="Ann") as project:
        project.status()
        project.authors()
        project.double_gradings()
        project.recoverable()
        for image in project.queue(limit=1000)[:READ]:
            project.permissions(image.id)
            project.truth(image.id)
            for version in project.history(image.id):
                if version.mask is not None:
                    project.annotation(image.id, version.number)


def dump(path: Path) -> object:
    """Return every value of every table but the checksums; None if they can't be read."""
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro&immutable=1", uri=True)) as raw:
            raw.text_factory = bytes
            query = "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name"
            tables = [name.decode() for (name,) in raw.execute(query)]
            return {
                table: raw.execute(f'SELECT * FROM "{table}" ORDER BY rowid').fetchall()  # noqa: S608
                for table in tables
            }
    except sqlite3.Error:
        return None


def remove_log(path: Path) -> None:
    for ending in ("-wal", "-shm", "-journal"):
        path.with_name(path.name + ending).unlink(missing_ok=True)
