"""What a power cut leaves of a project; a part of ``reliability.py``.

A program saves versions while ``power_cut.c`` records its writes, flushes and changes of names. The
record is then played up to a cut on a disk that has lost what was not flushed: all of it, or each
write by chance, and of the names of files those that a later flush of their folder would have kept.
Every version that had been confirmed must be there.
"""

from __future__ import annotations

import os
import random
import shutil
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from napari_retina_seg.project.project import Project
from napari_retina_seg.project.states import Action
from napari_retina_seg.types.annotation import Annotation
from napari_retina_seg.types.errors import RetinaSegError

_HEAD = struct.Struct("<c7xqqqq")
SHAPE = (32, 48)
CONFIRMED = "confirmed"  # a file of the recorded folder: how many versions were


class Step(NamedTuple):
    """One request to the disk."""

    kind: str
    name: Path
    other: Path
    at: int
    size: int
    data: bytes


@dataclass
class Inode:
    """The content of a file: what was flushed, and what was asked for since."""

    flushed: bytearray = field(default_factory=bytearray)
    pending: list[Step] = field(default_factory=list)

    def content(self, keep: random.Random | None) -> bytes:
        """Return what the disk holds after a cut: without `keep`, what was flushed."""
        content = bytearray(self.flushed)
        for step in self.pending:
            if keep is not None and keep.random() < 0.5:
                apply(content, step)
        return bytes(content)

    def flush(self) -> None:
        """Make safe what was asked for."""
        for step in self.pending:
            apply(self.flushed, step)
        self.pending.clear()


def apply(content: bytearray, step: Step) -> None:
    if step.kind == "w":
        content.extend(bytes(max(0, step.at - len(content))))
        content[step.at : step.at + len(step.data)] = step.data
    else:
        del content[step.at :]
        content.extend(bytes(step.at - len(content)))


class Disk:
    """A disk that keeps what was flushed, and of names what a flush of their folder made safe."""

    def __init__(self, folder: Path) -> None:
        self.names: dict[Path, Inode | None] = {folder: None}  # None: a folder
        for path in folder.rglob("*"):
            self.names[path] = Inode(bytearray(path.read_bytes())) if path.is_file() else None
        self.safe = dict(self.names)
        self.unsafe: list[tuple[Path, Inode | None, bool]] = []

    def _name(self, path: Path, inode: Inode | None, *, there: bool) -> None:
        self.unsafe.append((path, inode, there))
        if there:
            self.names[path] = inode
        else:
            self.names.pop(path, None)

    def play(self, step: Step) -> None:
        """Do what a program asked for."""
        inode = self.names.get(step.name)
        if step.kind == "o":
            if inode is None:
                self._name(step.name, Inode(), there=True)
            elif step.at:
                inode.pending.append(step._replace(kind="t", at=0))
        elif step.kind in "wt" and inode is not None:
            inode.pending.append(step)
        elif step.kind == "s" and inode is not None:
            inode.flush()
        elif step.kind == "s":
            self._flush_names(step.name)
        elif step.kind == "r":
            self._name(step.other, inode, there=True)
            self._name(step.name, None, there=False)
        elif step.kind == "d":
            self._name(step.name, None, there=True)
        elif step.kind == "u":
            self._name(step.name, None, there=False)

    def _flush_names(self, folder: Path) -> None:
        for change in [one for one in self.unsafe if one[0].parent == folder]:
            _rename(self.safe, change)
            self.unsafe.remove(change)

    def write(self, target: Path, root: Path, keep: random.Random | None) -> None:
        """Write what is left after a cut into another folder."""
        names = dict(self.safe)
        if keep is not None:
            for change in self.unsafe[: keep.randint(0, len(self.unsafe))]:
                _rename(names, change)
        for path, inode in sorted(names.items(), key=lambda pair: len(pair[0].parts)):
            copy = target / path.relative_to(root)
            if inode is None:
                copy.mkdir(exist_ok=True)
            elif copy.parent.is_dir() and not path.name.endswith("-shm"):
                copy.write_bytes(inode.content(keep))


def _rename(names: dict[Path, Inode | None], change: tuple[Path, Inode | None, bool]) -> None:
    path, inode, there = change
    if there:
        names[path] = inode
    else:
        names.pop(path, None)


