import json

import pytest

from napari_retina_seg.inference.backend import check_backend, chosen_backend
from napari_retina_seg.types.errors import ModelError


def test_tensorflow_does_everything(monkeypatch) -> None:
    monkeypatch.setenv("KERAS_BACKEND", "tensorflow")
    check_backend()
    check_backend(training=True)


def test_other_backends_train_only(monkeypatch) -> None:
    pytest.importorskip("jax")
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    check_backend(training=True)
    with pytest.raises(ModelError, match=r"run on JAX.* need TensorFlow, so unset KERAS_BACKEND"):
        check_backend()


@pytest.mark.parametrize(("backend", "name"), [("torch", "PyTorch"), ("jax", "JAX")])
def test_a_missing_backend_is_a_sentence_with_the_command(monkeypatch, backend, name) -> None:
    monkeypatch.setenv("KERAS_BACKEND", backend)
    monkeypatch.setattr("napari_retina_seg.inference.backend.find_spec", lambda _: None)
    with pytest.raises(ModelError) as caught:
        check_backend(training=True)
    assert f"{name}, which is not installed: run 'pip install {backend}'" in str(caught.value)


def test_an_unknown_backend_is_refused(monkeypatch) -> None:
    monkeypatch.setenv("KERAS_BACKEND", "theano")
    with pytest.raises(ModelError, match="no backend 'theano': set KERAS_BACKEND to tensorflow"):
        check_backend(training=True)


@pytest.mark.parametrize(
    ("content", "backend"),
    [(json.dumps({"backend": "jax"}), "jax"), ("{}", "tensorflow"), ("no JSON", "tensorflow")],
)
def test_keras_settings_count_where_nothing_else_is_said(
    monkeypatch, tmp_path, content, backend
) -> None:
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    (tmp_path / "keras.json").write_text(content)
    assert chosen_backend() == backend
