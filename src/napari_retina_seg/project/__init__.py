"""Annotation projects: a folder with images, every version of their masks, and who made them."""
