"""Choose the second graders of many images."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QLabel,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_retina_seg._napari.widgets import SEEN_BOXES, stack, text
from napari_retina_seg.types.counts import count


class AssignDialog(QDialog):
    """Dialog with the people of a project, to whom second gradings are dealt.

    Parameters
    ----------
    parent : QWidget
        Owner.
    people : tuple of str
        People of the project.
    images : int
        Number of images.
    """

    def __init__(self, parent: QWidget, people: tuple[str, ...], images: int) -> None:
        super().__init__(parent)
        self.setWindowTitle("Second graders")
        self.list = QListWidget()
        self.list.setStyleSheet(SEEN_BOXES)
        self.name_edit = QLineEdit()
        self.name_edit.setPlaceholderText("Somebody else")
        self.add_button = QPushButton("Add")
        self.summary = text()
        buttons = QDialogButtonBox.StandardButton
        self.buttons = QDialogButtonBox(buttons.Ok | buttons.Cancel)
        layout = QVBoxLayout(self)
        layout.addWidget(QLabel(f"Who grades {count(images, 'image')} a second time?"))
        layout.addWidget(self.list)
        layout.addLayout(stack(self.name_edit, self.add_button, horizontal=True))
        layout.addWidget(self.summary)
        layout.addWidget(self.buttons)
        self._images = images
        for name in people:
            self._add(name, chosen=False)
        self.list.itemChanged.connect(self._refresh)
        self.add_button.clicked.connect(self._on_add)
        self.name_edit.returnPressed.connect(self._on_add)
        self.add_button.setAutoDefault(False)
        self.buttons.accepted.connect(self.accept)
        self.buttons.rejected.connect(self.reject)
        self._refresh()

    @property
    def graders(self) -> tuple[str, ...]:
        """The chosen people."""
        items = (self.list.item(row) for row in range(self.list.count()))
        return tuple(item.text() for item in items if item.checkState() == Qt.CheckState.Checked)

    def choose(self, *names: str) -> None:
        """Choose people, adding those who are not listed."""
        for name in names:
            found = self.list.findItems(name, Qt.MatchFlag.MatchFixedString)
            if found:
                found[0].setCheckState(Qt.CheckState.Checked)
            else:
                self._add(name, chosen=True)
        self._refresh()

    def _add(self, name: str, *, chosen: bool) -> None:
        item = QListWidgetItem(name)
        item.setFlags(item.flags() | Qt.ItemFlag.ItemIsUserCheckable)
        item.setCheckState(Qt.CheckState.Checked if chosen else Qt.CheckState.Unchecked)
        self.list.addItem(item)

    def _on_add(self) -> None:
        name = self.name_edit.text().strip()
        if name:
            self.choose(name)
            self.name_edit.clear()

    def _refresh(self, item: object = None) -> None:  # noqa: ARG002 - passed by Qt
        people = len(self.graders)
        each = "" if people < 2 else f" About {-(-self._images // people)} for each."
        self.summary.setText(
            "Nobody gets an image of which they are the first grader, and no second grader sees the"
            f" first grading.{each}"
        )
        self.buttons.button(QDialogButtonBox.StandardButton.Ok).setEnabled(people > 0)
