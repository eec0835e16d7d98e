"""Run networks on images, and score the results. Imports TensorFlow on first use."""
