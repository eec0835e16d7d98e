"""Rows of the Explain dock: class, method and colours."""

from __future__ import annotations

import numpy as np
from napari.layers import Labels
from napari.utils.colormaps import Colormap
from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QImage, QPixmap
from qtpy.QtWidgets import QFormLayout, QGridLayout, QLabel, QSizePolicy, QVBoxLayout, QWidget

from napari_retina_seg._napari import settings as remembered
from napari_retina_seg._napari.explain.saliency_layers import COLORS, ColorSettings
from napari_retina_seg._napari.explain.words import METHOD_DESCRIPTIONS, METHOD_NAMES
from napari_retina_seg._napari.layers import KEY
from napari_retina_seg._napari.plain import PlainLabel
from napari_retina_seg._napari.settings import Settings
from napari_retina_seg._napari.widgets import add_row, combo_box, stack, text
from napari_retina_seg.imaging.cam import Method
from napari_retina_seg.models.registry import ModelFolder
from napari_retina_seg.saliency.slice_explainer import recommended_method, unsuitable_reason
from napari_retina_seg.types.errors import ModelError
from napari_retina_seg.types.labels import LabelScheme

_HEIGHT = 12  # px
_STEPS = 256
_FRAME = "QLabel { border: 1px solid #808080; }"  # visible on dark and light themes
ALL = "All classes"
THERE = "Predicted class at the point"
_COMPARES = (
    "Scale the colours to the largest evidence of each class, or to that of all classes, so that"
    " classes can be compared."
)
_SCALES = ("Each class for itself", "The same for all classes")


class ColorBar(QWidget):
    """Colour bar from no evidence to the most; visible while a map is displayed."""

    def __init__(self) -> None:
        super().__init__()
        self._colors = QLabel()
        self._colors.setScaledContents(True)
        self._colors.setFixedHeight(_HEIGHT)
        self._colors.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self._colors.setStyleSheet(_FRAME)
        self.most = PlainLabel()
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setVerticalSpacing(1)
        grid.addWidget(self._colors, 0, 0, 1, 2)
        grid.addWidget(QLabel("0"), 1, 0)
        grid.addWidget(self.most, 1, 1, Qt.AlignmentFlag.AlignRight)
        self.hide()

    def show_scale(self, colors: Colormap, top: float, classes: str) -> None:
        """Show the colours on black, and the largest evidence and its classes."""
        shown = colors.map(np.linspace(0, 1, _STEPS))
        rgb = np.ascontiguousarray(np.rint(255 * shown[:, :3] * shown[:, 3:]), np.uint8)
        image = QImage(rgb.tobytes(), _STEPS, 1, 3 * _STEPS, QImage.Format.Format_RGB888)
        self._colors.setPixmap(QPixmap.fromImage(image))
        self.most.setText(f"evidence for {classes}: {top:.3g}")
        self.setToolTip(
            "Evidence from none to the most, in logits per target pixel. The transparent end"
            " shows the image."
        )
        self.show()


def drawn_by(mask: Labels | None) -> str:
    """Return the name of the model that made a mask; empty if unknown."""
    made = None if mask is None else mask.metadata[KEY].provenance
    return "" if made is None else made.model


def describe_foreign_model(mask: Labels | None, models: list[str]) -> str:
    """Return a note if a mask was made by none of the models; otherwise empty."""
    name = drawn_by(mask)
    if mask is None or not name or name in models:
        return ""
    return (
        f"'{mask.name}' was made by '{name}', which is not available: another model is explained."
    )


def class_in(model: ModelFolder, mask: Labels) -> int:
    """Return a model's value of the class selected in a mask, matched by name.

    Raises
    ------
    ModelError
        If the model has no such class.
    """
    selected, known = int(mask.selected_label), mask.metadata[KEY].scheme
    name = known.classes[selected].abbreviation if selected < len(known) else str(selected)
    for label in model.spec.scheme.classes:
        if label.abbreviation == name:
            return label.value
    raise ModelError(f"'{model.name}' has no class '{name}': choose another class or model.")


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
        self._is_user_choice = False
        self.box = combo_box()
        self.box.setToolTip(
            "Class to explain. All classes make one layer with a slider. Choosing a class in a"
            " model's mask also chooses it here."
        )
        add_row(QFormLayout(self), "Class", self.box)
        self.box.activated.connect(self._on_chosen)

    @property
    def values(self) -> tuple[int, ...]:
        """Mask value of the chosen class; empty for all, and for the predicted one."""
        value = self.box.currentData()
        return () if value is None else (int(value),)

    @property
    def is_there(self) -> bool:
        """Whether the predicted class at the point is chosen."""
        return self.box.currentText() == THERE

    @property
    def is_all(self) -> bool:
        """Whether all classes are chosen."""
        return self.box.currentText() == ALL

    @property
    def names(self) -> list[str]:
        """The listed names."""
        return [self.box.itemText(row) for row in range(self.box.count())]

    def offer(self, scheme: LabelScheme | None, there: bool) -> None:
        """List the classes of a scheme, and the predicted one if the target is a point.

        The choice is kept if possible; otherwise it is the first class, as all take longer.
        """
        if scheme == self._scheme and there == self._there:
            return
        before = self.box.currentText()
        starts = there and not self._there
        if starts:
            self._earlier = before
        elif before == THERE and not there:
            before = self._earlier
        self._scheme, self._there = scheme, there
        self.box.clear()
        if scheme is not None:
            self.box.addItem(ALL)
            if there:
                self.box.addItem(THERE)
            for label in scheme.classes:
                self.box.addItem(label.title, label.value)
        self.box.setEnabled(scheme is not None)
        wanted = THERE if starts else before
        if wanted in self.names:
            self.box.setCurrentText(wanted)
        else:
            self.box.setCurrentIndex(self.box.findData(1))

    def choose_value(self, value: int) -> None:
        """Choose a class by its mask value, as a user's choice."""
        self.box.setCurrentIndex(self.box.findData(value))
        self._on_chosen()

    def select(self, values: tuple[int, ...]) -> None:
        """Choose one class by its mask value, or all of them."""
        row = self.box.findText(ALL) if len(values) > 1 else self.box.findData(values[0])
        self.box.setCurrentIndex(row)

    def suggest(self, value: int) -> None:
        """Choose a class by its mask value, unless the user has chosen one."""
        if not self._is_user_choice and not self.is_there:
            self.box.setCurrentIndex(self.box.findData(value))

    def _on_chosen(self, index: int = 0) -> None:  # noqa: ARG002 - passed by Qt
        self._is_user_choice = True
        self.changed.emit()


