"""`Measurements`: all that was measured of one image."""

from __future__ import annotations

from dataclasses import dataclass, field

from napari_retina_seg.measurement.device import DeviceThickness
from napari_retina_seg.measurement.etdrs import Etdrs
from napari_retina_seg.measurement.fovea import Fovea
from napari_retina_seg.measurement.tables import Table, Value
from napari_retina_seg.measurement.thickness import Thickness
from napari_retina_seg.measurement.vessels import Vessels
from napari_retina_seg.types.annotation import Annotation
from napari_retina_seg.types.image import RetinaImage
from napari_retina_seg.types.labels import LabelScheme


@dataclass(frozen=True, eq=False)
class Measurements:
    """What was measured of one image.

    Attributes
    ----------
    image : RetinaImage
        The image, with its pixel sizes and laterality.
    mask : Annotation
        The mask that was measured.
    scheme : LabelScheme
        What its values mean.
    tables : tuple of Table
        All numbers: ``thickness``, ``etdrs`` and ``device`` of layers, ``vessels``, ``segments``
        and ``branchings`` of photographs, ``lesions`` of other masks.
    notes : tuple of str
        What was not measured, and why; warnings.
    warnings : tuple of str
        What speaks against image or mask: of its file, of the model, or that no person checked it.
    provenance : dict
        Where the numbers came from; in every table these columns are the last.
    thickness : Thickness or None
        Of a mask of layers.
    device : tuple of DeviceThickness
        The device's own thickness of the same layers and totals, where its file has lines.
    fovea : Fovea or None
        Stated, or found in a volume.
    etdrs : dict
        Grids by the abbreviation of layer or total.
    vessels : tuple of Vessels
        Of each photograph.
    """

    image: RetinaImage
    mask: Annotation
    scheme: LabelScheme
    tables: tuple[Table, ...]
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    provenance: dict[str, Value] = field(default_factory=dict)
    thickness: Thickness | None = None
    device: tuple[DeviceThickness, ...] = ()
    fovea: Fovea | None = None
    etdrs: dict[str, Etdrs] = field(default_factory=dict)
    vessels: tuple[Vessels, ...] = ()

    @property
    def has_map(self) -> bool:
        """Whether the thickness is that of a raster, whose B-scans side by side are a map."""
        return self.thickness is not None and self.image.is_raster

    def find_table(self, name: str) -> Table | None:
        """Return the table of a name, if there is one."""
        return next((table for table in self.tables if table.name == name), None)
