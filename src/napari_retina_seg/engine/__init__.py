"""Networks at work. The only rooms that import Keras or TensorFlow, and only inside functions."""
