"""Rows of the Explain dock: class, method and colours."""

from __future__ import annotations

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFormLayout, QVBoxLayout, QWidget

from napari_retina_seg._napari import settings as remembered
from napari_retina_seg._napari.explain.bar import ColorBar
from napari_retina_seg._napari.explain.saliency_layers import COLORS, ColorSettings
from napari_retina_seg._napari.settings import Settings
from napari_retina_seg._napari.widgets import ElidedComboBox, add_row, narrow
from napari_retina_seg.imaging.cam import Method
from napari_retina_seg.saliency.explainer import recommended_method
from napari_retina_seg.types.labels import LabelScheme

ALL = "All classes"
THERE = "Predicted class at the point"
_METHODS = {
    Method.GRAD_CAM: "weights each activation by its mean gradient",
    Method.GRAD_CAM_PLUS_PLUS: "as Grad-CAM, but all contributing positions count equally",
    Method.HIRES_CAM: "weights each cell by its own gradient, without averaging",
    Method.LAYER_CAM: "as HiResCAM, but with positive gradients only",
}
_COMPARES = (
    "Scale the colours to the largest evidence of each class, or to that of all classes, so that"
    " classes can be compared."
)
_SCALES = ("Each class for itself", "The same for all classes")


class ClassPicker(QWidget):
    """Choose one class, all classes, or the predicted class at the clicked point.

    Signals
    -------
    changed : ()
        The user chose another one.
    """

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._scheme: LabelScheme | None = None
        self._there = False
        self._earlier = ""  # chosen before the target became a point
        self._by_hand = False
        self._box = narrow(ElidedComboBox())
        self._box.setToolTip(
            "Class to explain. All classes make one layer with a slider. Choosing a class in a"
            " model's mask also chooses it here."
        )
        add_row(QFormLayout(self), "Class", self._box)
        self._box.activated.connect(self._on_chosen)

    @property
    def values(self) -> tuple[int, ...]:
        """Mask value of the chosen class; empty for all, and for the predicted one."""
        value = self._box.currentData()
        return () if value is None else (int(value),)

    @property
    def is_there(self) -> bool:
        """Whether the predicted class at the point is chosen."""
        return self._box.currentText() == THERE

    @property
    def is_all(self) -> bool:
        """Whether all classes are chosen."""
        return self._box.currentText() == ALL

    @property
    def names(self) -> list[str]:
        """The listed names."""
        return [self._box.itemText(row) for row in range(self._box.count())]

    def offer(self, scheme: LabelScheme | None, there: bool) -> None:
        """List the classes of a scheme, and the predicted one if the target is a point.

        The choice is kept if possible; otherwise it is the first class, as all take longer.
        """
        if scheme == self._scheme and there == self._there:
            return
        before = self._box.currentText()
        starts = there and not self._there
        if starts:
            self._earlier = before
        elif before == THERE and not there:
            before = self._earlier
        self._scheme, self._there = scheme, there
        self._box.clear()
        if scheme is not None:
            self._box.addItem(ALL)
            if there:
                self._box.addItem(THERE)
            for label in scheme.classes:
                same = label.name == label.abbreviation
                words = label.name if same else f"{label.abbreviation} · {label.name}"
                self._box.addItem(words, label.value)
        self._box.setEnabled(scheme is not None)
        wanted = THERE if starts else before
        if wanted in self.names:
            self._box.setCurrentText(wanted)
        else:
            self._box.setCurrentIndex(self._box.findData(1))

    def choose(self, words: str) -> None:
        """Choose by displayed text or abbreviation."""
        for row, name in enumerate(self.names):
            if words in (name, name.partition(" · ")[0]):
                self._box.setCurrentIndex(row)
                self._on_chosen()

    def choose_value(self, value: int) -> None:
        """Choose a class by its mask value, as a user's choice."""
        self._box.setCurrentIndex(self._box.findData(value))
        self._on_chosen()

    def turn_to(self, values: tuple[int, ...]) -> None:
        """Choose one class by its mask value, or all of them."""
        row = self._box.findText(ALL) if len(values) > 1 else self._box.findData(values[0])
        self._box.setCurrentIndex(row)

    def suggest(self, value: int) -> None:
        """Choose a class by its mask value, unless the user has chosen one."""
        if not self._by_hand and not self.is_there:
            self._box.setCurrentIndex(self._box.findData(value))

    def _on_chosen(self, index: int = 0) -> None:  # noqa: ARG002 - passed by Qt
        self._by_hand = True
        self.changed.emit()


