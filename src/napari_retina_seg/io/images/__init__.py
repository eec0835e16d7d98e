"""Read image files: one module per format."""
