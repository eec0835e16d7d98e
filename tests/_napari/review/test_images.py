"""Many images at once: second graders, removal, kind; the place of messages; adjudication."""

import numpy as np
import pytest
from qtpy.QtCore import QPoint, Qt
from qtpy.QtWidgets import QLabel

from mouse import settle
from napari_retina_seg._napari.job import JobStatus
from napari_retina_seg.project.project import Project
from napari_retina_seg.project.states import Action, State
from napari_retina_seg.types.annotation import Annotation
from napari_retina_seg.types.image import Modality


@pytest.fixture
def read(folder):
    """Look into the project by another program."""
    with Project(folder, author="Reader") as project:
        yield project


def choose(person, *rows: int) -> None:
    """Select rows with the mouse, the others with Ctrl."""
    table = person.dock.queue.table
    for number, row in enumerate(rows):
        place = table.visualRect(table.model().index(row, 1)).center()
        modifier = Qt.KeyboardModifier.ControlModifier if number else Qt.KeyboardModifier.NoModifier
        person.bot.mouseClick(table.viewport(), Qt.MouseButton.LeftButton, modifier, place)


def take_filter(person, name: str) -> None:
    person.dock.queue.states.setCurrentText(name)
    person.dock.queue.states.activated.emit(0)
    person.wait()


def pick(person, entry: str) -> None:
    """Pick an entry of the menu of selected images."""
    person.dock.image_menu.aboutToShow.emit()
    (action,) = [each for each in person.dock.image_menu.actions() if each.text() == entry]
    assert action.isEnabled()
    action.trigger()
    person.wait()


def finish(person) -> None:
    """Save as final, at the second request if the mask has open places."""
    person.press(Qt.Key.Key_W)
    if "open place" in person.said:
        person.press(Qt.Key.Key_W)


def test_images_are_removed_and_restored_by_a_menu(ann, read):
    choose(ann, 0, 2)
    ann.answer("twice")
    pick(ann, "Remove from the project…")
    assert "2 images removed" in ann.said
    assert [image.name for image in read.images()] == ["scan1", "scan3"]
    assert ann.dock.queue.model.rowCount() == 2
    assert "2 removed" in ann.dock.count.text()
    take_filter(ann, "Removed")
    assert ann.dock.queue.model.rowCount() == 2
    ann.open_row(0)
    assert not ann.dock.decisions.accept.isEnabled()
    assert "was removed by Ann" in ann.dock.info.text()
    choose(ann, 0, 1)
    pick(ann, "Restore")
    assert len(read.images()) == 4
    assert ann.dock.queue.model.rowCount() == 0


def test_removing_the_open_image_saves_and_closes_it(ann, read):
    ann.open_row(0)
    painted = ann.paint()
    choose(ann, 0)
    ann.answer("")
    pick(ann, "Remove from the project…")
    assert ann.name is None
    assert not ann.viewer.layers
    assert np.array_equal(read.annotation(1, 2).labels, painted)


def test_second_gradings_are_dealt_to_people_chosen_from_a_list(ann, read):
    choose(ann, 0, 1, 2, 3)

    def choose_people(dialog) -> None:
        assert dialog.list.item(0).text() == "Ann"
        dialog.choose("Bob", "Carl")
        dialog.accept()

    ann.answer(button=choose_people)
    pick(ann, "Assign second graders…")
    assert "Bob: 2 images, Carl: 2 images" in ann.said
    assert {read.permissions(image.id).second_grader for image in read.images()} == {"Bob", "Carl"}
    assert "Bob" in ann.dock.decisions.list_people()


def test_the_kind_of_an_image_is_corrected(ann, read):
    choose(ann, 1)
    pick(ann, "This is a fundus photograph")
    assert read.image(2).modality is Modality.FUNDUS
    assert read.image(1).modality is not Modality.FUNDUS


