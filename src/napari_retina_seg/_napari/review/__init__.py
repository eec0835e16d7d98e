"""The Review dock: a project, its queue, and the image that is worked on."""
