"""The Agreement dock: how well two readers of a project agree, and on which images they don't."""
