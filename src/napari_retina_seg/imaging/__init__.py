"""Images and masks as arrays: field of view, preprocessing, tiles, surfaces, pictures."""
