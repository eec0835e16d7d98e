"""The card of a mask: its classes, sizes and origin as JSON, in the file or beside it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, ValidationError

from napari_retina_seg.io.atomic import write_atomically
from napari_retina_seg.io.formats.record import Attribution, MaskRecord
from napari_retina_seg.io.names import image_name
from napari_retina_seg.types.annotation import IGNORE
from napari_retina_seg.types.errors import ReadError, RetinaSegError
from napari_retina_seg.types.image import Laterality, Spacing
from napari_retina_seg.types.labels import LabelScheme

KEY = "napari_retina_seg"  # under which formats keep a card
VERSION = 1
_KIND = b"napari-retina-seg mask"
_SHOWN = 5  # values that a message lists


class Card(BaseModel):
    """Metadata that a mask's file format can't hold.

    Attributes
    ----------
    version : int
        Of this form.
    name, image_suffix, image_sha256, spacing, laterality, attribution, scheme
        As of `MaskRecord`; no name if that of the file stands for it.
    shape : tuple of int
        Of the labels.
    ignore_value : int
        What stands for questionable pixels.
    placement : nested tuple or None
        As of `MaskRecord`, four rows of four; in formats whose pixels other programs reorder.
    values_sha256 : str
        Hash of the values that belong to it: one who changed these is not the author named here.
    """

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)

    kind: Literal["napari-retina-seg mask"] = "napari-retina-seg mask"
    version: int = VERSION
    name: str
    image_suffix: str = ".png"
    image_sha256: str | None = None
    shape: tuple[int, ...]
    spacing: Spacing = Spacing()
    laterality: Laterality = Laterality.UNKNOWN
    attribution: Attribution = Attribution()
    scheme: LabelScheme
    ignore_value: int = IGNORE
    placement: tuple[tuple[float, float, float, float], ...] | None = None
    values_sha256: str

    @property
    def text(self) -> str:
        """The card as JSON, in ASCII."""
        return self.model_dump_json(ensure_ascii=True)


def make_card(record: MaskRecord, values: npt.NDArray[Any] | None = None) -> Card:
    """Fill in the card of a record.

    Parameters
    ----------
    record : MaskRecord
        The record.
    values : array, optional
        What the file holds; by default the raster.
    """
    return Card(
        name="" if record.is_named_by_file else record.name,
        image_suffix=record.image_suffix,
        image_sha256=record.image_sha256,
        shape=record.labels.shape,
        spacing=record.spacing,
        laterality=record.laterality,
        attribution=record.attribution,
        scheme=record.scheme,
        values_sha256=hash_values(record.raster() if values is None else values),
    )


def hash_values(values: npt.NDArray[Any]) -> str:
    """Return a hash of an array's shape and values."""
    head = f"{values.shape} {values.dtype.str}".encode()
    if values.dtype.kind == "f":
        values = np.where(np.isnan(values), values.dtype.type(np.nan), values)  # one NaN of many
    return hashlib.sha256(head + np.ascontiguousarray(values).tobytes()).hexdigest()


def parse_card(path: Path, text: str | bytes) -> Card:
    """Parse a card found in a file.

    Raises
    ------
    ReadError
        If it is damaged, or from a newer version.
    """
    try:
        card = Card.model_validate_json(text)
    except (ValidationError, RetinaSegError) as error:
        raise ReadError(
            f"What '{path}' says of its classes is damaged: export the mask again, or take that"
            " part out and name the scheme."
        ) from error
    if card.version > VERSION:
        raise ReadError(
            f"'{path}' was written by a newer version of this program: update this one."
        )
    return card


def sidecar_of(path: Path) -> Path:
    """Return the path of the card of a file that can't contain it: ``<stem>.json`` beside it."""
    return path.with_name(f"{image_name(path)}.json")


def write_sidecar(path: Path, card: Card) -> None:
    """Write the card of a file beside it.

    Raises
    ------
    WriteError
        If it can't be written.
    """
    write_atomically(sidecar_of(path), card.model_dump_json(indent=1).encode())


def read_sidecar(path: Path) -> Card | None:
    """Read the card beside a file; None if there is none, or the JSON is something else.

    Raises
    ------
    ReadError
        If it is damaged.
    """
    try:
        text = sidecar_of(path).read_bytes()
    except OSError:
        return None
    return parse_card(sidecar_of(path), text) if _is_card(text) else None


def _is_card(text: bytes) -> bool:
    """Whether JSON is a card; labelme's beside an image may have one inside."""
    if _KIND not in text:
        return False
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        return True  # a damaged one
    return isinstance(content, dict) and content.get("kind") == _KIND.decode()


