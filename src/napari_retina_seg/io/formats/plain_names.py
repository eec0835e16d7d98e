"""Names of images that are made of the words of a study, and of nothing else."""

from __future__ import annotations

import re
import unicodedata

_MOST_DIGITS = 4  # of a counter; longer numbers may be a patient's
_PART = re.compile(r"\d+|[^\W\d_]+")
# Words in which no person's name can hide.
# fmt: off
_WORDS = frozenset(
    {
        "amd", "baseline", "bscan", "case", "circle", "control", "copy", "csr", "cube", "day",
        "disc", "disk", "dme", "drusen", "edema", "eye", "first", "followup", "fovea", "frame",
        "fundus", "glaucoma", "healthy", "horizontal", "image", "img", "left", "line", "macula",
        "macular", "month", "normal", "oct", "od", "oedema", "os", "ou", "patient", "phantom",
        "photo", "radial", "raster", "repeat", "retina", "right", "sample", "scan", "scans",
        "second", "session", "slice", "slices", "study", "subject", "test", "third", "train",
        "training", "val", "validation", "vertical", "visit", "vol", "volume", "week",
    }
)
# fmt: on


def is_plain_name(name: str) -> bool:
    """Whether a name holds nothing but words of a study, single letters and short counters.

    A pattern can't know all names of persons. So what is not known to be harmless isn't plain:
    other words, numbers of more than four digits, and three numbers in a row, as in a date.

    Parameters
    ----------
    name : str
        What an image is called.

    Examples
    --------
    >>> is_plain_name("subject12_OD_scan03"), is_plain_name("Smith_OD"), is_plain_name("12-31-50")
    (True, False, False)
    """
    parts = _PART.findall(unicodedata.normalize("NFC", name).lower())
    numbers = 0
    for part in parts:
        numbers = numbers + 1 if part.isdigit() else 0
        if numbers > 2 or not _is_plain(part):
            return False
    return bool(parts)


def _is_plain(part: str) -> bool:
    if part.isdigit():
        return len(part) <= _MOST_DIGITS
    return part in _WORDS or (len(part) == 1 and part.isascii())
