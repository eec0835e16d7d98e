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


class Identities(StrEnum):
    """What images and patients are called where that may tell who the patient is."""

    HIDE = "hide"
    PSEUDONYMS = "pseudonyms"
    KEEP = "keep"
