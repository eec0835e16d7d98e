"""What can be chosen of an export; cheap to import, since commands list it."""

from __future__ import annotations

from enum import StrEnum


class Format(StrEnum):
    """In which masks leave."""

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
        """Whether images leave with their masks, for a network to learn from: no predictions."""
        return self in (
            Format.TRAINING,
            Format.NNUNET,
            Format.HUGGING_FACE,
            Format.NPY,
            Format.NPY_ONE_HOT,
        )

    @property
    def may_have_images(self) -> bool:
        """Whether images can leave beside the masks, for people to look at and correct."""
        return self in (Format.COCO, Format.COCO_POLYGONS, Format.VGG, Format.CVAT, Format.LABELME)

    @property
    def advice(self) -> str:
        """A sentence about what programs make of it that is not plain; empty if there is none."""
        if self is not Format.COCO_POLYGONS:
            return ""
        return (
            "Programs that round the points of polygons fill them up to a quarter too large where"
            " they are thin: cut points to whole numbers, or take 'coco', whose run lengths are"
            " exact."
        )


class Identities(StrEnum):
    """What images and patients are called where that may tell who the patient is."""

    HIDE = "hide"
    PSEUDONYMS = "pseudonyms"
    KEEP = "keep"
