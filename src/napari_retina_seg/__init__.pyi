"""The public API; `lazy_loader` reads these imports, and so do type checkers."""

from .datasets.check import check_dataset
from .datasets.checked import CheckedImage, DatasetCheck
from .datasets.findings import Finding, FindingKind
from .datasets.labelled import LabelledImage
from .datasets.layouts.options import ReadOptions
from .imaging.cam import Method
from .imaging.explanation import Explanation, PlaceAnswer
from .imaging.target import Point, Region, WholeClass
from .inference.evaluate import evaluate
from .inference.predict import segment
from .io import read_image, read_images
from .measurement.etdrs import Etdrs, Subfield
from .measurement.fovea import Fovea
from .measurement.measurements import Measurements
from .measurement.tables import Table
from .measurement.thickness import Thickness
from .measurement.vessels import Branching, Vessels, VesselSegment
from .metrics.agreement import (
    Agreement,
    BoundaryDifference,
    Gradability,
    ImageAgreement,
    SizeAgreement,
)
from .metrics.bootstrap import Estimate
from .metrics.burden import Burden, GradedImage, ModelBurden
from .metrics.calibration import Reliability
from .metrics.evaluation import Evaluation, ImageScores
from .metrics.expected_gain import ReviewFigures
from .metrics.proposals import ProposalSummary
from .models.registry import ModelFolder, list_models, load_model
from .models.spec import ModelSpec, TrainingRecord
from .project.files import IntegrityProblem, IntegrityProblemKind
from .project.filters import Filters, Order
from .project.model_uses import ModelUse, UsedModel
from .project.project import Project
from .project.results import Added, Assigned, Ranked
from .project.roles import Member, Role
from .project.states import Action, GradingRound, State
from .project.values import (
    Autosave,
    Change,
    ConfirmedName,
    DoubleGrading,
    Lease,
    Permissions,
    ProjectImage,
    ProjectInfo,
    Removal,
    Status,
    Version,
    VersionKind,
)
from .reports.measurements.report import save_measurement_report
from .saliency.explainer import explain
from .training.train import train
from .types.acquisition import (
    Acquisition,
    CirclePath,
    DeviceLines,
    EnFace,
    LinePath,
    ScanPattern,
)
from .types.annotation import Annotation
from .types.errors import RetinaSegError
from .types.image import Laterality, Length, Modality, Origin, Placement, RetinaImage, Spacing
from .types.labels import LabelClass, LabelScheme, Surface
from .types.progress import Cancelled, CancelToken, Progress
from .types.segmentation import Check, Provenance, Segmentation
from .workflows.agreement import find_agreement
from .workflows.comparing import ScanComparison, asymmetry, follow_up
from .workflows.export_job import SplitSide
from .workflows.export_options import Format, Identities
from .workflows.exporting import Exported, export_masks
from .workflows.importing import Imported, import_masks
from .workflows.measuring import measure
from .workflows.patients import PatientRule
from .workflows.predicting import Predicted, predict_images
from .workflows.selection import Selection

__version__: str
__all__ = [
    "Acquisition",
    "Action",
    "Added",
    "Agreement",
    "Annotation",
    "Assigned",
    "Autosave",
    "BoundaryDifference",
    "Branching",
    "Burden",
    "CancelToken",
    "Cancelled",
    "Change",
    "Check",
    "CheckedImage",
    "CirclePath",
    "ConfirmedName",
    "DatasetCheck",
    "DeviceLines",
    "DoubleGrading",
    "EnFace",
    "Estimate",
    "Etdrs",
    "Evaluation",
    "Explanation",
    "Exported",
    "Filters",
    "Finding",
    "FindingKind",
    "Format",
    "Fovea",
    "Gradability",
    "GradedImage",
    "GradingRound",
    "Identities",
    "ImageAgreement",
    "ImageScores",
    "Imported",
    "IntegrityProblem",
    "IntegrityProblemKind",
    "LabelClass",
    "LabelScheme",
    "LabelledImage",
    "Laterality",
    "Lease",
    "Length",
    "LinePath",
    "Measurements",
    "Member",
    "Method",
    "Modality",
    "ModelBurden",
    "ModelFolder",
    "ModelSpec",
    "ModelUse",
    "Order",
    "Origin",
    "PatientRule",
    "Permissions",
    "PlaceAnswer",
    "Placement",
    "Point",
    "Predicted",
    "Progress",
    "Project",
    "ProjectImage",
    "ProjectInfo",
    "ProposalSummary",
    "Provenance",
    "Ranked",
    "ReadOptions",
    "Region",
    "Reliability",
    "Removal",
    "RetinaImage",
    "RetinaSegError",
    "ReviewFigures",
    "Role",
    "ScanComparison",
    "ScanPattern",
    "Segmentation",
    "Selection",
    "SizeAgreement",
    "Spacing",
    "SplitSide",
    "State",
    "Status",
    "Subfield",
    "Surface",
    "Table",
    "Thickness",
    "TrainingRecord",
    "UsedModel",
    "Version",
    "VersionKind",
    "VesselSegment",
    "Vessels",
    "WholeClass",
    "asymmetry",
    "check_dataset",
    "evaluate",
    "explain",
    "export_masks",
    "find_agreement",
    "follow_up",
    "import_masks",
    "list_models",
    "load_model",
    "measure",
    "predict_images",
    "read_image",
    "read_images",
    "save_measurement_report",
    "segment",
    "train",
]
