"""Errors shown to users: one sentence on what was wrong and what to do."""


class RetinaSegError(Exception):
    """Base class of all errors shown to users.

    It does not descend from ``RuntimeError``: superqt's generator workers swallow those.
    """


class ImageError(RetinaSegError):
    """Pixels that can't be segmented: wrong shape, wrong type, or blank."""


class ReadError(RetinaSegError):
    """A file that can't be read as an image."""


class WriteError(RetinaSegError):
    """A result that can't be written."""


class ModelError(RetinaSegError):
    """A model folder that is incomplete, altered or does not fit the image."""


class UnfitImageError(ImageError, ModelError):
    """An image of another modality than the model is for."""


class TrainingError(RetinaSegError):
    """A training that can't succeed."""


class DataError(RetinaSegError):
    """Training or test data that does not pair up."""


class ProjectError(RetinaSegError):
    """An annotation project that can't be opened or saved, or a request that it refuses."""


class ServerAwayError(ProjectError):
    """The server with the records of a project can't be reached at present."""


class PasswordError(ProjectError):
    """A server wants a password, or another one.

    Parameters
    ----------
    reason : str
        Which of them, without a full stop.
    database : str
        Address of the database, without a password.
    """

    def __init__(self, reason: str, database: str) -> None:
        super().__init__(reason, database)
        self.reason, self.database = reason, database

    def __str__(self) -> str:
        return (
            f"{self.reason}: enter it with 'napari-retina-seg project password', or in the file"
            " .pgpass of your home folder."
        )


class SavedLocallyError(ServerAwayError):
    """Unsaved work waits on this computer until the server is back; nothing is lost."""


class TooEarlyError(ProjectError):
    """A step that has to be done first is missing; nothing went wrong."""


class OutsideError(ReadError, ProjectError, DataError):
    """A path in a file that leads out of the folder it belongs to."""
