"""Training folders: pairs of images and masks."""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_retina_seg.io.atomic import write_atomically
from napari_retina_seg.io.formats.card import Card, make_card, restore
from napari_retina_seg.io.formats.contents import Contents, Picture
from napari_retina_seg.io.formats.raster import encode_png
from napari_retina_seg.io.formats.record import MaskRecord, require_truth
from napari_retina_seg.io.masks import encode_grey_png, read_classes
from napari_retina_seg.types.errors import ReadError, WriteError
from napari_retina_seg.types.file_names import find_same, name_key
from napari_retina_seg.types.image import Spacing
from napari_retina_seg.types.splits import SPLITS, SplitName
from napari_retina_seg.types.text import csv_cell

COLORED = "masks_colored"
_CALIBRATED = ("uint8", "uint16", "float32")  # dtypes that ImageJ's TIFF can hold


@dataclass(frozen=True, eq=False)
class TrainingItem:
    """A mask with its image and patient.

    Attributes
    ----------
    record : MaskRecord
        That a person made or accepted.
    pixels : array
        ``(rows, columns)`` or ``(slices, rows, columns)``, with a last axis of 3 for colours.
    group : str
        Patient or eye, by a pseudonym if need be: its images stay on one side.
    split : str
        ``train``, ``val`` or ``test``.
    """

    record: MaskRecord
    pixels: npt.NDArray[Any]
    group: str
    split: SplitName

    def __post_init__(self) -> None:
        shape = self.record.labels.shape
        if self.pixels.shape not in (shape, (*shape, 3)):
            raise WriteError(
                f"The image of '{self.record.name}' has the shape {self.pixels.shape} and its mask"
                f" {shape}: export the mask with the image it was drawn on."
            )

    @property
    def planes(self) -> npt.NDArray[Any]:
        """The pixels with a first axis of slices, of one slice if it is no volume."""
        return self.pixels if self.record.is_volume else self.pixels[np.newaxis]


def assign_splits(
    groups: Iterable[str], *, seed: int, validation: float = 0.2, test: float = 0.0
) -> dict[str, SplitName]:
    """Divide groups into training, validation and test, at random but always the same.

    Parameters
    ----------
    groups : iterable of str
        Patients or eyes.
    seed : int
        Of the random choice.
    validation, test : float
        Shares of the groups. To validate there is at least one group, if there are two.

    Returns
    -------
    dict
        The side of each group.
    """
    names = sorted(set(groups))
    order = [names[index] for index in np.random.default_rng(seed).permutation(len(names))]
    tested = round(test * len(order))
    validated = max(round(validation * len(order)), 1) if len(order) - tested > 1 else 0
    trained = len(order) - tested - validated
    counts = zip(SPLITS, (trained, validated, tested), strict=True)
    sides = [side for side, count in counts for _ in range(count)]
    return dict(zip(order, sides, strict=True))


