"""The plugin: readers, samples and widgets; the only rooms that know napari and Qt."""