def restore(
    path: Path,
    values: npt.NDArray[Any],
    card: Card | None,
    scheme: LabelScheme | None,
    *,
    remap: Mapping[int, int] | None = None,
    named: bool = False,
) -> MaskRecord:
    """Make a record of the values in a file and their metadata.

    Parameters
    ----------
    path : Path
        The file, for messages.
    values : array
        ``(rows, columns)`` or ``(slices, rows, columns)``, whole numbers of any type.
    card : Card or None
        What the file says of itself. If its values have changed since, the author is unknown.
    scheme : LabelScheme or None
        The classes that are wanted; they may be left out if the card names them.
    remap : mapping, optional
        Values and the classes that they stand for, e.g. ``{255: 1}``, where there is no card.
    named : bool
        Whether the file names its classes, so that there is no doubt what `IGNORE` stands for.

    Raises
    ------
    ReadError
        If the classes are unknown, others than wanted, or not those of the values.
    """
    values = np.asarray(values)
    classes = choose_scheme(path, card, scheme)
    if card is not None and values.size == np.prod(card.shape):
        values = values.reshape(card.shape)
    mapped = remap if card is None and remap else {}
    values = _replace_values(values, mapped)
    raster = _to_raster(path, values, classes)
    ignore = raster == IGNORE if len(classes) <= IGNORE else np.zeros(raster.shape, bool)
    doubtful = card is None and not named and IGNORE not in mapped.values()
    if doubtful and ignore.any() and not raster[~ignore].any():
        raise ReadError(
            f"'{path}' has no values but 0 and {IGNORE}, which means what is to be ignored: say"
            f" that it stands for a class, as in {IGNORE}:1, or save the mask with the values of"
            " its classes, 0, 1, 2, …."
        )
    try:
        return MaskRecord(
            np.where(ignore, np.uint8(0), raster),
            scheme=classes,
            name=(card.name if card else "") or image_name(path),
            ignore=ignore if ignore.any() else None,
            **({} if card is None else kept(card, hash_values(raster))),
        )
    except RetinaSegError as error:
        raise ReadError(f"'{path}' holds no mask: {error}") from error


def kept(card: Card, found: str) -> dict[str, Any]:
    """Return the fields of a record in a card, given the hash of the values found."""
    return {
        "spacing": card.spacing,
        "laterality": card.laterality,
        "attribution": card.attribution if found == card.values_sha256 else Attribution(),
        "image_suffix": card.image_suffix,
        "image_sha256": card.image_sha256,
    }


def choose_scheme(path: Path, card: Card | None, scheme: LabelScheme | None) -> LabelScheme:
    """Return the classes of a file.

    Raises
    ------
    ReadError
        If none are stated, or two sources differ.
    """
    if card is None:
        if scheme is None:
            raise ReadError(f"'{path}' does not say what its values mean: name the scheme.")
        return scheme
    if scheme is not None and scheme != card.scheme:
        raise ReadError(
            f"'{path}' holds the classes of '{card.scheme.name}', which differ from those of"
            f" '{scheme.name}': choose another file."
        )
    return card.scheme


def _replace_values(values: npt.NDArray[Any], remap: Mapping[int, int]) -> npt.NDArray[Any]:
    if not remap:
        return values
    replaced = values.astype(np.float64 if values.dtype.kind == "f" else np.int64)
    for value, label in remap.items():
        replaced[values == value] = label
    return replaced


def _to_raster(path: Path, values: npt.NDArray[Any], scheme: LabelScheme) -> npt.NDArray[np.uint8]:
    if values.dtype.kind not in "buif" or values.ndim not in (2, 3) or not values.size:
        raise ReadError(
            f"'{path}' holds {values.dtype} {values.shape}: a mask is of whole numbers, (rows,"
            " columns) or (slices, rows, columns)."
        )
    if values.dtype.kind == "f" and not (np.isfinite(values) & (values == np.rint(values))).all():
        raise ReadError(f"'{path}' has values that are not whole numbers: save classes.")
    known = (values >= 0) & (values < len(scheme)) | (values == IGNORE)
    if not known.all():
        unknown = np.unique(values[~known])
        listed = ", ".join(str(int(value)) for value in unknown[:_SHOWN])
        raise ReadError(
            f"'{path}' has values of no class ({listed}{', …' if len(unknown) > _SHOWN else ''}):"
            f" those of '{scheme.name}' are 0 to {len(scheme) - 1}, and {IGNORE} for what is to be"
            " ignored."
        )
    return values.astype(np.uint8)
