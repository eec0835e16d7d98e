"""The Export and import dock."""
