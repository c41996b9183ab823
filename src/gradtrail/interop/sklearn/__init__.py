"""Estimators for scikit-learn. What is public is in `gradtrail.sklearn`."""
