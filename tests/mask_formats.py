"""Write and read whole files of masks, as a test needs them; the program goes item by item."""

from napari_retina_seg.io.atomic import atomic_folder
from napari_retina_seg.io.formats.coco import CocoFile, iter_coco
from napari_retina_seg.io.formats.cvat import CvatFile, iter_cvat
from napari_retina_seg.io.formats.found import Problem
from napari_retina_seg.io.formats.labelme import iter_labelme
from napari_retina_seg.io.formats.record import MaskRecord
from napari_retina_seg.io.formats.stacks import fill_stacks
from napari_retina_seg.io.formats.training import TrainingFolder
from napari_retina_seg.io.formats.vgg import VggFile, iter_vgg
from napari_retina_seg.types.errors import ReadError


def _write(file, path, records):
    for record in records:
        file.add(record)
    file.write(path)


def write_coco(path, records, *, polygons=False):
    _write(CocoFile(polygons=polygons), path, records)


def write_cvat(path, records):
    _write(CvatFile(), path, records)


def write_vgg(path, records):
    _write(VggFile(), path, records)


def write_stacks(folder, items, *, one_hot=False):
    with atomic_folder(folder) as new:
        fill_stacks(new, items, one_hot=one_hot)


def write_training_folder(folder, items):
    with atomic_folder(folder) as new:
        training = TrainingFolder(new)
        for item in items:
            training.add(item)
        training.finish()


def _only_masks(items):
    """Return the masks; raise the first problem."""
    records = []
    for item in items:
        if isinstance(item, Problem):
            raise ReadError(item.sentence)
        if isinstance(item, MaskRecord):
            records.append(item)
    return tuple(records)


def read_coco(path, scheme=None):
    return _only_masks(iter_coco(path, scheme))


def read_cvat(path, scheme=None):
    return _only_masks(iter_cvat(path, scheme))


def read_vgg(path, scheme=None, shapes=None):
    return _only_masks(iter_vgg(path, scheme, shapes))


def read_labelme(paths, scheme=None):
    return _only_masks(iter_labelme(paths, scheme))
