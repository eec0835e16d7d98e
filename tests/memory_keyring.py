"""A keyring in memory, in place of the user's."""

from collections.abc import Iterator

import keyring
import pytest
from keyring.backend import KeyringBackend
from keyring.errors import KeyringLocked, PasswordDeleteError

from napari_retina_seg.project import passwords


class MemoryKeyring(KeyringBackend):
    priority = 1

    def __init__(self) -> None:
        super().__init__()
        self.kept: dict[tuple[str, str], str] = {}
        self.asked: list[str] = []
        self.is_locked = False

    def get_password(self, service: str, username: str) -> str | None:
        self.asked.append(username)
        if self.is_locked:
            raise KeyringLocked("it is locked")
        return self.kept.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        if self.is_locked:
            raise KeyringLocked("it is locked")
        self.kept[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        if self.kept.pop((service, username), None) is None:
            raise PasswordDeleteError("it is not there")


@pytest.fixture
def memory_keyring(monkeypatch: pytest.MonkeyPatch) -> Iterator[MemoryKeyring]:
    """Use an empty keyring, in a process that knows no password yet."""
    users, own = keyring.get_keyring(), MemoryKeyring()
    monkeypatch.setattr(passwords, "_KNOWN", {})
    keyring.set_keyring(own)
    yield own
    keyring.set_keyring(users)
