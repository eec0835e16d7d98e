"""Whether a project survives kills, power cuts, flipped bits and hostile paths.

    python benchmarks/reliability.py --kills 500

lets one or two programs at a time save, autosave, add, export and import, kills each at a random
moment, and then looks whether the project opens, everything that had been confirmed is there to the
bit, and nothing that is half written is taken for whole. Then it kills fine-tunings, flips bits of
a database, tries hostile paths and cuts the power; see ``training_kills.py``, ``bit_flips.py``,
``path_attacks.py`` and ``power_cut.py``. It writes ``docs/reliability.json`` and
``docs/reliability.md``.
"""

from __future__ import annotations

import argparse
import hashlib
import multiprocessing
import os
import platform
import random
import shutil
import sqlite3
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from bit_flips import flip_bits
from path_attacks import attack
from power_cut import cut_power
from reliability_report import write_documents
from training_kills import PRELOAD, kill_trainings

from napari_retina_seg.io.atomic import remove_leftovers
from napari_retina_seg.io.formats.sources import Expected, find_sources, read_source
from napari_retina_seg.project.files import IntegrityProblemKind
from napari_retina_seg.project.filters import Filters
from napari_retina_seg.project.project import Project
from napari_retina_seg.project.states import Action, State
from napari_retina_seg.types.annotation import Annotation
from napari_retina_seg.types.errors import RetinaSegError
from napari_retina_seg.types.labels import OCT_LAYERS
from napari_retina_seg.types.progress import finish
from napari_retina_seg.workflows.export_options import Format
from napari_retina_seg.workflows.exporting import iter_export
from napari_retina_seg.workflows.importing import iter_import_masks
from napari_retina_seg.workflows.patients import PatientRule

ROOT = Path(__file__).resolve().parents[1]
SHAPE = (248, 384)
LONGEST = 0.3  # s that a program lives after its first save, autosave or add
ROUNDS_OF_A_PROJECT = 25  # so that every file can be looked at after every kill
BOTH_AT_ONCE = 0.5  # share of the rounds with two programs
KILLED_EARLY = 0.2  # share of the programs that may be killed while they open the project
OPERATIONS = ("save", "autosave", "add", "export", "import")
TRUTHS = 3  # images whose masks count from the beginning: what exports hold
IMPORTED = 3  # masks of an import
FLIPPED = 40  # images of the project whose bits are flipped
VERSIONS = 4  # of an image at most, and one more
FORMATS = (Format.PNG, Format.TRAINING, Format.COCO, Format.NIFTI)


def noise(seed: int, highest: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, highest, SHAPE, np.uint8)


def write_picture(path: Path, pixels: np.ndarray) -> str:
    """Write a PNG; return its hash."""
    content = cv2.imencode(".png", pixels)[1].tobytes()
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    return hashlib.sha256(content).hexdigest()


def fingerprint(pixels: np.ndarray) -> str:
    return hashlib.sha256(np.ascontiguousarray(pixels).tobytes()).hexdigest()


