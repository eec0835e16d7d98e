"""Inference, explanation and training; the only package that imports Keras or TensorFlow."""