class TrainingFolder:
    """A data set for ``dataset check`` and ``train`` while it is written, item by item.

    ``images/`` has a TIFF for each image or slice, with its pixel sizes, and ``masks/`` a grey PNG
    of the same name with the class values, `IGNORE` where it is questionable; ``masks_colored/``
    has the same in the scheme's colours, to be looked at. ``splits.json`` lists the names for
    training, validation and test; all of a group are in one split. ``groups.csv`` says whose they
    are, and ``dataset.json`` has the cards.

    Parameters
    ----------
    folder : Path
        Where it is built, out of sight.
    patients : str
        What the folder says of where its patients were found.
    """

    def __init__(self, folder: Path, patients: str = "") -> None:
        self._folder = folder
        self._patients = patients
        self._pictures: list[Picture] = []
        self._cards: list[Card] = []
        self._names: set[str] = set()
        self._sides: dict[str, SplitName] = {}

    def add(self, item: TrainingItem) -> None:
        """Write an image with its mask.

        Raises
        ------
        WriteError
            If it does not go with those before it, or can't be written.
        """
        record, planes = item.record, item.record.planes
        names = [record_name(record, index) for index in range(len(planes))]
        self._check(item, names)
        for index, (name, plane) in enumerate(zip(names, planes, strict=True)):
            self._write_pair(name, item, index, plane)
            picture = Picture(
                name=name,
                group=item.group,
                split=item.split,
                record=len(self._cards),
                slice=index,
            )
            self._pictures.append(picture)
        self._cards.append(make_card(record))

    def _write_pair(
        self, name: str, item: TrainingItem, index: int, mask: npt.NDArray[np.uint8]
    ) -> None:
        """Write an image, or a slice of one, with its mask."""
        record = item.record
        pixels = _encode_tiff(item.planes[index], record.spacing)
        write_atomically(self._folder / "images" / f"{name}.tif", pixels)
        write_atomically(
            self._folder / "masks" / f"{name}.png", encode_grey_png(mask, record.scheme)
        )
        write_atomically(self._folder / COLORED / f"{name}.png", encode_png(mask, record.scheme))

    def finish(self) -> None:
        """Write the metadata of all images.

        Raises
        ------
        WriteError
            If there is no image, or it can't be written.
        """
        if not self._cards:
            raise WriteError("There is no mask to export: choose some.")
        contents = Contents(pictures=self._pictures, records=self._cards, patients=self._patients)
        self._write_contents(contents)

    def _write_contents(self, contents: Contents) -> None:
        """Write the lists of what is in the folder."""
        contents.write(self._folder)
        pictures = contents.pictures
        table = StringIO(newline="")
        writer = csv.writer(table, lineterminator="\n")
        writer.writerow(("name", "group"))
        writer.writerows(map(csv_cell, (picture.name, picture.group)) for picture in pictures)
        write_atomically(self._folder / "groups.csv", table.getvalue().encode())
        names: dict[str, list[str]] = {split: [] for split in SPLITS}
        for picture in pictures:
            names[picture.split].append(picture.name)
        write_atomically(self._folder / "splits.json", json.dumps(names, indent=1).encode())

    def _check(self, item: TrainingItem, names: list[str]) -> None:
        require_truth([item.record])
        scheme = self._cards[0].scheme if self._cards else item.record.scheme
        if item.record.scheme != scheme:
            raise WriteError(
                f"The masks have the classes of '{scheme.name}' and of '{item.record.scheme.name}':"
                " export those of one scheme at a time."
            )
        for name in names:
            if name_key(name) in self._names:
                raise WriteError(f"Two images would be named '{name}': rename one.")
        self._names.update(map(name_key, names))
        if self._sides.setdefault(item.group, item.split) != item.split:
            raise WriteError(
                f"The images of '{item.group}' are to be used for {self._sides[item.group]} and for"
                f" {item.split}: keep all images of a patient in one split."
            )


def record_name(record: MaskRecord, index: int) -> str:
    """Return the name of an image or slice in a training folder."""
    return f"{record.name}_{index:04d}" if record.is_volume else record.name


def _encode_tiff(plane: npt.NDArray[Any], spacing: Spacing) -> bytes:
    import tifffile

    color = plane.ndim == 3
    options: dict[str, Any] = {"photometric": "rgb" if color else "minisblack"}
    sizes = (spacing.lateral.um, spacing.axial.um)
    if plane.dtype.name in _CALIBRATED[: 1 if color else 3] and None not in sizes:
        options["imagej"] = True
        options["resolution"] = tuple(1 / um for um in sizes if um)
        options["metadata"] = {"unit": "um"}
    else:
        options["compression"] = "zlib"
    file = BytesIO()
    tifffile.imwrite(file, plane, **options)
    return file.getvalue()


def read_training_folder(folder: Path) -> tuple[MaskRecord, ...]:
    """Read the masks of a folder that `TrainingFolder` wrote, slices put together again.

    Raises
    ------
    ReadError
        If it is no such folder, or a mask is missing, damaged or of another size.
    """
    contents = Contents.read(folder)
    planes: dict[int, list[Any]] = defaultdict(list)
    for picture in sorted(contents.pictures, key=lambda picture: (picture.record, picture.slice)):
        path = find_same(folder / "masks", f"{picture.name}.png")
        planes[picture.record].append(read_classes(path))
    records = []
    for number, card in enumerate(contents.records):
        own = planes[number]
        if len({plane.shape for plane in own}) != 1:
            raise ReadError(f"'{folder}' lacks masks of '{card.name}', or one was resized.")
        stack = np.stack(own)
        records.append(
            restore(folder / "masks", stack[0] if len(card.shape) == 2 else stack, card, None)
        )
    return tuple(records)
