"""Explain masks by class activation maps."""
