"""Options of an export; cheap to import, since commands list them."""

from __future__ import annotations

from enum import StrEnum


class Format(StrEnum):
    """Formats of exported masks."""

    TRAINING = "training"
    NNUNET = "nnunet"
    HUGGING_FACE = "huggingface"
    PNG = "png"
    TIFF = "tiff"
    NIFTI = "nifti"
    DICOM_SEG = "dicom-seg"
    COCO = "coco"
    COCO_POLYGONS = "coco-polygons"
    VGG = "vgg"
    CVAT = "cvat"
    LABELME = "labelme"
    NPY = "npy"
    NPY_ONE_HOT = "npy-one-hot"
    BOUNDARY_CSV = "boundary-csv"
    BOUNDARY_JSON = "boundary-json"

    @property
    def has_images(self) -> bool:
        """Whether it is a training set: images with masks, without predictions."""
        return self in (
            Format.TRAINING,
            Format.NNUNET,
            Format.HUGGING_FACE,
            Format.NPY,
            Format.NPY_ONE_HOT,
        )

    @property
    def may_have_images(self) -> bool:
        """Whether images can be exported beside the masks, for annotation tools."""
        return self in (Format.COCO, Format.COCO_POLYGONS, Format.VGG, Format.CVAT, Format.LABELME)

    @property
    def advice(self) -> str:
        """A sentence about a pitfall of the format; empty if there is none."""
        if self is not Format.COCO_POLYGONS:
            return ""
        return (
            "Programs that round the points of polygons fill thin ones up to a quarter too large:"
            " truncate points to whole numbers, or use 'coco', whose run lengths are"
            " exact."
        )


class Identities(StrEnum):
    """How names that may identify a patient are exported."""

    HIDE = "hide"
    PSEUDONYMS = "pseudonyms"
    KEEP = "keep"
