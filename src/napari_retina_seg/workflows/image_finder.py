"""Match a mask to an image of the project."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from napari_retina_seg.datasets.layouts.pairs import plain_stem
from napari_retina_seg.io.formats.identity import pseudonymise
from napari_retina_seg.io.formats.named import possible_names
from napari_retina_seg.io.formats.record import MaskRecord
from napari_retina_seg.io.formats.sources import Record
from napari_retina_seg.io.formats.training import record_name
from napari_retina_seg.io.names import image_suffix
from napari_retina_seg.project.project import Project
from napari_retina_seg.project.values import ProjectImage
from napari_retina_seg.types.errors import ProjectError
from napari_retina_seg.types.file_names import name_key, safe_name
from napari_retina_seg.workflows.export_index import Ungradable
from napari_retina_seg.workflows.export_options import Identities
from napari_retina_seg.workflows.naming import find_names


class ImageFinder:
    """Index of a project's images by the names, hashes and UIDs in mask files.

    Attributes
    ----------
    shapes : dict
        ``(rows, columns)`` or ``(slices, rows, columns)`` by the key (`name_key`) of each name that
        an image may have, its file's included; ``()`` if images of different shapes have it.
    by_id : dict
        The images by their numbers.
    """

    def __init__(self, project: Project) -> None:
        self.shapes: dict[str, tuple[int, ...]] = {}
        self.by_id: dict[int, ProjectImage] = {}
        self._by_hash: dict[str, ProjectImage] = {}
        self._by_name: dict[str, list[ProjectImage]] = {}
        images = project.images()
        pseudonyms = find_names(project, Identities.PSEUDONYMS).pseudonyms
        for image in images:
            self.by_id[image.id] = image
            self._by_hash[image.sha256] = image
            former = pseudonymise(image.name, project.info.key)  # of earlier versions
            names = (image.name, safe_name(image.name), pseudonyms[image.id], former)
            for key in {name_key(name) for name in (*names, image.path.name)}:
                same = self.shapes.get(key, image.shape) == image.shape
                self.shapes[key] = image.shape if same else ()
            for key in set(map(name_key, names)):
                self._by_name.setdefault(key, []).append(image)

    def has(self, name: str, sha256: str | None) -> bool:
        """Whether there is an image with this hash or name."""
        return sha256 in self._by_hash or bool(self.named(name))

    def known(self, sha256: str | None) -> ProjectImage | None:
        """Return the image with a hash."""
        return self._by_hash.get(sha256 or "")

    def find(self, record: Record | Ungradable) -> ProjectImage:
        """Return the image of a mask; of two with the same name, the one with the given suffix.

        Raises
        ------
        ProjectError
            If there is none, or there are several.
        """
        if record.image_sha256 in self._by_hash:
            return self._by_hash[record.image_sha256]
        name, found = record.name, self.named(record.name)
        if len(found) > 1 and isinstance(record, MaskRecord):
            suffix = record.image_suffix.lower()
            found = [one for one in found if image_suffix(one.path).lower() == suffix] or found
        if not found:
            raise ProjectError(
                f"The project has no image '{name}': add it, or give the mask file the"
                " image's name."
            )
        if len(found) > 1:
            numbers = ", ".join(f"#{image.id}" for image in found[:5])
            raise ProjectError(
                f"Several images are named '{name}' ({numbers}): attach the mask to one of them."
            )
        return found[0]

    def named(self, name: str) -> list[ProjectImage]:
        """Return the images with a name, or with a name that other programs derive from it."""
        for key in (*possible_names(name), plain_stem(name)):
            if key in self._by_name:
                return self._by_name[key]
        return []


def stack(image: ProjectImage, slices: Mapping[int, MaskRecord]) -> MaskRecord:
    """Combine the masks of slices; the other slices are not annotated."""
    some = next(iter(slices.values()))
    labels = np.zeros(image.shape, np.uint8)
    ignore = np.ones(image.shape, bool)
    for index, record in slices.items():
        labels[index] = record.labels
        ignore[index] = False if record.ignore is None else record.ignore
    return replace(
        some,
        labels=labels,
        name=image.name,
        ignore=ignore,
        image_sha256=image.sha256,
        is_complete=all(record.is_complete for record in slices.values()),
    )


def cut(record: Record) -> list[MaskRecord]:
    """Split a volume into slices as a training folder does."""
    if not isinstance(record, MaskRecord) or not record.is_volume:
        return []
    return [
        replace(
            record,
            labels=plane,
            name=record_name(record, index),
            image_sha256=None,
            ignore=None if record.ignore is None else record.ignore[index],
            boundaries=None if record.boundaries is None else record.boundaries[index],
        )
        for index, plane in enumerate(record.labels)
    ]
