"""The errors a user may see: each is one sentence that says what was wrong and what to do."""


class RetinaSegError(Exception):
    """Base of every error that is meant to be read by a user.

    It does not descend from ``RuntimeError``: superqt's generator workers swallow those.
    """


class ImageError(RetinaSegError):
    """Pixels that can't be segmented: wrong shape, wrong type, nothing in them."""


class ReadError(RetinaSegError):
    """A file that can't be read as an image."""


class WriteError(RetinaSegError):
    """A result that can't be written where it should go."""


class ModelError(RetinaSegError):
    """A model folder that is incomplete, altered or does not fit the image."""


class UnfitImageError(ImageError, ModelError):
    """An image of another kind than the model is for; nothing is wrong with either."""


class TrainingError(RetinaSegError):
    """A training that can't come to anything."""


class DataError(RetinaSegError):
    """Training or test data that does not pair up."""


class ProjectError(RetinaSegError):
    """An annotation project that can't be opened or kept, or work that does not fit it."""


class TooEarlyError(ProjectError):
    """Something that somebody has to do first; nothing has gone wrong."""
