"""Values can't be changed, and those that hold arrays are compared by identity."""

import pkgutil
import sys
from dataclasses import FrozenInstanceError, fields, is_dataclass
from importlib import import_module

import pytest

PACKAGES = ("types", "imaging", "metrics", "project", "io.formats")
# What is filled step by step
BUILT = {
    "napari_retina_seg.io.formats.outlines._Ring",
    "napari_retina_seg.project.adding._Results",
}


def value_classes() -> list[type]:
    found = {}
    for name in PACKAGES:
        package = import_module(f"napari_retina_seg.{name}")
        for info in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            if info.ispkg:
                continue
            for one in vars(import_module(info.name)).values():
                if isinstance(one, type) and is_dataclass(one) and one.__module__ == info.name:
                    found[f"{info.name}.{one.__qualname__}"] = one
    return [found[name] for name in sorted(found) if name not in BUILT]


def holds_arrays(one: type) -> bool:
    shorthands = {
        name
        for name, value in vars(sys.modules[one.__module__]).items()
        if "numpy.ndarray" in str(value)
    }
    words = [str(field.type).replace("|", " ").split() for field in fields(one)]
    return any(
        part.startswith("npt.NDArray") or part in shorthands for row in words for part in row
    )


def test_no_value_can_be_changed() -> None:
    for one in value_classes():
        with pytest.raises(FrozenInstanceError):
            object.__new__(one).anything = 1
        assert one.__hash__ is not None, one


def test_values_with_arrays_are_compared_by_identity() -> None:
    """Element by element, as NumPy compares, neither ``==`` nor ``in`` has an answer."""
    with_arrays = list(filter(holds_arrays, value_classes()))
    assert len(with_arrays) > 20
    assert [one for one in with_arrays if one.__eq__ is not object.__eq__] == []
