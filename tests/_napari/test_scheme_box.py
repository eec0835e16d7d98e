import pytest
from qtpy.QtWidgets import QFileDialog

from helpers import tiny_model
from napari_retina_seg._napari.scheme_box import SchemeBox
from napari_retina_seg.models.registry import add_model
from napari_retina_seg.types.image import Modality

pytestmark = pytest.mark.gui


def listed(box):
    return [box.itemText(row) for row in range(box.count())]


def test_classes_of_a_file_are_chosen_and_listed(qtbot, tmp_path, monkeypatch) -> None:
    box = SchemeBox()
    qtbot.addWidget(box)
    assert box.scheme.name == "oct-layers"
    path = tmp_path / "lesions.toml"
    path.write_text("name = 'lesions'\nclasses = ['Background', 'Drusen', 'Fluid']")
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (str(path), ""))
    box.activated.emit(box.count() - 1)
    assert box.scheme.names == ("Background", "Drusen", "Fluid")
    assert listed(box)[-2:] == ["lesions: Drusen, Fluid", "Classes of a file…"]
    failures = []
    box.failed.connect(failures.append)
    path.write_text("name = 'lesions'\nclasses = ['Background', 'Drusen', 'drusen']")
    box.activated.emit(box.count() - 1)
    assert "two classes are called 'Drusen'" in failures[0]
    assert box.scheme.names == ("Background", "Drusen", "Fluid")
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: ("", ""))
    box.activated.emit(box.count() - 1)
    assert box.scheme.name == "lesions"


def test_classes_of_added_models_are_offered(qtbot, tmp_path) -> None:
    from napari_retina_seg.io.schemes import make_scheme

    box = SchemeBox()
    qtbot.addWidget(box)
    scheme = make_scheme({"name": "lesions", "classes": ["Background", "Drusen"]})
    model = tiny_model(tmp_path / "model", Modality.FUNDUS)
    spec = model.spec.model_copy(update={"scheme": scheme, "name": "drusen"})
    (model.path / "spec.json").write_text(spec.model_dump_json())
    add_model(model.path)
    box.showPopup()
    box.hidePopup()
    assert "lesions: Drusen" in listed(box)
