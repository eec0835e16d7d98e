"""Batch normalisation that short trainings can follow."""

# Of running statistics. Keras' 0.99 needs a thousand steps to forget how it began, and a short
# training on few images is over before: its network then works in training only.
MOMENTUM = 0.9
