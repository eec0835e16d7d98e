"""`RunRecord`: what a long run has finished, so that it goes on where it was stopped."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from napari_retina_seg.io.atomic import writing
from napari_retina_seg.types.confined import confined
from napari_retina_seg.types.errors import OutsideError, WriteError

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

    __pydantic_config__ = ConfigDict(extra="forbid")

    name: str
    sha256: str
    outputs: Mapping[str, str]


class _Settings(BaseModel):
    model_config = ConfigDict(extra="forbid")

    settings: dict[str, Any]


class _Planned(BaseModel):
    model_config = ConfigDict(extra="forbid")

    planned: tuple[str, ...]


_Entry = _Settings | _Planned | Finished
_ENTRY: TypeAdapter[_Entry] = TypeAdapter(_Entry)


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
        If the results that the record lists were made with other settings, it can't be read, or
        it is not as it was written.
    """

    def __init__(self, folder: Path, settings: Mapping[str, Any]) -> None:
        self._path = folder / RECORD
        self.finished: dict[str, Finished] = {}
        self.planned: set[str] = set()  # names whose results are this run's
        known: list[Mapping[str, Any]] = []
        with writing(self._path):
            content = self._path.read_bytes() if self._path.exists() else b""
        for line in content.splitlines():
            match self._parse(line):
                case _Settings(settings=stated):
                    known.append(stated)
                case _Planned(planned=names):
                    self.planned.update(names)
                case Finished() as found:
                    self.finished[found.name] = found
        self._is_cut = bool(content) and not content.endswith(b"\n")
        if not known and (self.planned or self.finished):
            raise self._altered()
        if not known:
            self._append({"settings": settings})
        for other in known:
            if other != settings:
                raise WriteError(
                    f"The results in '{folder}' were made with another"
                    f" {' and '.join(_differing(settings, other))}: go on with the same, or choose"
                    " another folder."
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

    def _parse(self, line: bytes) -> _Entry | None:
        try:
            content = json.loads(line)
        except ValueError:
            return None
        folder = self._path.parent
        try:
            entry = _ENTRY.validate_python(content)
            outputs = entry.outputs if isinstance(entry, Finished) else ()
            if any(confined(folder, name).parent != folder for name in outputs):
                raise self._altered()
        except (ValidationError, OutsideError) as error:
            raise self._altered() from error
        return entry

    def _altered(self) -> WriteError:
        return WriteError(
            f"'{self._path}' is damaged or was changed, so it does not tell what is finished:"
            " choose another folder."
        )


def _differing(settings: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    names = sorted({*settings, *other})
    return [name for name in names if settings.get(name) != other.get(name)]
