"""Tell whether two images are of one patient without keeping who that is."""

from __future__ import annotations

import hmac
import re
import secrets

_KEY = secrets.token_bytes(32)  # of this run of the program; stored nowhere

# What stands for an ID that was removed or never given, without spaces and punctuation.
_PLACEHOLDERS = frozenset(
    [
        *("anon", "anonym", "anonymous", "anonymised", "anonymized", "deidentified", "removed"),
        *("unknown", "unbekannt", "none", "null", "nil", "na", "noid", "id", "patient"),
        "patientid",
    ]
)


def patient_token(stated: str) -> str:
    """Return a text that is the same for the same patient until the program ends.

    HMAC-SHA-256 (RFC 2104) with a key that each run of the program draws anew: the patient can't be
    found from it, not even by trying all IDs.

    Parameters
    ----------
    stated : str
        The patient's ID as the file states it; spaces around it and case make no difference.

    Returns
    -------
    str
        Empty if there is no ID, or what is often written in its place: "ANONYMOUS", "0".

    Examples
    --------
    >>> patient_token("0017 ") == patient_token("0017"), patient_token(" "), patient_token("0")
    (True, '', '')
    """
    plain = " ".join(stated.split()).casefold()
    letters = re.sub(r"[\W_]", "", plain)
    if not letters.strip("0x") or letters in _PLACEHOLDERS:
        return ""
    return hmac.new(_KEY, plain.encode(), "sha256").hexdigest()
