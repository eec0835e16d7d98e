"""Model folders: those in the package, and those a user added by path."""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import platformdirs
from pydantic import ValidationError

from napari_retina_seg.io.atomic import write_atomically
from napari_retina_seg.models.spec import ModelSpec
from napari_retina_seg.types.choices import member
from napari_retina_seg.types.errors import ModelError, RetinaSegError
from napari_retina_seg.types.image import Modality

SPEC_FILE = "spec.json"
WEIGHTS_FILE = "model.weights.h5"
CARD_FILE = "card.md"
BUNDLED = Path(__file__).parent / "bundled"
# The models that are offered first, in this order, by what they are for.
SHORT_NAMES = {
    "oct-layers": "resunet-tian2015-phantoms",
    "fundus-vessels": "resunet-chasedb1-hrf-idrid",
    "oct-lesions": "resunet-kermany2018",
}
# Until version 0.2 most were called like the published systems whose recipes they follow. Two were
# trained further, on more data.
FORMER_NAMES = {
    "efficientnetb0-unet": "efficientnetb0-unet-chasedb1",
    "resunet-chasedb1-hrf": "resunet-chasedb1-hrf-idrid",
    "resunet-tian2015": "resunet-tian2015-phantoms",
    "segnet-duke": "segnet-tian2015",
    "unet-drive": "unet-chasedb1",
    "unet-drive-noaug": "unet-chasedb1-noaug",
    "unet-octid": "unet-tian2015",
}