def read_steps(record: Path) -> Iterator[Step]:
    content = record.read_bytes()
    place = 0
    while place < len(content):
        kind, name, other, at, size = _HEAD.unpack_from(content, place)
        place += _HEAD.size
        texts = []
        for length in (name, other):
            texts.append(Path(content[place : place + length].decode()))
            place += length
        letter = kind.decode()
        data = content[place : place + size] if letter == "w" else b""
        place += len(data)
        yield Step(letter, *texts, at, size, data)


def labels_of(number: int) -> np.ndarray:
    return np.random.default_rng(number).integers(0, 8, SHAPE, np.uint8)


def save_versions(folder: Path, number: int) -> None:
    """Save versions, and write after each that it is confirmed; run while all is recorded."""
    log = os.open(folder.parent / CONFIRMED, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    with Project(folder, author="Ann") as project:
        for k in range(number):
            parent = k or None
            project.save_version(1, Annotation(labels_of(k)), Action.DRAFT, parent=parent)
            os.write(log, b".")


def cut_power(versions: int, cuts: int, seed: int) -> dict[str, Any]:
    """Record a program, cut the power at many places, and count what was lost."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None or sys.platform != "linux":
        return {"skipped": "needs Linux and a C compiler"}
    with tempfile.TemporaryDirectory() as place:
        root = Path(place).resolve() / "disk"
        root.mkdir()
        scan = root / "scan.npy"
        np.save(scan, np.zeros(SHAPE, np.uint8))
        with Project.create(root / "project", scheme="oct-layers", author="Ann") as project:
            project.add_images([scan])
        disk = Disk(root)
        shim, record = root.parent / "shim.so", root.parent / "record"
        source = Path(__file__).with_suffix(".c")
        command = [compiler, "-shared", "-fPIC", "-w", "-o", shim, source, "-ldl", "-pthread"]
        subprocess.run(command, check=True)
        environment = {
            **os.environ, "LD_PRELOAD": str(shim), "RECORD_BELOW": str(root),
            "RECORD_TO": str(record), "PYTHONDONTWRITEBYTECODE": "1",
        }  # fmt: skip
        program = [sys.executable, __file__, str(root / "project"), str(versions)]
        subprocess.run(program, check=True, env=environment)
        return _count(disk, list(read_steps(record)), root, cuts, random.Random(seed))  # noqa: S311


def _count(
    disk: Disk, steps: list[Step], root: Path, cuts: int, rng: random.Random
) -> dict[str, Any]:
    places = set(rng.sample(range(len(steps) + 1), min(cuts, len(steps) + 1))) | {len(steps)}
    confirmed, compared, failures = 0, 0, []
    for number in range(len(steps) + 1):
        if number in places:
            for keep in (None, rng):
                with tempfile.TemporaryDirectory() as copy:
                    disk.write(Path(copy), root, keep)
                    failures += [
                        f"after step {number} of {len(steps)}: {said}"
                        for said in inspect(Path(copy) / "project", confirmed)
                    ]
                compared += confirmed
        if number < len(steps):
            disk.play(steps[number])
            confirmed += steps[number].name.name == CONFIRMED and steps[number].kind == "w"
    flushes = sum(step.kind == "s" for step in steps)
    return {
        "requests to the disk": len(steps), "flushes": flushes, "power cuts": 2 * len(places),
        "confirmed versions compared": compared, "confirmed versions lost": len(failures),
        "versions": confirmed, "failures": failures,
    }  # fmt: skip


def inspect(folder: Path, confirmed: int) -> Iterator[str]:
    """Open what a cut left; yield what is wrong."""
    try:
        with Project(folder, author="Ann") as project:
            found = len(project.history(1))
            if found < confirmed:
                yield f"{confirmed - found} of {confirmed} confirmed versions are gone"
            for number in range(1, found + 1):
                labels = project.annotation(1, number).labels
                if not np.array_equal(labels, labels_of(number - 1)):
                    yield f"version {number} is not what was saved"
            images = folder.parent / "scan.npy"
            yield from (
                finding.sentence
                for finding in project.check()
                if finding.serious and finding.path.name != images.name
            )
    except RetinaSegError as error:
        yield str(error)


if __name__ == "__main__":
    save_versions(Path(sys.argv[1]), int(sys.argv[2]))
