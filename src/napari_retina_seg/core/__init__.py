"""Values and pure array functions: numpy, scipy, scikit-image and OpenCV only."""
