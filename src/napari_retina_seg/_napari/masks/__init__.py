"""Masks in the viewer: how they are changed, compared and read, whichever dock does it."""
