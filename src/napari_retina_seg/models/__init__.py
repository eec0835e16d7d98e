"""Model specs, folders and cards; nothing here runs a network."""
