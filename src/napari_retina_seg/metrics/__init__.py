"""Scores of masks, agreement of graders, calibration, bootstrap intervals."""
