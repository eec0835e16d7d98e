"""What the members of a shared study may do."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

MEMBER = "member"  # what a session knows of who has opened it


class Role(StrEnum):
    """Role of a member; the owner of the tables has none, and may do everything."""

    GRADER = "grader"
    ADJUDICATOR = "adjudicator"  # who also grades
    READER = "reader"


@dataclass(frozen=True)
class Member:
    """Somebody who works on a study by a login of their own, as the server enforces it.

    Attributes
    ----------
    login : str
        Name of the login on the server.
    name : str
        The person's name in the study, with which all their versions are saved.
    role : Role
        What they may do.
    """

    login: str
    name: str
    role: Role
