"""Compare file names across systems, and make names valid on all of them."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from pathlib import Path, PurePosixPath, PureWindowsPath

from napari_retina_seg.types.confined import confined

# Windows refuses these signs, names that end in a dot or a space, and names of devices, whatever
# suffix they have. https://learn.microsoft.com/windows/win32/fileio/naming-a-file
_FORBIDDEN = re.compile(r'[<>:"/\\|?*]')
_DEVICE = re.compile(
    r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³])(?=\.|\s*$)", re.IGNORECASE
)
_AT_AN_END = re.compile(r"^[. ]|[. ]+$")  # a dot at the beginning hides a file elsewhere
_LONGEST = 180  # bytes; most file systems take 255, suffixes and numbers of slices included
_DIGITS = 8  # of the hash that keeps shortened names different
_DEFAULT = "image"


def composed(name: str) -> str:
    """Return a name in Unicode's composed form (NFC).

    A Mac may keep ``ü`` as ``u`` and a dot sign (NFD), and archives carry that elsewhere.
    """
    return unicodedata.normalize("NFC", name)


def name_key(name: str) -> str:
    """Return a key that ignores case and Unicode normalisation."""
    return composed(composed(name).casefold())


def last_part(name: str) -> str:
    """Return the file's name in a path that any system wrote, Windows too."""
    return PurePosixPath(PureWindowsPath(name).name).name


def find_same(folder: Path, name: str) -> Path:
    """Return the file of a name in a folder, however its accents are encoded there.

    Returns
    -------
    Path
        Where it is, or where it would be if there is none.

    Raises
    ------
    OutsideError
        If the name leads out of the folder.
    """
    path = confined(folder, name)
    if path.exists() or not folder.is_dir():
        return path
    same = (each.name for each in folder.iterdir() if composed(each.name) == composed(name))
    return next((confined(folder, each) for each in same), path)


def safe_name(name: str) -> str:
    """Return a file name without suffix that is valid on Windows, macOS and Linux.

    Signs that one of them refuses become ``_``, accents are composed, and a name that is too long
    is cut and gets a hash of the whole at its end.

    Parameters
    ----------
    name : str
        Any text.
    """
    plain = "".join(sign if sign.isprintable() else "_" for sign in composed(name))
    plain = _AT_AN_END.sub("_", _FORBIDDEN.sub("_", plain))
    if not plain.strip("_"):
        plain = f"{_DEFAULT}{plain}"
    if _DEVICE.match(plain):
        plain = f"_{plain}"
    return shorten(plain, _LONGEST)


def shorten(name: str, length: int) -> str:
    """Cut a name to a number of bytes in UTF-8, with a hash of the whole at its end if it is cut.

    Parameters
    ----------
    name : str
        The name.
    length : int
        Bytes, more than 10.
    """
    encoded = name.encode(errors="surrogatepass")
    if len(encoded) <= length:
        return name
    digest = hashlib.sha256(encoded).hexdigest()[:_DIGITS]
    start = encoded[: length - _DIGITS - 1].decode(errors="ignore").rstrip(". ")
    return f"{start}-{digest}"
