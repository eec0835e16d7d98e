"""The Correct dock and its tools."""