@dataclass(frozen=True)
class ModelFolder:
    """A model on disk whose spec was read; the weights are checked when they are loaded.

    Attributes
    ----------
    path : Path
        The folder.
    spec : ModelSpec
        What the model is.
    """

    path: Path
    spec: ModelSpec

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle a model of the package by its place there, which differs between computers."""
        if self.path.parent == BUNDLED:
            return _bundled, (self.path.name, self.spec)
        return ModelFolder, (self.path, self.spec)

    @property
    def name(self) -> str:
        """Name of the model."""
        return self.spec.name

    @property
    def weights(self) -> Path:
        """The file with the weights."""
        return self.path / WEIGHTS_FILE

    def check_weights(self) -> None:
        """Raise `ModelError` if the weights are missing, cut or altered."""
        try:
            digest = hashlib.sha256(self.weights.read_bytes()).hexdigest()
        except FileNotFoundError as error:
            raise ModelError(
                f"The model folder '{self.path}' has no {WEIGHTS_FILE}: copy the whole folder."
            ) from error
        except OSError as error:
            raise ModelError(f"'{self.weights}' can't be read: {error.strerror}.") from error
        if digest != self.spec.weights_sha256:
            raise ModelError(
                f"The weights of '{self.name}' in '{self.path}' are not those its {SPEC_FILE}"
                " names (cut short or altered): copy the model folder again."
            )


ModelLike = str | Path | ModelFolder


def _bundled(name: str, spec: ModelSpec) -> ModelFolder:
    return ModelFolder(BUNDLED / name, spec)


def open_model(path: Path) -> ModelFolder:
    """Open a model folder; nothing in it is executed.

    Raises
    ------
    ModelError
        If the folder is not a model folder, its spec is wrong, or its weights are not the spec's.
    """
    folder = _read_folder(path)
    folder.check_weights()
    return folder


def _read_folder(path: Path) -> ModelFolder:
    try:
        content = (path / SPEC_FILE).read_bytes()
    except FileNotFoundError as error:
        raise ModelError(
            f"'{path}' is not a model folder: it needs {SPEC_FILE} and {WEIGHTS_FILE}."
        ) from error
    except OSError as error:
        raise ModelError(f"'{path / SPEC_FILE}' can't be read: {error}.") from error
    return ModelFolder(path, read_spec(content, path / SPEC_FILE))


def read_spec(content: bytes, path: Path) -> ModelSpec:
    """Read a model's spec.

    Parameters
    ----------
    content : bytes
        Of a file ``spec.json``.
    path : Path
        Where it is, for messages.

    Raises
    ------
    ModelError
        If it is wrong.
    """
    try:
        return ModelSpec.model_validate_json(content.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise ModelError(f"'{path}' can't be read: {error}.") from error
    except RetinaSegError as error:  # a value of the core that refused itself
        raise ModelError(f"'{path}' is not a valid model spec: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "its syntax"
        raise ModelError(f"'{path}' is not a valid model spec: {where}: {first['msg']}.") from error


def list_models(modality: Modality | str | None = None) -> tuple[ModelFolder, ...]:
    """List the models that can be used, the package's own first.

    Parameters
    ----------
    modality : Modality or str, optional
        Leave out those for other images; with None or UNKNOWN all are listed.

    Returns
    -------
    tuple of ModelFolder
        Folders that were added and can't be read any more are left out.

    Raises
    ------
    ModelError
        If there is no such modality.

    Examples
    --------
    >>> import napari_retina_seg as rs
    >>> [model.name for model in rs.list_models(rs.Modality.OCT)][0]
    'resunet-tian2015-phantoms'
    """
    wanted = Modality.UNKNOWN
    if modality is not None:
        wanted = member(Modality, modality, "modality", ModelError)
    models = [_read_folder(path.parent) for path in sorted(BUNDLED.glob(f"*/{SPEC_FILE}"))]
    first = [*SHORT_NAMES.values()]
    models.sort(key=lambda one: first.index(one.name) if one.name in first else len(first))
    for path in added_paths():
        try:
            models.append(_read_folder(path))
        except ModelError:
            continue
    return tuple(model for model in models if wanted in (Modality.UNKNOWN, model.spec.modality))


def current_name(name: str) -> str:
    """Return the name of a model today, for a name of now or of earlier versions."""
    return (SHORT_NAMES | FORMER_NAMES).get(name, name)


def rename_notice(name: str) -> str:
    """Return a sentence on a model that was renamed; empty if this one was not."""
    if name not in FORMER_NAMES:
        return ""
    return f"The model '{name}' is now called '{FORMER_NAMES[name]}', after what it learnt from."


def find_model(name: str | Path) -> ModelFolder:
    """Find a model by its name, or open it by the path of its folder.

    Names of earlier versions still work, with a `FutureWarning`.

    Raises
    ------
    ModelError
        If there is none; the message lists those there are.
    """
    models = list_models()
    for model in models:
        if model.name == current_name(str(name)):
            if notice := rename_notice(str(name)):
                warnings.warn(notice, FutureWarning, stacklevel=2)
            return model
    if Path(name).is_dir():
        return open_model(Path(name))
    known = ", ".join([*SHORT_NAMES, *(model.name for model in models)])
    raise ModelError(f"There is no model '{name}': use one of {known}, or a model folder's path.")


def load_model(model: ModelLike) -> ModelFolder:
    """Open a model and verify its weights.

    Its network is built when it is first used, and kept for the next time.

    Parameters
    ----------
    model : str, Path or ModelFolder
        Name of a model, path of a model folder, or ``"oct-layers"``,
        ``"fundus-vessels"`` and ``"oct-lesions"`` for the models that are offered first.

    Returns
    -------
    ModelFolder
        With its `spec`: classes, preprocessing, training record.

    Raises
    ------
    ModelError
        If there is none, its files are broken, or the weights are not those its spec names.

    Examples
    --------
    >>> import napari_retina_seg as rs
    >>> model = rs.load_model("oct-layers")
    >>> model.name, model.spec.scheme.classes[1].abbreviation
    ('resunet-tian2015-phantoms', 'RNFL')
    """
    if not isinstance(model, ModelFolder):
        model = find_model(model)
    model.check_weights()
    return model


def default_model(modality: Modality) -> ModelFolder:
    """Return the first model for images of a modality."""
    if modality is Modality.UNKNOWN:
        raise ModelError("Cannot tell whether the image is OCT or fundus: set its modality.")
    models = list_models(modality)
    if not models:
        raise ModelError(f"There is no model for {modality.value} images.")
    return models[0]


def add_model(path: Path) -> ModelFolder:
    """Check a model folder and remember its path for `list_models`."""
    model = open_model(path.expanduser().resolve())
    check_name_free(model.name, model.path)
    _remember([*(other for other in added_paths() if other != model.path), model.path])
    return model


def check_name_free(name: str, path: Path) -> None:
    """Raise `ModelError` if a model in another folder than `path` has this name."""
    taken = {other.name: other.path for other in list_models()}
    there = taken.get(current_name(name), path)
    if there != path:
        raise ModelError(
            f"There is already a model '{name}', in '{there}': train with"
            f" --set name=… to give it a name of its own, or change the name in {SPEC_FILE}."
        )


def remove_model(name: str) -> Path:
    """Take a model that was added from the list; its folder stays as it is.

    Parameters
    ----------
    name : str
        Its name, or the path of its folder if that can't be read any more.

    Returns
    -------
    Path
        Its folder.

    Raises
    ------
    ModelError
        If no such model was added.
    """
    by_name = {model.name: model.path for model in list_models()}
    path = by_name.get(current_name(name), Path(name).expanduser().resolve())
    paths = added_paths()
    if path not in paths:
        why = "comes with the program" if path.is_relative_to(BUNDLED) else "was not added"
        raise ModelError(f"'{name}' {why}, so it can't be taken from the list.")
    _remember(other for other in paths if other != path)
    return path


def added_paths() -> list[Path]:
    """Return the folders that were added by path."""
    try:
        return [Path(path) for path in json.loads(_list_file().read_text(encoding="utf-8"))]
    except (OSError, ValueError, TypeError):
        return []


def _remember(paths: Iterable[Path]) -> None:
    text = json.dumps([str(path) for path in paths], indent=1)
    write_atomically(_list_file(), text.encode())


def _list_file() -> Path:
    return Path(platformdirs.user_config_dir("napari-retina-seg")) / "models.json"