def test_several_stay_selected_while_the_list_is_refreshed(ann):
    choose(ann, 0, 2)
    ann.dock.queue.refresh_list()
    assert ann.dock.queue.selected == (1, 3)


@pytest.fixture
def graded_twice(folder):
    """Have Ann and Bob differ about scan0."""
    with Project(folder, author="Ann") as first, Project(folder, author="Bob") as second:
        first.accept(1)
        first.assign_second_grader(1, "Bob")
        labels = np.array(second.annotation(1, 1).labels)
        labels[1:][(labels[:-1] == 3) & (labels[1:] == 4)] = 3  # a class is thicker by a row
        second.save_version(1, Annotation(labels), Action.SECOND_GRADE, parent=1)
    return labels


def test_the_adjudicator_takes_the_second_grading_in_one_step(person, folder, graded_twice, read):
    person.open(folder, "Carl")
    person.open_row(0)
    before = np.array(person.mask.data)
    assert person.dock.decisions.accept.text() == "Take second"
    person.press(Qt.Key.Key_G)
    assert np.array_equal(person.mask.data, graded_twice)
    assert "is the first grading" not in person.dock.info.text()
    person.mask.undo()
    assert np.array_equal(person.mask.data, before)
    person.click(person.dock.decisions.accept)
    finish(person)
    assert read.image(1).state is State.ADJUDICATED
    assert np.array_equal(read.annotation(1, read.truth(1).number).labels, graded_twice)


@pytest.mark.usefixtures("graded_twice")
def test_a_second_grader_mends_a_slip_by_reopening(person, folder, read):
    person.open(folder, "Bob")
    person.open_row(0)
    assert "to correct a slip" in person.dock.info.text()
    person.click(person.dock.decisions.reopen)
    painted = person.paint()
    finish(person)
    assert read.image(1).state is State.GRADED_TWICE
    assert read.image(1).round == 0
    newest = read.history(1)[-1]
    assert newest.author == "Bob"
    assert np.array_equal(read.annotation(1, newest.number).labels, painted)


def test_a_comment_survives_a_crash(person, folder, read):
    words = "g n u: a shadow"  # keys of decisions, as letters
    person.open(folder, "Ann")
    person.open_row(0)
    person.dock.comment()
    person.bot.keyClicks(person.dock.comment_edit, words)
    assert person.name == "scan0"
    person.session.autosave()
    person.session.io_queue.join()
    (slot,) = read.status().autosaves
    assert slot.comment == words
    with Project(folder, author="Carl") as crashed:  # as a program that is gone
        crashed.autosave(2, crashed.annotation(2, 1), parent=1, comment=words)
    person.open(folder, "Carl")
    person.click(person.dock.recovery.recover_button)
    assert person.name == "scan1"
    assert person.dock.comment_edit.text() == words
    finish(person)
    assert read.history(2)[-1].comment == words


def test_no_row_moves_when_a_message_appears(ann):
    ann.window.resize(1366, 768)
    ann.open_row(0)
    dock = ann.dock
    rows = (dock.button, dock.bar, dock.decisions, dock.comment_edit, dock.batches, dock.queue)
    settle()

    def places() -> list[int]:
        return [row.mapTo(ann.window, QPoint()).y() for row in rows]

    dock.messages.show(None, "")
    before = places()
    dock.messages.show(JobStatus.FAILED, "A message of many words. " * 12)
    settle()
    assert places() == before
    assert dock.status.isVisible()


def test_the_list_uses_the_height_that_there_is(ann):
    heights = []
    for height in (768, 1000):
        ann.window.resize(1366, height)
        settle()
        heights.append(ann.dock.queue.table.height())
    assert heights[1] - heights[0] > 120


def test_one_name_is_used_for_a_second_grading(ann):
    words = [label.text() for label in ann.dock.findChildren(QLabel)]
    boxes = [ann.dock.queue.states.itemText(n) for n in range(ann.dock.queue.states.count())]
    assert not any("2nd" in word or "second read" in word for word in [*words, *boxes])
