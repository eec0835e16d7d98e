"""The napari plugin: readers, samples and widgets; the only package that uses napari and Qt."""