def work(folder: Path, journal: Path, author: str, seed: int) -> None:
    """Write to the project until killed, and into the journal what is begun and what is done."""
    rng = random.Random(seed)  # noqa: S311
    log = os.open(journal, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def note(*words: object) -> None:
        os.write(log, (" ".join(map(str, words)) + "\n").encode())

    note("begin", "open")
    project = Project(folder, author=author)
    newest: dict[int, int] = {}
    unfinished = Filters(states=frozenset({State.UNREVIEWED, State.IN_PROGRESS}))
    images = [image.id for image in project.images(unfinished)]
    while True:
        operation, content = rng.choice(OPERATIONS), rng.randrange(2**32)
        image = rng.choice(images)
        if operation == "export":
            out = journal.with_name(f"out-{content}")
            note("begin", "export", out.name)
            patients = PatientRule(each_image=True)
            finish(iter_export(project, out, rng.choice(FORMATS), patients=patients))
            note("done", "export", out.name)
            continue
        if operation == "import":
            masks = journal.with_name(f"in-{content}")
            paths = [masks.with_name(f"{masks.name}-{k}.png") for k in range(IMPORTED)]
            for k, path in enumerate(paths):
                write_picture(path, noise(content + k, 255))
                write_picture(masks / path.name, noise(content - k, 8))
            note("begin", "import", masks.name)
            project.add_images(paths)
            finish(iter_import_masks(project, masks, author=author))
            note("done", "import", masks.name)
            continue
        if operation == "add":
            path = journal.with_name(f"{author}-{content}.png")
            note("begin", "add", write_picture(path, noise(content, 255)))
            added = project.add_images([path], copy=rng.random() < 0.5).images[0]
            images.append(added.id)
            note("done", "add", added.sha256)
            continue
        labels = noise(content, 8)
        note("begin", operation, image, fingerprint(labels))
        if operation == "autosave":
            project.autosave(image, Annotation(labels), parent=newest.get(image))
            note("done", "autosave", image, fingerprint(labels))
        else:
            parent = newest.get(image)
            version = project.save_version(image, Annotation(labels), Action.DRAFT, parent=parent)
            newest[image] = version.number
            note("done", "save", image, fingerprint(labels), version.number)


@dataclass
class Ledger:
    """What a program had begun and what was confirmed when it was killed."""

    author: str
    killed_in: str = "between"
    saved: dict[tuple[int, int], str] = field(default_factory=dict)
    added: list[str] = field(default_factory=list)
    exported: dict[str, bool] = field(default_factory=dict)  # whether it was confirmed
    imported: dict[str, bool] = field(default_factory=dict)
    kept: dict[int, set[str | None]] = field(default_factory=dict)  # what autosaves may hold

    def read(self, journal: Path) -> None:
        """Read what a program noted; a line that was cut off does not count."""
        text = journal.read_text() if journal.exists() else ""
        whole, _, _ = text.rpartition("\n")
        for line in whole.splitlines():
            words = line.split()
            if words[0] == "begin":
                self.killed_in = words[1]
                self._begin(words[1:])
            else:
                self.killed_in = "between"
                self._confirm(words[1:])

    def _begin(self, words: list[str]) -> None:
        if words[0] == "export":
            self.exported[words[1]] = False
        if words[0] == "import":
            self.imported[words[1]] = False
        if words[0] == "autosave":
            self.kept.setdefault(int(words[1]), {None}).add(words[2])
        if words[0] == "save":
            self.kept.setdefault(int(words[1]), {None}).add(None)

    def _confirm(self, words: list[str]) -> None:
        if words[0] == "autosave":
            self.kept[int(words[1])] = {words[2]}
        elif words[0] == "save":
            self.kept[int(words[1])] = {None}
            self.saved[int(words[1]), int(words[3])] = words[2]
        elif words[0] == "add":
            self.added.append(words[1])
        elif words[0] == "export":
            self.exported[words[1]] = True
        elif words[0] == "import":
            self.imported[words[1]] = True


@dataclass
class KillResult:
    """What was found after all kills."""

    killed_in: Counter[str] = field(default_factory=Counter)
    confirmed: Counter[str] = field(default_factory=Counter)
    left: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)


def run_round(folder: Path, workshop: Path, rng: random.Random, programs: int) -> list[Ledger]:
    """Let programs write to the project, and kill each at a moment of its own."""
    context = multiprocessing.get_context("forkserver")
    started: list[tuple[float, BaseProcess]] = []
    ledgers = []
    for number in range(programs):
        seed = rng.randrange(2**32)
        ledger, journal = Ledger(f"reader{number}"), workshop / f"journal-{seed}"
        process = context.Process(target=work, args=(folder, journal, ledger.author, seed))
        process.start()
        wait_for(journal, "open" if rng.random() < KILLED_EARLY else "done", process)
        started.append((time.monotonic() + rng.uniform(0, LONGEST), process))
        ledgers.append((ledger, journal))
    for moment, process in sorted(started, key=lambda pair: pair[0]):
        time.sleep(max(0, moment - time.monotonic()))
        if not process.is_alive():
            raise SystemExit("A program ended by itself instead of being killed: see above.")
        process.kill()
        process.join()
    for ledger, journal in ledgers:
        ledger.read(journal)
    return [ledger for ledger, _ in ledgers]


def wait_for(journal: Path, word: str, process: BaseProcess) -> None:
    while process.is_alive() and not (journal.exists() and word in journal.read_text()):
        time.sleep(0.001)


def inspect(folder: Path, history: list[Ledger], newest: list[Ledger], outcome: KillResult) -> None:
    """Look at the project after a kill; whatever is wrong becomes a sentence."""
    try:
        with Project(folder, author="inspector") as project:
            outcome.failures += list(look_at_versions(project, history))
            outcome.failures += list(look_at_images(project, history))
            for ledger in newest:
                outcome.failures += list(look_at_exports(project, folder, ledger, outcome))
                outcome.failures += list(look_at_imports(project, ledger))
            findings = project.check()
        for finding in findings:
            if finding.serious:
                outcome.failures.append(finding.sentence)
        for ledger in newest:
            outcome.failures += list(look_at_autosaves(folder, ledger, outcome))
    except RetinaSegError as error:
        outcome.failures.append(str(error))


