"""What hostile paths in a project and in a training folder reach; a part of ``reliability.py``."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from napari_retina_seg.io.formats.sources import Expected, read_source
from napari_retina_seg.project.checksums import stamp_all
from napari_retina_seg.project.project import Project
from napari_retina_seg.project.states import Action
from napari_retina_seg.types.annotation import Annotation
from napari_retina_seg.types.errors import RetinaSegError
from napari_retina_seg.types.labels import OCT_LAYERS
from napari_retina_seg.workflows.exporting import export_masks
from napari_retina_seg.workflows.patients import PatientRule

SHAPE = (16, 24)


def attack(workshop: Path) -> dict[str, Any]:
    """Try every hostile path at every place where a file names another one."""
    secret = workshop / "home" / "secret.png"
    secret.parent.mkdir(parents=True)
    secret.write_bytes(cv2.imencode(".png", np.zeros(SHAPE, np.uint8))[1].tobytes())
    before = secret.read_bytes()
    opened: set[str] = set()
    sys.addaudithook(lambda event, args: opened.add(str(args[0])) if event == "open" else None)
    project, training = _make(workshop)
    attacks, reached = 0, []
    for name in _names(secret):
        for title, act in _places(project, training, secret, name):
            opened.clear()
            with suppress(RetinaSegError):
                act()
            attacks += 1
            touched = any(Path(each).name == secret.name and "home" in each for each in opened)
            if touched or not secret.exists() or secret.read_bytes() != before:
                reached.append(f"{title}: {name!r} reached a file outside")
    return {"attacks": attacks, "reached a file outside": len(reached), "failures": reached}


def _make(workshop: Path) -> tuple[Path, Path]:
    scan = workshop / "scan.png"
    scan.write_bytes(cv2.imencode(".png", np.full(SHAPE, 9, np.uint8))[1].tobytes())
    with Project.create(workshop / "project", scheme=OCT_LAYERS, author="Ann") as project:
        project.add_images([scan], copy=True)
        project.save_version(1, Annotation(np.ones(SHAPE, np.uint8)), Action.CORRECT)
        project.autosave(1, Annotation(np.ones(SHAPE, np.uint8)))
        rule = PatientRule(each_image=True)
        for kind in ("training", "huggingface"):
            export_masks(project, workshop / kind, kind, patients=rule)
    return workshop / "project", workshop / "training"


def _names(secret: Path) -> tuple[str, ...]:
    relative = f"../../{secret.parent.name}/{secret.name}"
    return (
        str(secret), relative, relative.removeprefix("../"), f"a/../{relative}",
        relative.replace("/", "\\"), f"C:{secret}", f"\\\\server{secret}", f"{relative}\0", "..",
    )  # fmt: skip


def _places(
    project: Path, training: Path, secret: Path, name: str
) -> Iterator[tuple[str, Callable[[], object]]]:
    sha256 = hashlib.sha256(secret.read_bytes()).hexdigest()
    bare = name.removesuffix(secret.suffix)
    records = {
        "autosave": ("UPDATE autosave SET file = ?, sha256 = ?", (name, sha256)),
        "mask": ("UPDATE file SET suffix = ?", (f"/../{name}",)),
        "copy of an image": ("UPDATE image SET path = ?, sha256 = ?", (name, sha256)),
    }
    for title, statement in records.items():
        yield title, partial(_use, project, *statement)
    yield "training folder", lambda: _read_training(training, "dataset.json", bare)
    folder = training.with_name("huggingface")
    yield "training folder", lambda: _read_training(folder, "napari_retina_seg.json", bare)


def _use(project: Path, statement: str, values: tuple[str, ...]) -> None:
    path = project / "project.sqlite"
    whole = path.read_bytes()
    try:
        with closing(sqlite3.connect(path)) as raw, raw:
            raw.execute(statement, values)
            stamp_all(raw)
        with Project(project, author="Ann") as opened:
            opened.check()
            for act in (
                lambda: opened.read_image(1),
                lambda: opened.annotation(1, 1),
                lambda: [opened.recover(slot) for slot in opened.recoverable()],
                lambda: [opened.discard(slot) for slot in opened.recoverable()],
                opened.repair,
            ):
                with suppress(RetinaSegError):
                    act()
    finally:
        path.write_bytes(whole)


def _read_training(folder: Path, notes: str, name: str) -> None:
    path = folder / notes
    whole = path.read_text()
    content = json.loads(whole)
    content["pictures"][0]["name"] = name
    try:
        path.write_text(json.dumps(content))
        read_source(folder, Expected(OCT_LAYERS))
    finally:
        path.write_text(whole)
