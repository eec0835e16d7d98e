"""The Correct dock, and what it changes masks with."""
