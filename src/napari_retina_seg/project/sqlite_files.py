"""How SQLite opens the database of a project: its address and its journal, by where it lies."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path, PurePath
from typing import Literal
from urllib.parse import quote_from_bytes

import psutil

from napari_retina_seg.project.damage import explain_error
from napari_retina_seg.types.errors import ProjectError

Journal = Literal["wal", "delete"]

# A write-ahead log needs memory that all processes share, which no network drive offers. All other
# file systems, unknown ones too, get a rollback journal, which is slower and right everywhere.
_LOCAL = frozenset(
    (
        *("apfs", "bcachefs", "btrfs", "exfat", "ext2", "ext3", "ext4", "f2fs", "fat32", "fuseblk"),
        *("hfs", "jfs", "ntfs", "ntfs3", "overlay", "ramfs", "refs", "reiserfs", "tmpfs", "ufs"),
        *("vfat", "xfs", "zfs"),
    )
)


def sqlite_uri(path: PurePath, options: str) -> str:
    r"""Return the address by which SQLite opens a file.

    Parameters
    ----------
    path : PurePath
        An absolute path; one of a network share (``\\server\share\…``), too, for which
        `PurePath.as_uri` names the server as the host, which SQLite refuses.
    options : str
        Its query, such as ``"mode=ro"``.

    Examples
    --------
    >>> from pathlib import PurePosixPath
    >>> sqlite_uri(PurePosixPath("/data/a study/project.sqlite"), "mode=ro")
    'file:///data/a%20study/project.sqlite?mode=ro'
    """
    absolute = "/" + path.as_posix().removeprefix("/")  # a drive has no slash before it
    return f"file://{quote_from_bytes(os.fsencode(absolute), safe='/:')}?{options}"


def choose_journal(folder: Path) -> Journal:
    """Return the journal that is safe in a folder: a write-ahead log on local disks only.

    On a network drive the log would be seen by one computer, and the records of a project that is
    open on two would be damaged (sqlite.org/wal.html).
    """
    path = folder.resolve()
    if path.drive.startswith("\\\\"):
        return "delete"
    disks = [disk for disk in psutil.disk_partitions(all=True) if _lies_on(path, disk.mountpoint)]
    if not disks:
        return "delete"
    # Of several at one place the last one is seen.
    disk = max(reversed(disks), key=lambda one: len(Path(one.mountpoint).parts))
    is_local = disk.fstype.lower() in _LOCAL and "remote" not in disk.opts.split(",")
    return "wal" if is_local else "delete"


def set_journal(connection: sqlite3.Connection, folder: Path) -> None:
    """Give a database the journal that is safe where it lies: it may have been moved there.

    Raises
    ------
    ProjectError
        If a write-ahead log must go and can't, since the project is open elsewhere.
    """
    wanted, present = choose_journal(folder), ""
    try:
        (present,) = connection.execute("PRAGMA journal_mode").fetchone()
        if present != wanted:
            (present,) = connection.execute(f"PRAGMA journal_mode = {wanted}").fetchone()
    except sqlite3.OperationalError as error:
        if wanted == "delete" and error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
            raise ProjectError(
                explain_error(error, folder)
                or f"The project '{folder}' can't be opened for writing ({error})."
            ) from error
    if wanted == "delete" and present != wanted:
        raise ProjectError(
            f"The project '{folder}' may lie on a network drive and is open in another window or on"
            " another computer in a way that is only safe on one: close it there, then open it"
            " again."
        )


def _lies_on(path: Path, mountpoint: str) -> bool:
    return path.is_relative_to(mountpoint)
