"""The page on reliability, from the figures of ``reliability.py``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tables import markdown_table

_PAGE = """# What a crash, a power cut or a flipped bit costs

`python benchmarks/reliability.py {options}` wrote this page.

## Kills

One or two programs at a time saved versions, autosaved, added images, exported and imported masks
as fast as they could, and were killed (SIGKILL) at random moments, {kills} times. After each kill
the project was opened, every confirmed version was compared with what had been painted, pixel by
pixel, every file with its hash, unsaved work was recovered, and every exported folder that was
there was read as another program would read it.

{verdict}

{confirmed}

Where the programs were when they were killed:

{killed_in}

What the kills left behind, none of which was taken for a version, an image or unsaved work:

{left}

The kills took {seconds} s, SQLite {sqlite}, {system}.

## Kills of fine-tuning

{trainings}

## Power cuts

{power}

## Flipped bits

One bit of the database at a time was flipped, {flips[n]:,} times: at random places in each of its
{flips[pages]} pages. Then the project was opened and read, and checked. A flip is harmless if every
value of every record is as before, for example in a part of a page that holds nothing.

{flipped}

## Hostile paths

A project and training folders named files outside of their folder in {attacks[attacks]} ways:
absolute and relative paths, drives, network shares, control characters. Files outside that were
read, hashed or removed: {attacks[reached a file outside]}.
"""

_POWER = """A program saved {power[versions]} versions while every write, flush and change of a name
was recorded: {power[requests to the disk]} requests, {power[flushes]} of them flushes. The record
was played up to {power[power cuts]} power cuts, after which the disk had lost all that was not
flushed, or part of it by chance. Of {power[confirmed versions compared]:,} comparisons with a
version that had been confirmed, {power[confirmed versions lost]} failed. That rests on flushes
which the system and the disk must honour."""

_TRAININGS = """The model `oct-layers` was fine-tuned in {runs} runs, which were killed and resumed
until they ended, {kills} kills in all. The models of {same} runs have, to the bit, the weights of a
run that was not killed.

{killed}"""

_OUTCOMES = {
    "harmless": "harmless",
    "found by check": "found by `project check`",
    "sentences": "of these, a sentence already when the project was opened or read",
    "silent": "neither found nor harmless",
    "traceback": "an error that is no sentence",
}


def write_documents(results: Mapping[str, Any], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "reliability.json").write_text(json.dumps(results, indent=1) + "\n")
    (folder / "reliability.md").write_text(page(results), encoding="utf-8")


def page(results: Mapping[str, Any]) -> str:
    failures = results["failures"]
    verdict = (
        "**Nothing that had been confirmed was lost or changed, and no half file was taken for a"
        " whole one.**"
    )
    if failures:
        listed = "\n".join(f"- {failure}" for failure in failures)
        verdict = f"**{len(failures)} failures:**\n\n{listed}"
    names = {
        "save": "versions",
        "add": "images",
        "autosave": "unsaved masks",
        "export": "exports",
        "import": "imports",
        "between": "between two of these",
    }
    return _PAGE.format(
        kills=results["kills"],
        options=results["options"],
        verdict=verdict,
        confirmed=table("confirmed and compared", results["confirmed and compared"], names),
        killed_in=table("killed during", results["killed in"], {"between": names["between"]}),
        left=table("left behind", results["left behind"], {}),
        seconds=results["seconds"],
        sqlite=results["SQLite"],
        system=results["system"],
        trainings=describe_trainings(results["trainings"]),
        power=describe_power(results["power cuts"]),
        flips=results["bit flips"],
        flipped=table(
            "flipped bits",
            {name: results["bit flips"].get(name, 0) for name in _OUTCOMES},
            _OUTCOMES,
        ),
        attacks=results["path attacks"],
    )


def describe_trainings(trainings: Mapping[str, Any]) -> str:
    if not trainings["kills"]:
        return "Not tried."
    return _TRAININGS.format(
        runs=trainings["runs"],
        kills=trainings["kills"],
        same=trainings["same weights"],
        killed=table("killed", trainings["killed"], {}),
    )


def describe_power(power: Mapping[str, Any]) -> str:
    return (
        f"Not simulated: {power['skipped']}." if "skipped" in power else _POWER.format(power=power)
    )


def table(title: str, counts: Mapping[str, int], names: Mapping[str, str]) -> str:
    rows = [[names.get(name, name), f"{number:,}"] for name, number in counts.items()]
    return markdown_table([title, "number"], rows)
