"""The public API; `lazy_loader` reads these imports, and so do type checkers."""

from .core.cam import Method
from .core.errors import RetinaSegError
from .core.evaluation import Evaluation
from .core.explanation import Explanation
from .core.image import Laterality, Length, Modality, RetinaImage, Spacing
from .core.labels import LabelClass, LabelScheme
from .core.progress import Cancelled, CancelToken, Progress
from .core.segmentation import Provenance, Segmentation
from .core.target import Point, Region, WholeClass
from .core.two_graders import Agreement
from .data.check import DatasetCheck, check_dataset
from .data.layouts.options import ReadOptions
from .engine.evaluate import evaluate
from .engine.explain import explain
from .engine.predict import segment
from .engine.train import train
from .io import read_image
from .models.registry import ModelFolder, list_models, load_model
from .models.spec import ModelSpec
from .project.agreement import find_agreement
from .project.exporting import Exported, export_masks
from .project.formats import Format, Identities
from .project.importing import Imported, import_masks
from .project.patients import PatientRule
from .project.predicting import Predicted, predict_images
from .project.project import Project
from .project.selection import Selection
from .project.values import Added, Filters, ProjectImage, Status, Version

__version__: str
__all__ = [
    "Added",
    "Agreement",
    "CancelToken",
    "Cancelled",
    "DatasetCheck",
    "Evaluation",
    "Explanation",
    "Exported",
    "Filters",
    "Format",
    "Identities",
    "Imported",
    "LabelClass",
    "LabelScheme",
    "Laterality",
    "Length",
    "Method",
    "Modality",
    "ModelFolder",
    "ModelSpec",
    "PatientRule",
    "Point",
    "Predicted",
    "Progress",
    "Project",
    "ProjectImage",
    "Provenance",
    "ReadOptions",
    "Region",
    "RetinaImage",
    "RetinaSegError",
    "Segmentation",
    "Selection",
    "Spacing",
    "Status",
    "Version",
    "WholeClass",
    "check_dataset",
    "evaluate",
    "explain",
    "export_masks",
    "find_agreement",
    "import_masks",
    "list_models",
    "load_model",
    "predict_images",
    "read_image",
    "segment",
    "train",
]
