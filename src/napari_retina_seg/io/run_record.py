"""`RunRecord`: what a long run has finished, so that it goes on where it was stopped."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from napari_retina_seg.io.atomic import writing
from napari_retina_seg.types.errors import WriteError

RECORD = "finished.jsonl"


@dataclass(frozen=True)
class Finished:
    """An image whose results are written.

    Attributes
    ----------
    name : str
        Of the image, with which the names of the results begin.
    sha256 : str
        Of its files.
    outputs : mapping
        Hash of each result, by the name of its file.
    """

    name: str
    sha256: str
    outputs: Mapping[str, str]


class RunRecord:
    """A file in the folder of the results, to which lines of JSON are only added.

    A line that a crash cut short is left out: its image is done again.

    Parameters
    ----------
    folder : Path
        Where the results are written.
    settings : mapping
        What decides on the results besides the images, as JSON.

    Raises
    ------
    WriteError
        If the results that the record lists were made with other settings, or it can't be read.
    """

    def __init__(self, folder: Path, settings: Mapping[str, Any]) -> None:
        self._path = folder / RECORD
        self.finished: dict[str, Finished] = {}
        self.planned: set[str] = set()  # names whose results are this run's
        known: Mapping[str, Any] | None = None
        with writing(self._path):
            content = self._path.read_bytes() if self._path.exists() else b""
        for line in content.splitlines():
            entry = _parse(line)
            known = entry.get("settings", known)
            self.planned.update(entry.get("planned", ()))
            if "name" in entry:
                found = Finished(**entry)
                self.finished[found.name] = found
        self._is_cut = bool(content) and not content.endswith(b"\n")
        if known is None:
            self._append({"settings": settings})
        elif known != settings:
            differing = [name for name in settings if settings[name] != known.get(name)]
            raise WriteError(
                f"The results in '{folder}' were made with another {' and '.join(differing)}:"
                " go on with the same, or choose another folder."
            )

    def plan(self, names: Iterable[str]) -> None:
        """Note the images whose results are going to be written."""
        new = sorted(set(names) - self.planned)
        if new:
            self._append({"planned": new})
            self.planned.update(new)

    def add(self, finished: Finished) -> None:
        """Note that the results of an image are written."""
        self._append(asdict(finished))
        self.finished[finished.name] = finished

    def _append(self, entry: Mapping[str, Any]) -> None:
        line = ("\n" if self._is_cut else "") + json.dumps(entry, ensure_ascii=False) + "\n"
        self._is_cut = False
        with writing(self._path):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("ab") as file:
                file.write(line.encode())


def _parse(line: bytes) -> dict[str, Any]:
    try:
        entry = json.loads(line)
    except ValueError:
        return {}
    return entry if isinstance(entry, dict) else {}
