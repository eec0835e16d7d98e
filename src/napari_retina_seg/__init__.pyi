"""The public API; `lazy_loader` reads these imports, and so do type checkers."""

from .datasets.check import check_dataset
from .datasets.checked import DatasetCheck
from .datasets.layouts.options import ReadOptions
from .imaging.cam import Method
from .imaging.explanation import Explanation
from .imaging.target import Point, Region, WholeClass
from .inference.evaluate import evaluate
from .inference.predict import segment
from .io import read_image
from .metrics.agreement import Agreement
from .metrics.evaluation import Evaluation
from .models.registry import ModelFolder, list_models, load_model
from .models.spec import ModelSpec
from .project.filters import Filters
from .project.project import Project
from .project.values import Added, ProjectImage, Status, Version
from .saliency.explainer import explain
from .training.train import train
from .types.annotation import Annotation
from .types.errors import RetinaSegError
from .types.image import Laterality, Length, Modality, RetinaImage, Spacing
from .types.labels import LabelClass, LabelScheme
from .types.progress import Cancelled, CancelToken, Progress
from .types.segmentation import Provenance, Segmentation
from .workflows.agreement import find_agreement
from .workflows.export_options import Format, Identities
from .workflows.exporting import Exported, export_masks
from .workflows.importing import Imported, import_masks
from .workflows.patients import PatientRule
from .workflows.predicting import Predicted, predict_images
from .workflows.selection import Selection

__version__: str
__all__ = [
    "Added",
    "Agreement",
    "Annotation",
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
