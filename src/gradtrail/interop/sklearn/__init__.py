"""Estimators for scikit-learn. What is public is in `gradtrail.sklearn`."""

__all__: list[str] = []