class MethodPicker(QWidget):
    """Choose the CAM method by a plain name; its published one is in the tooltip.

    A method that a person has chosen stays for every target and model. If it does not suit, and
    where the method followed the target, a note says so.

    Signals
    -------
    changed : ()
        The user chose another one.
    """

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._is_user_choice = False
        self._whole_class = True  # what is asked about
        self.box = combo_box()
        for method, name in METHOD_NAMES.items():
            self.box.addItem(name, method)
            tip = f"{method.value}: {METHOD_DESCRIPTIONS[method]}"
            self.box.setItemData(self.box.count() - 1, tip, Qt.ItemDataRole.ToolTipRole)
        self.note = text()
        form = QFormLayout()
        add_row(form, "Method", self.box)
        self.setLayout(stack(form, self.note))
        self.box.activated.connect(self._on_chosen)
        self._choose(recommended_method(whole_class=True))
        self._show("")

    @property
    def method(self) -> Method:
        """The chosen method."""
        return Method(self.box.currentData())

    def suit(self, *, whole_class: bool) -> None:
        """Choose the method that suits a target, unless the user has chosen one."""
        if whole_class == self._whole_class:
            return
        self._whole_class = whole_class
        before = self.method
        if not self._is_user_choice:
            self._choose(recommended_method(whole_class=whole_class))
        target = "a whole class" if whole_class else "a point or region"
        name = METHOD_NAMES[self.method]
        changed = f"Method changed to “{name}”, which suits {target}."
        self._show(changed if self.method is not before else "")

    def restore(self, method: Method) -> None:
        """Choose the method of an earlier map; one that was not recommended was a choice."""
        self._is_user_choice = method is not recommended_method(whole_class=self._whole_class)
        self._choose(method)
        self._show("")

    def _choose(self, method: Method) -> None:
        self.box.setCurrentIndex(list(METHOD_NAMES).index(method))

    def _on_chosen(self, index: int = 0) -> None:  # noqa: ARG002 - passed by Qt
        self._is_user_choice = True
        self._show("")
        self.changed.emit()

    def _show(self, changed: str) -> None:
        """Say what the method is called, that it changed, or that it does not suit the target."""
        method = self.method
        rows = "".join(
            f"<li>{name}: {each.value}, {METHOD_DESCRIPTIONS[each]}</li>"
            for each, name in METHOD_NAMES.items()
        )
        self.box.setToolTip(f"Now {method.value}. How the map is made:<ul>{rows}</ul>")
        reason = unsuitable_reason(method, whole_class=self._whole_class)
        better = METHOD_NAMES[recommended_method(whole_class=self._whole_class)]
        unsuitable = f"This method {reason}: “{better}” suits better." if reason else ""
        self.note.setText(changed or unsuitable)
        self.note.setVisible(bool(self.note.text()))


class ColorPicker(QWidget):
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
        self.colors_box = combo_box()
        self.colors_box.addItems(COLORS)
        self.colors_box.setToolTip(
            "Colours of the maps; cividis suits colour-blind people. Maps are transparent where"
            " there is no evidence."
        )
        self.scale_box = combo_box()
        self.scale_box.addItems(_SCALES)
        self.bar = ColorBar()
        form = QFormLayout()
        layout = QVBoxLayout(self)
        layout.addLayout(form)
        layout.addWidget(self.bar)
        layout.setContentsMargins(0, 0, 0, 0)
        for name, box, key in (
            ("Colours", self.colors_box, remembered.COLORS),
            ("Scale", self.scale_box, remembered.SCALE),
        ):
            add_row(form, name, box)
            box.setCurrentText(settings.choice(key, box.currentText()))
            box.activated.connect(self._on_chosen)

    @property
    def color_settings(self) -> ColorSettings:
        """The chosen colours and scale."""
        return ColorSettings(self.colors_box.currentText(), self.scale_box.currentIndex() == 1)

    def allow_shared(self, on: bool) -> None:
        """Disable the scale if there is only one class."""
        self.scale_box.setEnabled(on)
        self.scale_box.setToolTip(
            _COMPARES if on else "One class has one scale: choose all classes."
        )

    def show_scale(self, top: float, classes: str) -> None:
        """Show the evidence at the strongest colour; hide the bar without evidence."""
        if top:
            self.bar.show_scale(self.color_settings.colormap, top, classes)
        else:
            self.bar.hide()

    def _on_chosen(self, index: int = 0) -> None:  # noqa: ARG002 - passed by Qt
        self._settings.remember_choice(remembered.COLORS, self.colors_box.currentText())
        self._settings.remember_choice(remembered.SCALE, self.scale_box.currentText())
        self.changed.emit(self.color_settings)
