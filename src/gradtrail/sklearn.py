"""Convolutional networks as scikit-learn's estimators; see docs/sklearn.md.

This module needs scikit-learn. No other part of gradtrail does.
"""

from __future__ import annotations

from importlib.util import find_spec

from .errors import MissingPackageError

if find_spec("sklearn") is None:
    raise MissingPackageError("gradtrail.sklearn needs scikit-learn: pip install scikit-learn")

from .interop.sklearn.classifier import CNNClassifier
from .interop.sklearn.regressor import CNNRegressor

__all__ = ["CNNClassifier", "CNNRegressor"]
