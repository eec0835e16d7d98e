"""The dock that takes masks out of a project and into it."""
