"""``--set key=value``: change single values of a recipe, and suggest keys for typos."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from napari_retina_seg.types.errors import DataError


def parse_overrides(texts: Sequence[str], model: type[BaseModel]) -> dict[str, Any]:
    """Parse ``key=value`` texts.

    Parameters
    ----------
    texts : sequence of str
        Keys are dotted (``training.epochs``), or only their last part where that is unique
        (``epochs``); values are TOML, and text where they are not.
    model : type
        The pydantic model whose keys are known.

    Returns
    -------
    dict
        Values by full dotted key.

    Raises
    ------
    DataError
        If a text has no ``=``, or its key is unknown; the nearest key is named.
    """
    changes = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals:
            raise DataError(f"'{text}' sets nothing: write key=value, e.g. epochs=10.")
        changes[key.strip()] = _parse(value.strip())
    return with_full_keys(changes, model)


def with_full_keys(changes: Mapping[str, Any], model: type[BaseModel]) -> dict[str, Any]:
    """Write out keys that are only the last part of a dotted key, as ``epochs`` is.

    Raises
    ------
    DataError
        If a key is unknown; the nearest key is named.
    """
    known = sorted(set(known_keys(model)))
    return {_full_key(key, known): value for key, value in changes.items()}


def replaced(values: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Return nested values with those of some dotted keys replaced."""
    result = dict(values)
    for key, value in changes.items():
        first, _, rest = key.partition(".")
        if not rest:
            result[first] = value
            continue
        inner = result.get(first)
        result[first] = replaced(inner if isinstance(inner, dict) else {}, {rest: value})
    return result


def explain(error: ValidationError, model: type[BaseModel]) -> str:
    """Return the error for the first wrong key, with a suggestion for an unknown one."""
    first = error.errors()[0]
    # A union's choice stands among the keys: it is no key of the file.
    known = set(known_keys(model)) | {key.split(".")[0] for key in known_keys(model)}
    kept: list[str] = []
    for part in first["loc"]:
        text = str(part)
        if ".".join([*kept, text]) in known or part == first["loc"][-1]:
            kept.append(text)
    where = ".".join(kept)
    if first["type"] == "extra_forbidden":
        return f"'{where}': there is no such key{_nearest(where, known)}"
    return f"'{where}': {first['msg'].removeprefix('Value error, ')}."


def known_keys(model: Any, prefix: str = "") -> Iterator[str]:
    """Yield the dotted keys of a pydantic model or dataclass, of all choices where it has any."""
    if isinstance(model, type) and issubclass(model, BaseModel):
        annotations = {name: field.annotation for name, field in model.model_fields.items()}
    elif is_dataclass(model) and isinstance(model, type):
        from typing import get_type_hints

        hints = get_type_hints(model)
        annotations = {field.name: hints[field.name] for field in fields(model)}
    else:
        return
    for name, annotation in annotations.items():
        key = f"{prefix}{name}"
        yield key
        for choice in _choices(annotation):
            yield from known_keys(choice, f"{key}.")


def _choices(annotation: Any) -> Iterable[Any]:
    """Return what an annotation may be: itself, or the members of a union."""
    members = get_args(annotation)
    if not members or annotation is None:
        return [annotation]
    return [choice for member in members for choice in _choices(member)]


def _full_key(key: str, known: Sequence[str]) -> str:
    if key in known:
        return key
    ending = [full for full in known if full.endswith(f".{key}")]
    if len(ending) == 1:
        return ending[0]
    if ending:
        raise DataError(f"'{key}' may mean {', '.join(ending)}: write one of these.")
    raise DataError(f"There is no key '{key}' in a recipe{_nearest(key, known)}")


def _nearest(key: str, known: Iterable[str]) -> str:
    by_ending = {full.rsplit(".", 1)[-1]: full for full in known}
    near = difflib.get_close_matches(key, known, n=1, cutoff=0.6) or [
        by_ending[name]
        for name in difflib.get_close_matches(key.rsplit(".", 1)[-1], by_ending, n=1, cutoff=0.6)
    ]
    return f": did you mean '{near[0]}'?" if near else "."


def _parse(value: str) -> Any:
    try:
        return tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        return value
