"""The figures in the documents are those of the weights that are shipped."""

import json
from pathlib import Path

import pytest

from napari_retina_seg.models.registry import BUNDLED, open_model

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize("name", sorted(path.name for path in BUNDLED.iterdir() if path.is_dir()))
@pytest.mark.parametrize("document", ["accuracy.json", "explain.json"])
def test_figures_belong_to_the_shipped_weights(name, document) -> None:
    measured = json.loads((DOCS / document).read_text())[name]["weights_sha256"]
    assert measured == open_model(BUNDLED / name).spec.weights_sha256
