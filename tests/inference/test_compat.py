"""What TensorFlow needs of the whole process is set back."""

import os

import pytest

from napari_retina_seg.inference._compat import quiet_import
from napari_retina_seg.inference.predictor import import_tensorflow

LEVEL = "TF_CPP_MIN_LOG_LEVEL"


@pytest.mark.parametrize("failing", [False, True], ids=["imported", "failed"])
def test_the_log_level_is_set_during_the_import_alone(monkeypatch, failing):
    monkeypatch.delenv(LEVEL, raising=False)
    try:
        with quiet_import():
            assert os.environ[LEVEL] == "3"
            if failing:
                raise ImportError("no TensorFlow")
    except ImportError:
        assert failing
    assert LEVEL not in os.environ


def test_a_level_of_the_users_own_is_kept(monkeypatch):
    monkeypatch.setenv(LEVEL, "0")
    with quiet_import():
        assert os.environ[LEVEL] == "0"
    assert os.environ[LEVEL] == "0"


def test_importing_tensorflow_leaves_the_environment_as_it_was(monkeypatch):
    monkeypatch.delenv(LEVEL, raising=False)
    before = dict(os.environ)
    import_tensorflow()
    assert LEVEL not in os.environ
    assert {name: os.environ.get(name) for name in before} == before
