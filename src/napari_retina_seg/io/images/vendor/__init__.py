"""Read what OCT devices write in formats of their own: one module per format."""
