"""Make a model folder from a training run: weights in half precision, and the spec."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from napari_retina_seg.io.atomic import write_atomically
from napari_retina_seg.models.cards import card_markdown
from napari_retina_seg.models.recipe import CardText, Recipe
from napari_retina_seg.models.registry import CARD_FILE, SPEC_FILE, WEIGHTS_FILE, ModelFolder
from napari_retina_seg.models.spec import ModelSpec, TrainingRecord, lineage

_WORTH_COMPRESSING = 4096  # values
# What a licence's text says, from what forbids most to what forbids least.
_RESTRICTIONS = (
    ("not stated", "no licence"),
    ("research use", "research only", "non-commercial", "noncommercial", "-nc"),
    ("gpl", "-sa", "sharealike", "share alike"),
)


def halve_weights(weights: Path) -> bytes:
    """Return the HDF5 weights file with float16 for float32, and without the optimiser's state."""
    buffer = io.BytesIO()
    without_times = _without_times(h5py.h5p.GROUP_CREATE)
    with h5py.File(weights, "r") as source, _compact_file(buffer) as target:

        def copy(name: str, item: Any) -> None:
            if name.split("/", maxsplit=1)[0] == "optimizer":
                return
            if isinstance(item, h5py.Group):
                group = h5py.h5g.create(target.id, name.encode(), None, without_times)
                h5py.Group(group).attrs.update(item.attrs)
                return
            values = _half(item[()]) if item.dtype == np.float32 else item[()]
            # Compressed storage costs a small array more than it saves.
            options = {"compression": "gzip"} if values.size > _WORTH_COMPRESSING else {}
            target.create_dataset(name, data=values, track_times=False, **options)

        target.attrs.update(source.attrs)
        source.visititems(copy)
    return buffer.getvalue()


def _compact_file(buffer: io.BytesIO) -> h5py.File:
    """Open an HDF5 file of the newer, smaller format, without the time of day in it.

    h5py has no keyword for the latter, and the same weights shall have the same hash.
    """
    access = h5py.h5p.create(h5py.h5p.FILE_ACCESS)
    access.set_libver_bounds(h5py.h5f.LIBVER_V110, h5py.h5f.LIBVER_V110)
    access.set_fileobj_driver(h5py.h5fd.fileobj_driver, buffer)
    creation = _without_times(h5py.h5p.FILE_CREATE)
    name = repr(buffer).encode()
    return h5py.File(h5py.h5f.create(name, h5py.h5f.ACC_TRUNC, creation, access))


def _without_times(kind: Any) -> Any:
    properties = h5py.h5p.create(kind)
    properties.set_obj_track_times(False)
    return properties


def _half(values: npt.NDArray[np.float32]) -> npt.NDArray[Any]:
    """Return float16, but where a value is too large for it, as variances may be."""
    if np.abs(values).max(initial=0) > np.finfo(np.float16).max:
        return values
    return values.astype(np.float16)


def write_model(folder: Path, weights: bytes, spec: dict[str, Any]) -> ModelFolder:
    """Write a model folder.

    Parameters
    ----------
    folder : Path
        Where to; files of the same names in it are replaced.
    weights : bytes
        Content of the weights file.
    spec : dict
        Fields of `ModelSpec` but the hash.

    Returns
    -------
    ModelFolder
        The checked folder.
    """
    digest = hashlib.sha256(weights).hexdigest()
    model = ModelFolder(folder, ModelSpec.model_validate({**spec, "weights_sha256": digest}))
    write_atomically(folder / WEIGHTS_FILE, weights)
    write_spec(model)
    return model


def package(
    recipe: Recipe,
    weights: Path,
    folder: Path,
    record: TrainingRecord,
    parent: ModelSpec | None = None,
    *,
    encoder: tuple[str, str] | None = None,
) -> ModelFolder:
    """Make the model folder of a recipe from the weights of its training, with a card.

    Parameters
    ----------
    recipe : Recipe
        What was trained.
    weights : Path
        The weights of its best epoch.
    folder : Path
        Where to.
    record : TrainingRecord
        What the training took.
    parent : ModelSpec, optional
        The model that it began with: its data and licence are named in the card, too.
    encoder : tuple of str, optional
        What the weights are that its encoder alone began with, and their licence.
    """
    ancestors = () if parent is None else lineage(parent)
    card = _card(recipe, record)
    if encoder is not None or (parent is None and recipe.architecture.kind == "encoder-unet"):
        card = _with_encoder(card, encoder)
    spec = {
        "name": recipe.name,
        **card.model_dump(),
        "licence": joint_licence([card.licence, *(one.licence for one in ancestors[:1])]),
        "ancestors": ancestors,
        "scheme": recipe.scheme,
        "architecture": recipe.architecture,
        "preprocessing": recipe.preprocessing,
        "postprocessing": recipe.postprocessing,
        "training": record,
    }
    return write_model(folder, halve_weights(weights), spec)


def _card(recipe: Recipe, record: TrainingRecord) -> CardText:
    """Return the recipe's card, without statements on data it was not trained on."""
    card = recipe.card
    if not card.training_data:
        return card.model_copy(update={"training_data": record.data})
    if set(record.datasets) <= set(recipe.datasets):
        return card
    description = (
        f"Trained by the recipe '{recipe.name}' on the images named here: it can't be"
        " expected to work on others. For research and annotation, not a medical device."
    )
    stated = {"training_data": record.data, "description": description, "licence": "not stated"}
    return card.model_copy(update=stated)


def _with_encoder(card: CardText, encoder: tuple[str, str] | None) -> CardText:
    """Return a card that says what the encoder began with."""
    if encoder is None:
        first = "Its encoder began with random weights, not with those from ImageNet."
        return card.model_copy(update={"description": f"{card.description} {first}".strip()})
    weights, licence = encoder
    stated = {
        "training_data": f"{card.training_data}; its encoder began with {weights}",
        "licence": joint_licence([card.licence, licence]),
    }
    return card.model_copy(update=stated)


def joint_licence(licences: Sequence[str]) -> str:
    """Return the licence of weights that learnt from all of these, the strictest first.

    Parameters
    ----------
    licences : sequence of str
        Of the model's own data, and of its parent, whose licence covers the models before it.
    """
    different = [one for one in dict.fromkeys(licences) if not _is_part(one, licences)]
    return "; ".join(sorted(different, key=_freedom))


def _is_part(licence: str, licences: Sequence[str]) -> bool:
    return any(licence != other and licence in other for other in licences)


def _freedom(licence: str) -> int:
    """Rank a licence by what it allows; the lowest allows least."""
    text = licence.lower()
    for rank, words in enumerate(_RESTRICTIONS):
        if any(word in text for word in words):
            return rank
    return len(_RESTRICTIONS)


def write_spec(model: ModelFolder) -> None:
    """Write a model's spec into its folder, and the card that is made of it."""
    text = model.spec.model_dump_json(indent=1) + "\n"
    write_atomically(model.path / CARD_FILE, card_markdown(model.spec).encode())
    write_atomically(model.path / SPEC_FILE, text.encode())
