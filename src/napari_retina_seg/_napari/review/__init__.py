"""The Review dock: a project, its queue and the open image."""
