"""Convert the shapes of annotation tools to masks."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from napari_retina_seg.io._decoding import check_claim
from napari_retina_seg.io.formats.canvas import Canvas, Raster
from napari_retina_seg.io.formats.card import Card, choose_scheme, hash_values, restore
from napari_retina_seg.io.formats.found import Found, Note, Problem, Unannotated
from napari_retina_seg.io.formats.named import KnownShapes, find_value, image_of, unknown_class
from napari_retina_seg.io.formats.record import MaskRecord
from napari_retina_seg.io.names import image_suffix
from napari_retina_seg.types.annotation import IGNORE
from napari_retina_seg.types.counts import count
from napari_retina_seg.types.errors import RetinaSegError
from napari_retina_seg.types.file_names import last_part, name_key
from napari_retina_seg.types.labels import LabelScheme


@dataclass(frozen=True, eq=False)
class Shape:
    """One shape.

    Attributes
    ----------
    label : str
        What the file calls its class.
    what : str
        Which shape it is, for messages.
    draw : callable or None
        Draws it on a canvas with a class value; None if it marks no area, e.g. a box.
    group : str
        What the file counts its class among.
    others : tuple of str
        What else the file says of it; two different classes are one too many.
    order : int
        Shapes of a higher one lie over others.
    """

    label: str
    what: str
    draw: Callable[[Canvas, int], None] | None
    group: str = ""
    others: tuple[str, ...] = ()
    order: int = 0


@dataclass(frozen=True, eq=False)
class DrawnImage:
    """One image of a file, with its shapes in the order in which they were drawn.

    Attributes
    ----------
    file_name : str
        As the file refers to it.
    size : tuple of int or None
        ``(rows, columns)``, if the file says so.
    shapes : tuple of Shape
        What is drawn on it.
    card : Card or None
        What this program recorded of its mask, if it wrote the file.
    slice : int
        Which slice of the card's mask it is.
    """

    file_name: str
    size: tuple[int, int] | None
    shapes: tuple[Shape, ...]
    card: Card | None = None
    slice: int = 0


class Reader:
    """Makes masks of the images with shapes in one file.

    An image without a shape that marks an area has no mask: it is not annotated, rather than
    annotated as empty.

    Parameters
    ----------
    path : Path
        The file, for messages.
    scheme : LabelScheme or None
        The classes, if another program wrote the file.
    known : KnownShapes
        Grids of the images that masks are wanted for; of others nothing is drawn. If there are
        none, those that the file states are taken.
    declared : collection of str
        Classes that the file lists, whether drawn or not.
    """

    def __init__(
        self,
        path: Path,
        scheme: LabelScheme | None,
        known: KnownShapes,
        declared: Collection[str] = (),
    ) -> None:
        self._path, self._scheme, self._known = path, scheme, known
        self._declared = declared
        self._numbered_from_zero: frozenset[str] = frozenset()
        self._strange: dict[str, set[str]] = defaultdict(set)
        self._strange_shapes: Counter[str] = Counter()
        self._without_area = 0

    def read(self, images: Iterable[DrawnImage]) -> Iterator[Found]:
        """Yield the masks of images, and problems and notes."""
        own: dict[str, list[DrawnImage]] = defaultdict(list)
        foreign = []
        for image in images:
            if image.card is None:
                foreign.append(image)
            else:
                own[image.card.text].append(image)
        for members in own.values():
            yield from self._read_own(members)
        self._numbered_from_zero = self._find_numbered_from_zero(foreign)
        names = Counter(name_key(last_part(image.file_name)) for image in foreign if image.shapes)
        for image in foreign:
            if names[name_key(last_part(image.file_name))] > 1:
                yield Problem(
                    f"'{self._path}' has shapes of two images named '{last_part(image.file_name)}'"
                    ": give them different names, or put them into different files."
                )
            else:
                yield from self._read_foreign(image)
        yield from self._sum_up()

    def _find_numbered_from_zero(self, images: list[DrawnImage]) -> frozenset[str]:
        """Return classes that are numbered from 0 without saying whether 0 is the background.

        It is if the last number is that of the scheme's last class; else 0 may be the first class.
        """
        drawn = (shape.label for image in images for shape in image.shapes)
        numbered = {label for label in (*self._declared, *drawn) if label.strip().isdecimal()}
        values = set(map(int, numbered))
        if self._scheme is None or 0 not in values or max(values) == len(self._scheme) - 1:
            return frozenset()
        return frozenset(numbered)

    def _sum_up(self) -> Iterator[Found]:
        for label, files in self._strange.items():
            scheme = self._scheme
            if scheme is not None:
                reason = (
                    f"Class '{label}' is one of numbers from 0, where 0 may be the background or"
                    " the first class; name the classes instead"
                    if label in self._numbered_from_zero
                    else unknown_class(label, scheme)
                )
                yield Problem(
                    f"{reason}: {count(self._strange_shapes[label], 'shape')}"
                    f" of {count(len(files), 'image')} in '{self._path}' left out."
                )
        if self._without_area:
            yield Note(
                f"'{self._path}' has {count(self._without_area, 'shape')} without an area (boxes,"
                " points, lines), which are not masks: left out."
            )

    def _read_foreign(self, image: DrawnImage) -> Iterator[Found]:
        stem = image_of(image.file_name)
        if not any(shape.draw for shape in image.shapes):
            self._without_area += len(image.shapes)
            yield Unannotated(stem)
            return
        shape, trouble = self._find_shape(image)
        if shape is None:
            yield Problem(trouble)
            return
        if self._scheme is None:
            yield Problem(f"'{self._path}' names classes, but no scheme: name one.")
            return
        canvas = self._draw(image, shape, self._scheme)
        yield from canvas.found
        if canvas.raster is None:
            if canvas.is_complete:
                yield Unannotated(stem)
            return
        name = Path(last_part(image.file_name))
        try:
            record = restore(name, canvas.raster, None, self._scheme, named=True)
        except RetinaSegError as error:
            yield Problem(str(error))
            return
        yield replace(
            record,
            name=stem,
            image_suffix=image_suffix(name),
            is_complete=canvas.is_complete,
        )

    def _find_shape(self, image: DrawnImage) -> tuple[tuple[int, int] | None, str]:
        """Return the grid of an image, or why it can't be drawn on."""
        name, size, known = image.file_name, image.size, self._known.find(image.file_name)
        ambiguous = self._known.is_ambiguous(name)
        if ambiguous and size is None:
            return None, (
                f"Several images of different sizes are called '{image_of(name)}', and"
                f" '{self._path}' does not say of which its shapes are: rename the images."
            )
        if self._known and known is None and not ambiguous:
            stem = image_of(name)
            return None, (
                f"The project has no image '{stem}', of which '{self._path}' has shapes: add it, or"
                " give it that name."
            )
        if known is not None and size is not None and known != size:
            return None, (
                f"'{self._path}' was drawn over '{name}' of {size[1]} × {size[0]} px, and the image"
                f" has {known[1]} × {known[0]} px: annotate the image in its own size."
            )
        shape = known or size
        if shape is None:
            return None, f"'{self._path}' does not say how large '{name}' is: add that image first."
        try:
            check_claim(f"The image '{name}' in '{self._path}'", shape)
        except RetinaSegError as error:
            return None, str(error)
        return shape, ""

    def _draw(self, image: DrawnImage, shape: tuple[int, int], scheme: LabelScheme) -> Canvas:
        canvas = Canvas(f"'{image.file_name}' in '{self._path}'", shape)
        for drawn in sorted(image.shapes, key=lambda each: each.order):
            if drawn.draw is None:
                self._without_area += 1
                continue
            values = {find_value(text, scheme) for text in drawn.others}
            if drawn.label not in self._numbered_from_zero:
                values.add(find_value(drawn.label, scheme, drawn.group))
            values.discard(None)
            value = values.pop() if values else None
            if values or not any((drawn.label, drawn.group, *drawn.others)):
                canvas.refuse(f"{drawn.what} has no class or several, and needs one")
            elif value is None:
                self._strange[drawn.label].add(image.file_name)
                self._strange_shapes[drawn.label] += 1
            else:
                drawn.draw(canvas, value)
        return canvas

    def _read_own(self, images: list[DrawnImage]) -> Iterator[Found]:
        """Put the slices of a mask together that this program wrote."""
        card = images[0].card
        if card is None:
            return
        planes: dict[int, Raster | None] = {}
        is_complete = True
        try:
            scheme = choose_scheme(self._path, card, self._scheme)
            rows, columns = card.shape[-2:]
            number = card.shape[0] if len(card.shape) == 3 else 1
            fits = all(image.size in (None, (rows, columns)) for image in images)
            if not fits or sorted(image.slice for image in images) != list(range(number)):
                yield Problem(f"'{self._path}' lacks images of '{card.name}': export it again.")
                return
            check_claim(f"The mask of '{card.name}' in '{self._path}'", card.shape)
            for image in images:
                canvas = self._draw(image, (rows, columns), scheme)
                yield from canvas.found
                planes[image.slice] = canvas.raster
                is_complete &= canvas.is_complete
            found = self._assemble(card, [planes[index] for index in range(number)])
            if isinstance(found, MaskRecord):
                found = replace(found, is_complete=is_complete)
            yield found
        except RetinaSegError as error:
            yield Problem(str(error))

    def _assemble(self, card: Card, planes: list[Raster | None]) -> Found:
        rows, columns = card.shape[-2:]
        blank = np.zeros((rows, columns), np.uint8)
        stack = np.stack([blank if plane is None else plane for plane in planes])
        values = stack if len(card.shape) == 3 else stack[0]
        if hash_values(values) != card.values_sha256:
            # It was changed elsewhere: what is empty now is no longer this program's word.
            if all(plane is None for plane in planes):
                return Unannotated(card.name)
            if len(card.scheme) <= IGNORE:
                stack[[plane is None for plane in planes]] = IGNORE
        return restore(self._path, values, card, self._scheme)
