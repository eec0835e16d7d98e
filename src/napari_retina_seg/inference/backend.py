"""The backend on which Keras will run, before Keras is imported."""

from __future__ import annotations

import json
import os
from importlib.util import find_spec
from pathlib import Path

from napari_retina_seg.types.errors import ModelError

_MODULES = {"tensorflow": "TensorFlow", "jax": "JAX", "torch": "PyTorch"}


def check_backend(*, training: bool = False) -> None:
    """Make sure that the backend that is set for Keras can do what is wanted.

    Parameters
    ----------
    training : bool
        Training runs on all backends of Keras; all else needs TensorFlow's graphs.

    Raises
    ------
    ModelError
        If the backend is not installed, or can't do it.
    """
    backend = chosen_backend()
    if backend not in _MODULES:
        raise ModelError(
            f"Keras has no backend '{backend}': set KERAS_BACKEND to {', '.join(_MODULES)}, or"
            " unset it."
        )
    name = _MODULES[backend]
    if not training and backend != "tensorflow":
        raise ModelError(
            f"Keras is set to run on {name}, on which models are trained only: segmenting,"
            " evaluating and explaining need TensorFlow, so unset KERAS_BACKEND and start again."
        )
    if find_spec(backend) is None:
        raise ModelError(
            f"Keras is set to run on {name}, which is not installed: run 'pip install {backend}',"
            " or unset KERAS_BACKEND."
        )


def chosen_backend() -> str:
    """Return the backend that Keras takes: of ``KERAS_BACKEND``, its settings, or TensorFlow."""
    if chosen := os.environ.get("KERAS_BACKEND"):
        return chosen
    home = os.environ.get("KERAS_HOME")
    folder = Path(home) if home else Path.home() / ".keras"
    try:
        settings = json.loads((folder / "keras.json").read_text(encoding="utf-8"))
        return str(settings.get("backend", "tensorflow"))
    except (OSError, ValueError, AttributeError):
        return "tensorflow"
