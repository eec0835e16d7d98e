"""The Improve dock: a better model from the corrections of a project."""