def look_at_versions(project: Project, history: list[Ledger]) -> Iterator[str]:
    """Compare every confirmed version, and read those that were cut off before they were told."""
    confirmed = {key: content for ledger in history for key, content in ledger.saved.items()}
    for image in project.queue(limit=100_000):
        for version in project.history(image.id):
            found = fingerprint(project.annotation(image.id, version.number).labels)
            expected = confirmed.pop((image.id, version.number), found)
            if found != expected:
                yield f"Version {version.number} of image {image.id} is not what was saved."
    for image_id, number in confirmed:
        yield f"Version {number} of image {image_id} was confirmed and is gone."


def look_at_images(project: Project, history: list[Ledger]) -> Iterator[str]:
    known = {image.sha256 for image in project.queue(limit=100_000)}
    for ledger in history:
        for sha256 in set(ledger.added) - known:
            yield f"The image {sha256} was confirmed and is gone."


def look_at_exports(
    project: Project, folder: Path, ledger: Ledger, outcome: KillResult
) -> Iterator[str]:
    """Read every folder that is there as another program would, and clear it away."""
    truths = {truth(k, 255): truth(k, 8) for k in range(TRUTHS)}
    for name, confirmed in ledger.exported.items():
        out = folder.with_name(name)
        for half in folder.parent.glob(f".{name}.*"):
            outcome.left["half exports, removed by the next export"] += 1
            os.utime(half, (0, 0))
            remove_leftovers(folder.parent)
            if half.exists():
                yield f"What was left of the export {name} stays."
        if not out.exists():
            if confirmed:
                yield f"The export {name} was confirmed and is gone."
            continue
        expected = Expected(project.scheme)
        records = [record for path in find_sources(out) for record in read_source(path, expected)]
        found = {record.image_sha256: fingerprint(record.labels) for record in records}
        if any(found.get(sha256) != mask for sha256, mask in truths.items()):
            yield f"The export {name} is not what was exported."
        if not confirmed:
            outcome.left["whole exports whose program was killed before it could tell"] += 1
        shutil.rmtree(out)


def truth(number: int, highest: int) -> str:
    """Return the hash of a picture that exports hold, or of its mask."""
    pixels = noise(number, highest)
    if highest == 8:
        return fingerprint(pixels)
    return hashlib.sha256(cv2.imencode(".png", pixels)[1].tobytes()).hexdigest()


def look_at_imports(project: Project, ledger: Ledger) -> Iterator[str]:
    """Compare every mask that was imported, whether its program could tell of it or not."""
    for name, confirmed in ledger.imported.items():
        content = int(name.removeprefix("in-"))
        found = project.images(Filters(text=f"{name}-"))
        numbers = {int(image.name.rpartition("-")[2]): image for image in found}
        for k in range(IMPORTED):
            version = project.truth(numbers[k].id) if k in numbers else None
            if version is None:
                if confirmed:
                    yield f"Mask {k} of the import {name} was confirmed and is gone."
                continue
            labels = project.annotation(version.image_id, version.number).labels
            if fingerprint(labels) != fingerprint(noise(content - k, 8)):
                yield f"Mask {k} of the import {name} is not what was imported."


def look_at_autosaves(folder: Path, ledger: Ledger, outcome: KillResult) -> Iterator[str]:
    """Recover what a killed program had not saved, and throw it away for the next round."""
    with Project(folder, author=ledger.author) as project:
        found = {}
        for slot in project.recoverable():
            found[slot.image_id] = fingerprint(project.recover(slot).labels)
            project.discard(slot)
    outcome.confirmed["autosave"] += len(found)
    for image_id, possible in ledger.kept.items():
        if found.pop(image_id, None) not in possible:
            yield f"What was autosaved of image {image_id} is not what is recovered."
    for image_id in found:
        yield f"What is recovered of image {image_id} was never autosaved."


def count(folder: Path, ledgers: list[Ledger], before: set[str], outcome: KillResult) -> set[str]:
    """Count what was confirmed, and what the kills of this round left lying about."""
    for ledger in ledgers:
        outcome.killed_in[ledger.killed_in] += 1
        outcome.confirmed["save"] += len(ledger.saved)
        outcome.confirmed["add"] += len(ledger.added)
        outcome.confirmed["export"] += sum(ledger.exported.values())
        outcome.confirmed["import"] += sum(ledger.imported.values())
    with Project(folder, author="inspector") as project:
        findings = project.check()
        versions = project.status().versions
    orphans = {
        str(finding.path) for finding in findings if finding.kind is IntegrityProblemKind.ORPHAN
    }
    for path in orphans - before:
        draft = Path(path).name.startswith(".")
        outcome.left["half files, under another name" if draft else "whole files, no record"] += 1
    outcome.left["versions"] = versions
    return orphans


