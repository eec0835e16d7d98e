"""Limits for the plausibility statistics of a model's predictions."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from napari_retina_seg.io.atomic import write_atomically
from napari_retina_seg.models.registry import ModelFolder
from napari_retina_seg.types.errors import ModelError

LIMITS_FILE = "limits.json"


class LimitsRecord(BaseModel):
    """Content of ``limits.json``.

    Attributes
    ----------
    weights_sha256 : str
        Of the weights that the limits were measured with; they are those of no others.
    images : str
        On which images, none of them a test image.
    limits : dict
        Least and largest plausible value of figures; see `imaging.plausibility.measure`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    weights_sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    images: str
    limits: dict[str, tuple[float | None, float | None]]


def read_limits(model: ModelFolder) -> dict[str, tuple[float | None, float | None]] | None:
    """Return the limits of a model, or None if none were measured with its weights.

    Raises
    ------
    ModelError
        If the file is damaged.
    """
    path = model.path / LIMITS_FILE
    try:
        record = LimitsRecord.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as error:
        raise ModelError(
            f"'{path}' can't be read or holds no limits: copy the model folder again, or delete"
            " the file to skip the checks."
        ) from error
    return record.limits if record.weights_sha256 == model.spec.weights_sha256 else None


def write_limits(model: ModelFolder, record: LimitsRecord) -> None:
    """Write the limits into a model's folder."""
    text = record.model_dump_json(indent=1) + "\n"
    write_atomically(model.path / LIMITS_FILE, text.encode())
