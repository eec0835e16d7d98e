"""The Agreement dock: agreement between the two graders of a project."""