def run(kills: int, seed: int) -> dict[str, Any]:
    rng = random.Random(seed)  # noqa: S311
    outcome = KillResult()
    started = time.monotonic()
    unconfirmed = 0
    while sum(outcome.killed_in.values()) < kills:
        with tempfile.TemporaryDirectory() as workshop:
            unconfirmed += run_project(Path(workshop), rng, kills, outcome)
    outcome.left.pop("versions")
    outcome.left["versions whose program was killed before it could tell"] = unconfirmed
    return {
        "kills": sum(outcome.killed_in.values()),
        "seed": seed,
        "killed in": dict(outcome.killed_in.most_common()),
        "confirmed and compared": dict(outcome.confirmed),
        "left behind": dict(outcome.left),
        "failures": outcome.failures,
        "seconds": round(time.monotonic() - started),
        "SQLite": sqlite3.sqlite_version,
        "system": platform.system(),
    }


def run_project(workshop: Path, rng: random.Random, kills: int, outcome: KillResult) -> int:
    """Kill programs that write to one project; return how many versions nobody had confirmed."""
    folder = workshop / "project"
    paths = [workshop / f"truth-{k}.png" for k in range(TRUTHS)]
    for k, path in enumerate(paths):
        write_picture(path, noise(k, 255))
    write_picture(workshop / "first.png", noise(TRUTHS, 255))
    with Project.create(folder, scheme=OCT_LAYERS, author="inspector") as project:
        for k, image in enumerate(project.add_images(paths).images):
            project.save_version(image.id, Annotation(noise(k, 8)), Action.CORRECT)
        project.add_images([workshop / "first.png"], copy=True)
    history: list[Ledger] = []
    orphans: set[str] = set()
    for _ in range(ROUNDS_OF_A_PROJECT):
        left = kills - sum(outcome.killed_in.values())
        if not left:
            break
        programs = 2 if left > 1 and rng.random() < BOTH_AT_ONCE else 1
        ledgers = run_round(folder, workshop, rng, programs)
        history += ledgers
        inspect(folder, history, ledgers, outcome)
        orphans = count(folder, ledgers, orphans, outcome)
        print(sum(outcome.killed_in.values()), len(outcome.failures), flush=True)
    imports = sum(sum(ledger.imported.values()) for ledger in history)
    told = TRUTHS + IMPORTED * imports + sum(len(ledger.saved) for ledger in history)
    return outcome.left["versions"] - told


def flip_project(each_page: int, seed: int) -> dict[str, Any]:
    """Flip bits of a project with images, predictions, versions and unsaved work."""
    with tempfile.TemporaryDirectory() as workshop:
        folder = Path(workshop) / "project"
        paths = [Path(workshop) / f"scan-{k}.png" for k in range(FLIPPED)]
        for k, path in enumerate(paths):
            write_picture(path, noise(k, 255))
        with Project.create(folder, scheme=OCT_LAYERS, author="Ann") as project:
            for image in project.add_images(paths).images:
                for number in range(image.id % VERSIONS):
                    labels = noise(image.id + number, 8)
                    parent = number or None
                    project.save_version(
                        image.id, Annotation(labels), Action.DRAFT, parent=parent, comment="checked"
                    )
            project.autosave(1, Annotation(noise(99, 8)))
            project.check_out(1)
            project.assign_second_grader(2, "Bob")
        return flip_bits(folder, each_page, seed)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=500)
    parser.add_argument("--trainings", type=int, default=50, help="kills of fine-tuning")
    parser.add_argument("--flips", type=int, default=4, help="flipped bits of each page")
    parser.add_argument("--cuts", type=int, default=200, help="power cuts")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=ROOT / "docs")
    arguments = parser.parse_args()
    # A process that holds all modules and forks itself: kills cost milliseconds, not seconds.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(
        [
            "cv2",
            "nibabel",
            "PIL.PngImagePlugin",
            "pycocotools.mask",
            "tifffile",
            "napari_retina_seg.workflows.exporting",
            "napari_retina_seg.workflows.importing",
            *(PRELOAD if arguments.trainings else ()),
        ]
    )
    results = run(arguments.kills, arguments.seed)
    with tempfile.TemporaryDirectory() as workshop:
        results["trainings"] = kill_trainings(
            Path(workshop), arguments.trainings, arguments.seed, context
        )
    results["bit flips"] = flip_project(arguments.flips, arguments.seed)
    with tempfile.TemporaryDirectory() as workshop:
        results["path attacks"] = attack(Path(workshop))
    results["power cuts"] = cut_power(20, arguments.cuts // 2, arguments.seed)
    for part in ("trainings", "bit flips", "path attacks", "power cuts"):
        results["failures"] += results[part].pop("failures", [])
    results["options"] = (
        f"--kills {arguments.kills} --trainings {arguments.trainings} --flips {arguments.flips}"
        f" --cuts {arguments.cuts}"
    )
    write_documents(results, arguments.out)
    if results["failures"]:
        raise SystemExit("\n".join(results["failures"]))


if __name__ == "__main__":
    main()