class MethodPicker(QWidget):
    """Choose the CAM method.

    Signals
    -------
    changed : ()
        The user chose another one.
    """

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._by_hand = False
        self._box = narrow(ElidedComboBox())
        self._box.addItems([method.value for method in Method])
        self._box.setCurrentText(recommended_method(whole_class=True).value)
        rows = "".join(f"<li>{method.value}: {words}</li>" for method, words in _METHODS.items())
        self._box.setToolTip(f"How the map is made:<ul>{rows}</ul>")
        add_row(QFormLayout(self), "Method", self._box)
        self._box.activated.connect(self._on_chosen)

    @property
    def method(self) -> Method:
        """The chosen method."""
        return Method(self._box.currentText())

    def recommend(self, method: Method) -> None:
        """Choose the method that suits the target, unless the user has chosen one."""
        if not self._by_hand:
            self._box.setCurrentText(method.value)

    def choose(self, method: Method) -> None:
        """Choose, as a user's choice."""
        self._box.setCurrentText(method.value)
        self._on_chosen()

    def _on_chosen(self, index: int = 0) -> None:  # noqa: ARG002 - passed by Qt
        self._by_hand = True
        self.changed.emit()


class LookPicker(QWidget):
    """Choose colours and scale of the maps; remembered.

    Attributes
    ----------
    bar : ColorBar
        Colour bar of the displayed map.

    Signals
    -------
    changed : (ColorSettings)
        The user chose another one.
    """

    changed = Signal(object)

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self._settings = settings
        self._colors = narrow(ElidedComboBox())
        self._colors.addItems(COLORS)
        self._colors.setToolTip(
            "Colours of the maps; cividis suits colour-blind people. Maps are transparent where"
            " there is no evidence."
        )
        self._scale = narrow(ElidedComboBox())
        self._scale.addItems(_SCALES)
        self.bar = ColorBar()
        form = QFormLayout()
        layout = QVBoxLayout(self)
        layout.addLayout(form)
        layout.addWidget(self.bar)
        layout.setContentsMargins(0, 0, 0, 0)
        for name, box, key in (
            ("Colours", self._colors, remembered.COLORS),
            ("Scale", self._scale, remembered.SCALE),
        ):
            add_row(form, name, box)
            box.setCurrentText(settings.choice(key, box.currentText()))
            box.activated.connect(self._on_chosen)

    @property
    def look(self) -> ColorSettings:
        """The chosen colours and scale."""
        return ColorSettings(self._colors.currentText(), self._scale.currentIndex() == 1)

    def allow_shared(self, on: bool) -> None:
        """Disable the scale if there is only one class."""
        self._scale.setEnabled(on)
        self._scale.setToolTip(_COMPARES if on else "One class has one scale: choose all classes.")

    def show_scale(self, top: float, classes: str) -> None:
        """Show the evidence at the strongest colour; hide the bar without evidence."""
        if top:
            self.bar.show_scale(self.look.colormap, top, classes)
        else:
            self.bar.hide()

    def choose(self, look: ColorSettings) -> None:
        """Choose, as a user's choice."""
        self._colors.setCurrentText(look.colors)
        self._scale.setCurrentIndex(int(look.shared))
        self._on_chosen()

    def _on_chosen(self, index: int = 0) -> None:  # noqa: ARG002 - passed by Qt
        self._settings.remember_choice(remembered.COLORS, self._colors.currentText())
        self._settings.remember_choice(remembered.SCALE, self._scale.currentText())
        self.changed.emit(self.look)
