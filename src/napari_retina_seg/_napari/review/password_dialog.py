"""Ask for the password of a server, and open the project again."""

from __future__ import annotations

from collections.abc import Callable

from qtpy.QtWidgets import (
    QCheckBox,
    QDialog,
    QDialogButtonBox,
    QLabel,
    QLineEdit,
    QVBoxLayout,
    QWidget,
)

from napari_retina_seg._napari.plain import PlainLabel
from napari_retina_seg.project.address import parse_address
from napari_retina_seg.project.passwords import has_keyring, use_password
from napari_retina_seg.types.errors import PasswordError


class PasswordDialog(QDialog):
    """Dialog for the password of a server.

    Parameters
    ----------
    parent : QWidget
        Owner.
    reason : str
        Why it is asked for.
    """

    def __init__(self, parent: QWidget, reason: str) -> None:
        super().__init__(parent)
        self.setWindowTitle("Password")
        label: QLabel = PlainLabel(f"{reason}:")
        label.setWordWrap(True)
        self.password_edit = QLineEdit()
        self.password_edit.setEchoMode(QLineEdit.EchoMode.Password)
        self.remember = QCheckBox("Remember on this computer")
        self.remember.setEnabled(has_keyring())
        self.remember.setChecked(self.remember.isEnabled())
        self.remember.setToolTip(
            "In the keyring of your account, encrypted."
            if self.remember.isEnabled()
            else "This computer has no keyring: the file .pgpass of your home folder can keep it."
        )
        buttons = QDialogButtonBox.StandardButton
        self.buttons = QDialogButtonBox(buttons.Ok | buttons.Cancel)
        self.buttons.accepted.connect(self.accept)
        self.buttons.rejected.connect(self.reject)
        self._ok = self.buttons.button(buttons.Ok)
        self._ok.setEnabled(False)
        self.password_edit.textChanged.connect(lambda entered: self._ok.setEnabled(bool(entered)))
        layout = QVBoxLayout(self)
        for part in (label, self.password_edit, self.remember, self.buttons):
            layout.addWidget(part)


def ask_password(parent: QWidget, error: PasswordError, open_again: Callable[[], object]) -> None:
    """Ask for a password; nothing waits for it.

    Parameters
    ----------
    parent : QWidget
        Owner of the dialog.
    error : PasswordError
        What the server said.
    open_again : callable
        Called once the password is known.
    """
    dialog = PasswordDialog(parent, error.reason)

    def on_accepted() -> None:
        password, remember = dialog.password_edit.text(), dialog.remember.isChecked()
        use_password(parse_address(error.database), password, remember=remember)
        open_again()

    dialog.accepted.connect(on_accepted)
    dialog.finished.connect(dialog.deleteLater)
    dialog.open()
