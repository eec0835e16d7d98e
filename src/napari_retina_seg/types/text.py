"""Text of others as text: names and comments must not steer a terminal, a table or a page."""

from __future__ import annotations

import json
import re
import unicodedata

# Control codes, lone surrogates, and signs that no one sees or that turn the direction of others.
_HIDDEN_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
# Letters and marks without a picture, from Unicode's list of default ignorable code points.
_HIDDEN_SIGNS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u3164\uffa0")
_FORMULA = "=+-@|%＝＋－＠"
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")
_QUOTE = "'"


def displayed(text: str, *, lines: bool = False) -> str:
    r"""Return text with every sign that is not to be seen as its code, e.g. ``\x1b``.

    So a terminal does not obey control codes, and no name is read in another order than it is
    written in. What is returned is no markup; see what shows it.

    Parameters
    ----------
    text : str
        Any text.
    lines : bool
        Whether line ends stay, in a message of several lines.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        sign.encode("unicode_escape").decode()
        if _is_hidden(sign) and not (lines and sign == "\n")
        else sign
        for sign in text
    )


def _is_hidden(sign: str) -> bool:
    return unicodedata.category(sign) in _HIDDEN_CATEGORIES or sign in _HIDDEN_SIGNS


def csv_cell(value: object) -> object:
    """Return the cell of a table that a spreadsheet shows as text and does not compute.

    Text that starts like a formula gets an apostrophe (OWASP, *CSV injection*); numbers stay.
    `plain_cell` takes it away.

    Parameters
    ----------
    value : object
        Text is changed, anything else is not.
    """
    if not isinstance(value, str) or _NUMBER.fullmatch(value):
        return value
    shown = displayed(value)
    return f"{_QUOTE}{shown}" if _is_formula(shown) or _is_quoted(shown) else shown


def plain_cell(text: str) -> str:
    """Return the text of a cell that `csv_cell` made."""
    return text[1:] if _is_quoted(text) else text


def _is_formula(text: str) -> bool:
    return text.lstrip()[:1] in _FORMULA and not text.isspace() and text != ""


def _is_quoted(text: str) -> bool:
    rest = text.lstrip(_QUOTE)
    return rest != text and _is_formula(rest)


def displayed_json(document: str) -> str:
    """Return JSON of the same content without signs that are not to be seen."""
    if document.isascii() and "\x7f" not in document:  # other codes are escaped in JSON anyway
        return document
    return "".join(
        json.dumps(sign)[1:-1] if _is_hidden(sign) and sign != "\n" else sign for sign in document
    )
