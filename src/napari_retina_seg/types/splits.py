"""The splits of a data set: training, validation and test."""

from __future__ import annotations

from typing import Literal

SplitName = Literal["train", "val", "test"]
SPLITS: tuple[SplitName, ...] = ("train", "val", "test")
