"""Whether an error says that memory is short, on any of Keras' backends."""

from __future__ import annotations

_NAMES = frozenset({"ResourceExhaustedError", "OutOfMemoryError"})  # TensorFlow's, PyTorch's
_WORDS = ("resource_exhausted", "out of memory", "oom when allocating", "bad_alloc")


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether memory ran short, be it the computer's or the graphics card's.

    Parameters
    ----------
    error : BaseException
        What a step raised. TensorFlow, PyTorch and JAX have classes of their own, which are told
        by name here, so that none of them has to be imported.
    """
    if isinstance(error, MemoryError) or type(error).__name__ in _NAMES:
        return True
    text = str(error).lower()
    return isinstance(error, RuntimeError) and any(word in text for word in _WORDS)
