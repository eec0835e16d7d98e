"""Files of a project in an object store that speaks S3, with verified copies on this computer.

The computer's own AWS settings (``AWS_PROFILE``, ``AWS_ENDPOINT_URL``, ``~/.aws``) name endpoint
and keys; neither is ever in a project.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import platformdirs

from napari_retina_seg.io.atomic import write_durably
from napari_retina_seg.project.files import (
    IntegrityProblem,
    StoredFile,
    hash_file,
    inspect_file,
    say_altered,
    say_missing,
)
from napari_retina_seg.project.storage import AUTOSAVES, FILES, FileStore, Storage
from napari_retina_seg.types.errors import ProjectError, ServerAwayError

_ADDRESS = re.compile(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[A-Za-z0-9_][A-Za-z0-9_.-]*)*")
_OWNER = "project"  # names the project that files below an address belong to
# In seconds. A window that closes waits for this, so a silent store is asked only twice.
_CONFIG = {"connect_timeout": 5, "read_timeout": 15, "retries": {"max_attempts": 1}}
_WRITE_SECONDS, _SLOWEST = 30, 50_000  # s, and bytes in one of a slow connection
_NO_KEYS = {
    "NoCredentialsError",
    "PartialCredentialsError",
    "CredentialRetrievalError",
    "ProfileNotFound",
    "TokenRetrievalError",
    "UnauthorizedSSOTokenError",
}
_FULL = re.compile(r"StorageFull|Quota|InsufficientStorage")  # in codes of MinIO and Ceph
_AWAY = (OSError, TimeoutError)
_AWAY_FROM = ("botocore.", "aiobotocore.", "aiohttp.")  # modules of errors
_REFUSED = range(400, 500)  # statuses of HTTP


def parse_store(text: str) -> str:
    """Return the address of an object store, without a slash at its end.

    Parameters
    ----------
    text : str
        ``s3://bucket/study``.

    Raises
    ------
    ProjectError
        If it is another one.

    Examples
    --------
    >>> parse_store("s3://bucket/study/")
    's3://bucket/study'
    """
    address = text.rstrip("/")
    if not _ADDRESS.fullmatch(address):
        raise ProjectError(
            "This is not the address of an object store: write s3://bucket/study. Endpoint and keys"
            " belong into the AWS settings of each person's computer."
        )
    return address


class ObjectStorage(Storage):
    """Files below an address of an object store, which writes each whole or not at all.

    Parameters
    ----------
    address : str
        ``s3://bucket/study/files``.
    cache : Path
        Folder for copies on this computer.
    """

    is_remote = True

    def __init__(self, address: str, cache: Path) -> None:
        super().__init__(cache)
        self._address = address

    def locate(self, name: str) -> str:
        """Return its address."""
        self.local(name)  # refuses names that lead elsewhere
        return f"{self._address}/{name}"

    def names(self) -> list[str]:
        """Return the names of all files."""
        start = len(self._address.removeprefix("s3://")) + 1
        with _translating(self._address):
            return [key[start:] for key in sorted(_system().find(self._address))]

    def exists(self, name: str) -> bool:
        """Whether there is such a file."""
        with _translating(self._address):
            return bool(_system().exists(self.locate(name)))

    def write(self, name: str, content: bytes) -> None:
        """Write a file."""
        with _translating(self._address):
            _write(self.locate(name), content)

    def read(self, name: str) -> bytes:
        """Return a content."""
        return _read(self.locate(name))

    def remove(self, name: str) -> None:
        """Remove a file."""
        with _translating(self._address):
            _system().rm_file(self.locate(name))

    def inspect(self, name: str, stored: StoredFile) -> IntegrityProblem | None:
        """Compare a file with its record: it is downloaded, whether there is a copy or not."""
        path, url = self.local(name), self.locate(name)
        try:
            content = _read(url)
        except FileNotFoundError:
            return say_missing(path, url)
        if hashlib.sha256(content).hexdigest() == stored.sha256:
            return None
        return say_altered(path, url, len(content), stored)

    def fetch(self, name: str, stored: StoredFile) -> Path:
        """Return the path of an intact copy."""
        path = self.local(name)
        if inspect_file(path, stored) is not None:
            _download(self.locate(name), path, stored)
        return path


def open_object_store(address: str, project: str) -> tuple[FileStore, ObjectStorage]:
    """Return the files and the unsaved work of a project.

    Parameters
    ----------
    address : str
        As `parse_store` returns it.
    project : str
        Id of the project.
    """
    address = parse_store(address)
    cache = Path(platformdirs.user_cache_dir("napari-retina-seg")) / "projects" / project
    with contextlib.suppress(OSError):  # reported when something is to be kept there
        cache.mkdir(mode=0o700, parents=True, exist_ok=True)  # patients' images: for nobody else
    files = ObjectStorage(f"{address}/{FILES}", cache / FILES)
    return FileStore(files), ObjectStorage(f"{address}/{AUTOSAVES}", cache / AUTOSAVES)


def claim_store(address: str, project: str) -> None:
    """Write whose files are below an address; so it is known to exist and to be writable.

    Raises
    ------
    ProjectError
        If they are another project's, or nothing can be written.
    """
    url = f"{parse_store(address)}/{_OWNER}"
    with contextlib.suppress(FileNotFoundError):
        if _read(url).decode(errors="replace") != project:
            raise ProjectError(
                f"'{address}' has the files of another project: choose another place in the bucket."
            )
    with _translating(address):
        _write(url, project.encode())


def release_store(address: str, project: str) -> None:
    """Undo `claim_store`, after a project could not be created."""
    url = f"{parse_store(address)}/{_OWNER}"
    with contextlib.suppress(OSError, ProjectError), _translating(address):
        if _read(url) == project.encode():
            _system().rm_file(url)


def fetch_file(url: str, path: Path, sha256: str) -> None:
    """Download a file unless there is an intact copy of it.

    Parameters
    ----------
    url : str
        Where it is.
    path : Path
        Where its copy is, or will be.
    sha256 : str
        Hash of its content.

    Raises
    ------
    ProjectError
        If it is missing or altered, or can't be reached.
    """
    if not (path.is_file() and hash_file(path) == sha256):
        _download(url, path, StoredFile(sha256, path.suffix, 0))


def _download(url: str, path: Path, stored: StoredFile) -> None:
    try:
        content = _read(url)
    except FileNotFoundError as error:
        raise ProjectError(say_missing(path, url).sentence) from error
    if hashlib.sha256(content).hexdigest() != stored.sha256:
        raise ProjectError(say_altered(path, url, len(content), stored).sentence)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_durably(path, content)
    except OSError as error:
        raise ProjectError(
            f"A copy of '{url}' can't be kept in '{path.parent}' ({error.strerror or error}): free"
            " some space."
        ) from error


def _read(url: str) -> bytes:
    with _translating(url):
        content: bytes = _system().cat_file(url)
        return content


def _write(url: str, content: bytes) -> None:
    """Write a file in bounded time: no other timeout counts until the store asks for it."""
    _system().pipe_file(url, content, timeout=_WRITE_SECONDS + len(content) / _SLOWEST)


def _system() -> Any:
    import s3fs

    system = s3fs.S3FileSystem(use_listings_cache=False, config_kwargs=_CONFIG)
    system.retries = 1  # on top of those of `_CONFIG`: by default five times
    return system


@contextlib.contextmanager
def _translating(address: str) -> Iterator[None]:
    """Translate errors but `FileNotFoundError`."""
    try:
        yield
    except ProjectError:
        raise
    except ImportError as error:
        raise ProjectError(
            "The masks of this project are in an object store: run"
            " pip install 'napari-retina-seg[object-store]', then try again."
        ) from error
    except Exception as error:
        known = _explain(error, address)
        if known is not None:
            raise known from error
        if isinstance(error, FileNotFoundError):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), address) from error
        raise


def _explain(error: Exception, address: str) -> ProjectError | None:
    """Return what an error of the store means; None if it is unknown, or a file is missing."""
    said = str(error).rstrip(".")
    code, status = _answer_of(error)
    if code == "NoSuchBucket":
        return ProjectError(
            f"There is no bucket for '{address}': check its name, or ask for it to be made."
        )
    if isinstance(error, FileNotFoundError):
        return None
    if type(error).__name__ in _NO_KEYS:
        return ProjectError(
            f"This computer has no keys for '{address}' ({said}): keep yours in the file"
            " .aws/credentials of your home folder ('aws configure')."
        )
    if isinstance(error, PermissionError):
        return ProjectError(
            f"You have no permission for '{address}' ({said}): ask the owner of the bucket, and"
            " check the keys in your AWS settings."
        )
    if _FULL.search(code):
        return ProjectError(
            f"The object store with '{address}' is full, so nothing was saved: ask its"
            " administrator for more space."
        )
    if status in _REFUSED:
        return ProjectError(
            f"The object store refuses '{address}' ({said}): ask its administrator."
        )
    if isinstance(error, _AWAY) or type(error).__module__.startswith(_AWAY_FROM):
        return ServerAwayError(
            f"The object store with '{address}' can't be reached, so nothing was saved there: check"
            " the network, then try again."
        )
    return None


def _answer_of(error: Exception) -> tuple[str, int]:
    """Return the code and the status with which a store answered; nothing if it did not."""
    for one in (error, error.__cause__):
        response = getattr(one, "response", None)
        if isinstance(response, dict):
            code = response.get("Error", {}).get("Code", "")
            return str(code), int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    return "", 0
