"""What a model is, without running it: specs, folders, cards."""
