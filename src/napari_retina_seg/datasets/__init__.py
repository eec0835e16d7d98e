"""Training and test data: layouts, splits by patient and eye, augmentation, checks."""
