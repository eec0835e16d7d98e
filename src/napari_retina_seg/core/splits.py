"""The sides on which the images of a data set may be: to learn from, to watch, to be judged by."""

from __future__ import annotations

from typing import Literal

SplitName = Literal["train", "val", "test"]
SPLITS: tuple[SplitName, ...] = ("train", "val", "test")
