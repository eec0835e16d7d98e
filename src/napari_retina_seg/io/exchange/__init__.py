"""Masks to the formats of other programs and back, with classes, sizes and who made them."""
