"""The parts of the panel: classes, and how to look."""

from collections.abc import Callable, Mapping
from functools import partial

from qtpy.QtCore import Qt, Signal  # type: ignore[attr-defined]
from qtpy.QtGui import QColor, QPainter, QPaintEvent
from qtpy.QtWidgets import (
    QCheckBox,
    QColorDialog,
    QDoubleSpinBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QMenu,
    QPushButton,
    QSizePolicy,
    QSlider,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from cryoal.annotate.looking import Look
from cryoal.core.labels import JUNK
from cryoal.project.classes import Classes

BAR_COLOUR, GROUND_COLOUR = "#56B4E9", "#3A4048"


def button(text: str, tip: str, act: Callable[[], object]) -> QPushButton:
    """Button that never takes the focus: keys go on to label."""
    made = QPushButton(text)
    made.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    made.setToolTip(tip)
    made.clicked.connect(lambda _checked=False: act())
    return made


class Bar(QWidget):
    """Thin bar of progress. QProgressBar paints at once, and with it the whole canvas."""

    def __init__(self) -> None:
        super().__init__()
        self.setFixedHeight(6)
        self.fraction = 0.0

    def set_fraction(self, fraction: float) -> None:
        """Fill this much of it, 0 to 1."""
        if fraction != self.fraction:
            self.fraction = fraction
            self.update()

    def paintEvent(self, _event: QPaintEvent) -> None:
        """Paint ground and bar."""
        painter = QPainter(self)
        painter.fillRect(self.rect(), QColor(GROUND_COLOUR))
        done = self.rect()
        done.setWidth(round(self.fraction * done.width()))
        painter.fillRect(done, QColor(BAR_COLOUR))
        painter.end()


class ClassPanel(QWidget):
    """A row a class: its key, its colour, its name to click, how many, and what else to do."""

    answered = Signal(str)
    added = Signal(str)
    renamed = Signal(str, str)
    renamed_for_all = Signal(str, str)
    recoloured = Signal(str, str)

    def __init__(self) -> None:
        super().__init__()
        self._rows = QVBoxLayout()
        self._rows.setSpacing(2)
        self._made: object = None
        self.names: dict[str, QPushButton] = {}
        self.new = QLineEdit()
        self.new.setPlaceholderText("new class: type a name, Return")
        self.new.returnPressed.connect(self._add)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(self._rows)
        layout.addWidget(self.new)

    def show_classes(self, classes: Classes, counts: Mapping[str, int]) -> None:
        """Draw the rows anew where classes changed, and the numbers."""
        if self._made != classes:
            while (item := self._rows.takeAt(0)) is not None:
                if (row := item.widget()) is not None:
                    row.hide()
                    row.deleteLater()
            self.names.clear()
            for number, name in enumerate(classes.names, 1):
                self._rows.addWidget(self._row(str(number) if number < 10 else "", name, classes))
            self._rows.addWidget(self._row("0 J", JUNK, classes))
            self._made = classes
        for name, row in self.names.items():
            count = counts.get(name, 0)
            row.setText(
                f"{name.replace('&', '&&')}   {count}" if count else name.replace("&", "&&")
            )

    def edit_name(self, name: str, *, for_all: bool = False) -> None:
        """Put a field in the place of a name; Return renames, to an existing name merges."""
        row = self.names[name]
        field = QLineEdit(name)
        field.selectAll()
        parent = row.parentWidget()
        place = None if parent is None else parent.layout()
        assert place is not None
        place.replaceWidget(row, field)
        row.hide()
        field.setFocus()

        def done() -> None:
            field.blockSignals(True)
            new = field.text()
            self._made = None  # the field goes with its row
            (self.renamed_for_all if for_all else self.renamed).emit(name, new)

        field.returnPressed.connect(done)
        field.editingFinished.connect(lambda: None if not field.isVisible() else done())

    def _add(self) -> None:
        name = self.new.text()
        self.new.clear()
        self.added.emit(name)

    def _row(self, key: str, name: str, classes: Classes) -> QWidget:
        row = QWidget()
        layout = QHBoxLayout(row)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        sign = QLabel(key)
        sign.setFixedWidth(24)
        sign.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        colour = QToolButton()
        colour.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        colour.setFixedSize(18, 18)
        colour.setToolTip("Another colour")
        colour.setStyleSheet(f"background-color: {classes.colour(name)}; border: none")
        colour.clicked.connect(lambda: self._choose_colour(name, classes.colour(name)))
        say = button(name, f"Label as {name}", lambda: self.answered.emit(name))
        say.setStyleSheet("text-align: left; padding: 4px 8px")
        # A long name is cut, not the panel widened.
        say.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.names[name] = say
        for widget in (sign, colour, say):
            layout.addWidget(widget, stretch=1 if widget is say else 0)
        if name != JUNK:
            layout.addWidget(self._menu_button(name, classes))
        return row

    def _menu_button(self, name: str, classes: Classes) -> QToolButton:
        more = QToolButton()
        more.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        more.setText("⋯")
        more.setToolTip("Rename, merge, recolour")
        more.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        menu = QMenu(more)
        menu.addAction("Rename", lambda: self.edit_name(name))
        menu.addAction("Rename for all annotators", lambda: self.edit_name(name, for_all=True))
        into = menu.addMenu("Merge into")
        for other in (*classes.names, JUNK):
            if other != name:
                into.addAction(other, partial(self.renamed.emit, name, other))
        menu.addAction("Colour", lambda: self._choose_colour(name, classes.colour(name)))
        more.setMenu(menu)
        return more

    def _choose_colour(self, name: str, old: str) -> None:
        chosen = QColorDialog.getColor(QColor(old), self, f"Colour of {name}")
        if chosen.isValid():
            self.recoloured.emit(name, chosen.name())


class LookPanel(QWidget):
    """Filters, pose, volume, contrast and surroundings."""

    changed = Signal()
    contrast_changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        start = Look()
        self.low_pass = self._length(start.low_pass or 0, 500, 5, "none", " A")
        self.high_pass = self._length(start.high_pass or 0, 5000, 50, "none", " A")
        self.surroundings = self._length(start.surroundings / 10, 2000, 25, "", " nm")
        self.contrast = QSlider(Qt.Orientation.Horizontal)
        self.contrast.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.contrast.setRange(0, 25)
        self.contrast.setValue(1)
        self.contrast.setToolTip("Percent of the voxels drawn black, and white")
        self.contrast.valueChanged.connect(self.contrast_changed)
        self.inverted = self._box("protein dark", self.contrast_changed)
        self.turned = self._box("turned to the matched pose (T)", self.changed)
        self.display = self._box("denoised volume (D)", self.changed)
        self.three_d = self._box("3-D (V)", self.contrast_changed)
        form = QFormLayout(self)
        form.setContentsMargins(0, 0, 0, 0)
        form.setVerticalSpacing(3)
        form.addRow("low-pass", self.low_pass)
        form.addRow("high-pass", self.high_pass)
        form.addRow("contrast", self.contrast)
        form.addRow("surroundings", self.surroundings)
        for box in (self.inverted, self.turned, self.display, self.three_d):
            form.addRow(box)

    @property
    def look(self) -> Look:
        """What is set."""
        return Look(
            low_pass=self.low_pass.value() or None,
            high_pass=self.high_pass.value() or None,
            turned=self.turned.isChecked(),
            display=self.display.isChecked(),
            surroundings=10 * self.surroundings.value(),
        )

    def _box(self, text: str, signal: Signal) -> QCheckBox:
        box = QCheckBox(text)
        box.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        box.toggled.connect(lambda _on: signal.emit())
        return box

    def _length(
        self, value: float, most: float, step: float, none: str, unit: str
    ) -> QDoubleSpinBox:
        field = QDoubleSpinBox()
        field.setRange(0 if none else step, most)
        field.setDecimals(0)
        field.setSingleStep(step)
        field.setSuffix(unit)
        field.setSpecialValueText(none)
        field.setValue(value)
        # Not while a number is being typed; and then the keys label again.
        field.setKeyboardTracking(False)
        field.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        field.valueChanged.connect(lambda _value: field.clearFocus())
        field.valueChanged.connect(lambda _value: self.changed.emit())
        field.editingFinished.connect(field.clearFocus)
        return field
