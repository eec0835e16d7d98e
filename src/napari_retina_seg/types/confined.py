"""Confine paths that somebody else may have written to the folder they belong to."""

from __future__ import annotations

from pathlib import Path, PurePosixPath, PureWindowsPath

from napari_retina_seg.types.errors import OutsideError


def confined(folder: Path, name: str, *, within: Path | None = None) -> Path:
    """Return the path of a file by its name in a record, a list or an archive.

    Parameters
    ----------
    folder : Path
        Where the name begins.
    name : str
        The file's path from there. Names that lead out of it on any system are refused: absolute
        ones, those with ``..``, a drive, a network share or control characters, and those that
        pass a link to somewhere else.
    within : Path, optional
        The folder that it must not leave, if `folder` itself may be a link; by default `folder`.

    Returns
    -------
    Path
        ``folder / name``. There need not be a file; if there is, it is a regular one.

    Raises
    ------
    OutsideError
        If the name leads elsewhere. Nothing there is touched.
    """
    path = folder / name if _stays(name) else None
    if path is None or not _is_inside(path, within or folder):
        raise OutsideError(
            f"{name!r} leads out of '{within or folder}', so it is left alone: whoever made this"
            " folder named a file that does not belong to it. Ask for a correct copy."
        )
    return path


def _stays(name: str) -> bool:
    """Whether a name, read as any system would, begins in its folder and never leaves it."""
    if not name.strip(". ") or any(ord(sign) < ord(" ") for sign in name):
        return False
    windows = PureWindowsPath(name)
    parts = {*PurePosixPath(name).parts, *windows.parts}
    return not (windows.anchor or PurePosixPath(name).anchor) and ".." not in parts


def _is_inside(path: Path, folder: Path) -> bool:
    try:
        resolved, root = path.resolve(), folder.resolve()
        # A pipe or device would be read for ever.
        return (
            resolved != root
            and resolved.is_relative_to(root)
            and (resolved.is_file() or not resolved.exists())
        )
    except (OSError, RuntimeError, ValueError):  # a circle of links, or no name at all
        return False
