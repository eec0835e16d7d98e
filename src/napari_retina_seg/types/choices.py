"""Members of enumerations from the strings that callers may pass in their place."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import TypeVar

from napari_retina_seg.types.errors import RetinaSegError

_Member = TypeVar("_Member", bound=StrEnum)


def member(
    kind: type[_Member], value: _Member | str, name: str, error: type[RetinaSegError]
) -> _Member:
    """Return the member of an enumeration with a value.

    Parameters
    ----------
    kind : type
        The enumeration.
    value : str
        A member, or its value.
    name : str
        What is chosen, for the message, e.g. ``method``.
    error : type
        Which error to raise.

    Raises
    ------
    RetinaSegError
        Of the type `error`, if there is no such member.
    """
    try:
        return kind(value)
    except ValueError:
        raise error(
            f"There is no {name} {value!r}: choose one of {', '.join(map(repr, map(str, kind)))}."
        ) from None


def members(
    kind: type[_Member], values: Iterable[_Member | str], name: str, error: type[RetinaSegError]
) -> frozenset[_Member]:
    """Return the members of an enumeration with these values, or with a single one."""
    listed = [values] if isinstance(values, str) else values
    return frozenset(member(kind, value, name, error) for value in listed)
