"""``dataset.json``: metadata of a training folder."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from pydantic import BaseModel, ValidationError

from napari_retina_seg.io.atomic import write_atomically
from napari_retina_seg.io.formats.card import Card
from napari_retina_seg.io.formats.named import read_json
from napari_retina_seg.types.errors import ReadError, RetinaSegError
from napari_retina_seg.types.splits import SplitName

CONTENTS = "dataset.json"


class Picture(BaseModel):
    """An image or slice: its patient, split, and the index of its card."""

    name: str
    group: str
    split: SplitName
    record: int
    slice: int


class Contents(BaseModel):
    """Content of the file.

    Attributes
    ----------
    pictures : list of Picture
        In the order of their masks; older stacks have none.
    records : list of Card
        A card for each mask that was drawn.
    patients : str
        Where the patients that the project did not know came from; empty if there are none.
    """

    pictures: list[Picture] = []
    records: list[Card]
    patients: str = ""

    @classmethod
    def read(cls, folder: Path, name: str = CONTENTS) -> Self:
        """Read the file of a folder.

        Parameters
        ----------
        folder : Path
            The folder.
        name : str
            What the file is called.

        Raises
        ------
        ReadError
            If there is none, it is damaged, or another program's.
        """
        path = folder / name
        content = read_json(path)
        try:
            return cls.model_validate(content)
        except ValidationError as error:
            at = ".".join(map(str, error.errors()[0]["loc"])) or "its beginning"
            raise ReadError(f"'{path}' is not a list of masks: check '{at}'.") from error
        except RetinaSegError as error:  # of classes that can't be
            raise ReadError(f"'{path}' is not a list of masks: {error}") from error

    def write(self, folder: Path, name: str = CONTENTS) -> None:
        """Write the file into a folder.

        Parameters
        ----------
        folder : Path
            The folder.
        name : str
            What the file is called.

        Raises
        ------
        WriteError
            If it can't be written.
        """
        write_atomically(folder / name, self.model_dump_json(indent=1).encode())
