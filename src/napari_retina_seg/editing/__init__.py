"""Edits of masks and boundary lines, independent of any window."""
