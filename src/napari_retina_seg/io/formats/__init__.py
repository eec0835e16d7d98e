"""Exchange masks with other programs, with classes, pixel sizes and authors."""
