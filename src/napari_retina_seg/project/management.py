"""`ProjectManagement`: who grades which images, which images a project has, and its repair."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from napari_retina_seg.metrics.expected_gain import ReviewFigures
from napari_retina_seg.project import (
    assignments,
    autosaves,
    images,
    members,
    model_uses,
    names,
    pending_autosaves,
    ranking,
    removals,
)
from napari_retina_seg.project.blinding import assign_second_grader
from napari_retina_seg.project.model_uses import ModelUse, UsedModel
from napari_retina_seg.project.opening import check_name
from napari_retina_seg.project.repair import repair_files
from napari_retina_seg.project.results import Assigned, Ranked
from napari_retina_seg.project.roles import Member, Role
from napari_retina_seg.project.view import ProjectView
from napari_retina_seg.types.choices import member
from napari_retina_seg.types.errors import ProjectError
from napari_retina_seg.types.image import Modality


class ProjectManagement(ProjectView):
    """The part of `Project` that changes no masks."""

    def assign_second_grader(self, image_id: int, grader: str) -> None:
        """Assign a second grader to an image; the first grading is hidden from that person.

        Raises
        ------
        ProjectError
            If it has another second grader, the person is the first grader, or it is too late.
        """
        grader = check_name(grader)
        with self._store.database.writing() as session:
            assign_second_grader(session, image_id, grader)

    def add_member(self, login: str, name: str, role: Role | str) -> Member:
        """Add somebody who works on the study by a login of the server, or change the role.

        From the first member on, the server itself enforces what members may do and see, and those
        who are none have no access. Only the owner of the tables can add members.

        Parameters
        ----------
        login : str
            Name of an existing login, which neither owns the study nor administers the server.
        name : str
            The person's name, with which all their versions are saved.
        role : Role
            Grader, adjudicator (who also grades), or reader.

        Raises
        ------
        ProjectError
            If the records are in SQLite, this person does not own them, there is no such login, or
            the name is taken.

        Examples
        --------
        >>> project.add_member("bob", "Bob", "grader")  # doctest: +SKIP
        Member(login='bob', name='Bob', role=<Role.GRADER: 'grader'>)
        """
        found = Member(login, check_name(name), member(Role, role, "role", ProjectError))
        members.add_member(self._store, found)
        return found

    def remove_member(self, login: str) -> None:
        """Take the access to the study from a member; their versions stay.

        Raises
        ------
        ProjectError
            If there is no such member, or this person does not own the study.
        """
        members.remove_member(self._store, login)

    def use_model(self, model: UsedModel, instead_of: UsedModel, reason: str) -> None:
        """Record that a model is in use from now on, with who says so and when.

        Parameters
        ----------
        model, instead_of : UsedModel
            Which, and the one that was in use until now.
        reason : str
            What speaks for it.

        Raises
        ------
        ProjectError
            If another model was taken into use meanwhile.
        """
        model_uses.use_model(self._store, model, instead_of, reason)

    def roll_back_model(self) -> ModelUse:
        """Take the model into use again that was in use before the present one.

        Returns
        -------
        ModelUse
            Which is in use now. Called twice, it is the later one again.

        Raises
        ------
        ProjectError
            If no model was taken into use yet.
        """
        return model_uses.roll_back(self._store)

    def confirm_names(self, image_ids: Iterable[int]) -> None:
        """Record that images' names tell nothing of the patient: exports may keep them.

        Parameters
        ----------
        image_ids : iterable of int
            Which images.

        Raises
        ------
        ProjectError
            If there is no such image; no name is confirmed then.
        """
        names.confirm(self._store, image_ids)

    def withdraw_names(self, image_ids: Iterable[int]) -> None:
        """Undo `confirm_names`: exports replace the names by pseudonyms again.

        Raises
        ------
        ProjectError
            If there is no such image; nothing is changed then.
        """
        names.withdraw(self._store, image_ids)

    def assign_second_graders(self, image_ids: Sequence[int], graders: Sequence[str]) -> Assigned:
        """Assign second graders to many images; the images are dealt evenly.

        Nobody gets an image of which that person is the first grader.

        Parameters
        ----------
        image_ids : sequence of int
            Which images.
        graders : sequence of str
            One or more people.

        Returns
        -------
        Assigned
            Who got which image, and a sentence for each image that got nobody.

        Raises
        ------
        ProjectError
            If there is no grader, or it can't be written.
        """
        people = [check_name(grader) for grader in graders]
        return assignments.assign_second_graders(self._store, image_ids, people)

    def remove_images(self, image_ids: Sequence[int], reason: str = "") -> tuple[int, ...]:
        """Remove images from the project; nothing is deleted, and `restore_images` undoes it.

        Removed images are not listed, counted, predicted, exported or compared.

        Parameters
        ----------
        image_ids : sequence of int
            Which images.
        reason : str
            Kept with who removed them, and when.

        Returns
        -------
        tuple of int
            Those that were not removed before.

        Raises
        ------
        ProjectError
            If there is no such image, or it can't be written.
        """
        return removals.remove_images(self._store, image_ids, reason)

    def restore_images(self, image_ids: Sequence[int]) -> tuple[int, ...]:
        """Restore removed images; returns those that were removed.

        Raises
        ------
        ProjectError
            If there is no such image, or it can't be written.
        """
        return removals.restore_images(self._store, image_ids)

    def rank_images(self) -> Ranked:
        """Work out the order by expected gain (`Order.GAIN`) anew, with the reasons.

        It follows from the newest predictions and from what was corrected, and is kept until it is
        worked out again: after a model was run, and when somebody asks for this order.

        Raises
        ------
        ProjectError
            If it can't be written.
        """
        return ranking.rank_images(self._store)

    def add_review_figures(self, image_id: int, version: int, figures: ReviewFigures) -> None:
        """Save what a prediction says about how much its correction would teach.

        Parameters
        ----------
        image_id : int
            Which image.
        version : int
            Number of the prediction.
        figures : ReviewFigures
            Of `inference.review_figures.find_review_figures`.

        Raises
        ------
        ProjectError
            If there is no such prediction, or it can't be written.
        """
        ranking.add_figures(self._store, image_id, version, figures)

    def upload_pending(self) -> int:
        """Put unsaved work that waited on this computer for the server into the project.

        Returns
        -------
        int
            How many images' work is among `recoverable` now.
        """
        return autosaves.upload_pending(self._store)

    def discard_pending(self, image_id: int) -> None:
        """Remove what `autosave` of this process has kept on this computer for an image."""
        pending_autosaves.discard(self._store, image_id)

    def set_modality(self, image_ids: Sequence[int], modality: Modality | str) -> None:
        """Correct the modality of images, which is guessed from the pixels when they are added.

        Raises
        ------
        ProjectError
            If there is no such image or modality, or it can't be written.
        """
        chosen = member(Modality, modality, "modality", ProjectError)
        images.set_modality(self._store, image_ids, chosen)

    def repair(self, source: str | Path | None = None) -> tuple[str, ...]:
        """Restore missing and damaged files whose content is found elsewhere.

        It is looked for in unsaved work, in the boundaries of the same version, and in `source`. A
        file is only written if its hash is the recorded one.

        Parameters
        ----------
        source : str or Path, optional
            A backup, an export, or another folder or file with masks of this project.

        Returns
        -------
        tuple of str
            A sentence for each file that was restored; `check` lists what is still damaged.

        Raises
        ------
        ProjectError
            If the project can't be written, or this person does not own it.
        """
        if self._store.database.member is not None:
            raise ProjectError("Only the owner of the study may repair it: ask its owner for it.")
        return repair_files(self._store, None if source is None else Path(source))
