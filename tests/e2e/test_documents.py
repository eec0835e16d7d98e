"""The figures in the documents are those of the weights that are shipped."""

import json
import re
from pathlib import Path

import pytest

from napari_retina_seg.models.registry import BUNDLED, open_model

DOCS = Path(__file__).parents[2] / "docs"


SHIPPED = sorted(path.name for path in BUNDLED.iterdir() if path.is_dir())


@pytest.mark.parametrize("name", SHIPPED)
def test_accuracy_belongs_to_the_shipped_weights(name) -> None:
    measured = json.loads((DOCS / "accuracy.json").read_text())[name]["weights_sha256"]
    assert measured == open_model(BUNDLED / name).spec.weights_sha256


@pytest.mark.parametrize("name", SHIPPED)
def test_maps_belong_to_the_shipped_weights_or_are_said_not_to(name) -> None:
    models = json.loads((DOCS / "explain.json").read_text()).values()
    is_measured = open_model(BUNDLED / name).spec.weights_sha256 in {
        model["weights_sha256"] for model in models
    }
    said = "".join(
        re.findall(r"Not measured yet: (.*?)\. Tables", (DOCS / "explain.md").read_text())
    )
    assert is_measured != (f"`{name}`" in said)
