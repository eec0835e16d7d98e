"""Mask layers in the viewer: editing, comparing and converting them, shared by the docks."""
