"""Images in another size, by bilinear interpolation between pixel centres."""

from __future__ import annotations

import numpy as np

from ..checking.arguments import positive
from ..checking.calls import call_example, in_short
from ..errors import DataError


@call_example("gt.data.enlarged(x, 32, 32)")
def enlarged(x: np.ndarray, height: int, width: int | None = None) -> np.ndarray:
    """Images at least as large as before.

    Each new pixel lies between the centres of old ones and takes their mean, weighted by nearness;
    beyond the outermost centres the edge goes on.

    Args:
        x: (N, C, H, W).
        height: at least H.
        width: at least W; None for as many columns as rows.

    Returns:
        (N, C, height, width), of the same dtype.

    Raises:
        DataError: not four axes, or a smaller size.
    """
    width = height if width is None else width
    positive("enlarged", height=height, width=width)
    if getattr(x, "ndim", None) != 4 or x.shape[2] > height or x.shape[3] > width:
        raise DataError(
            f"enlarged takes images (N, C, H, W) no larger than {height} × {width}, got "
            f"{in_short(x)}"
        )
    rows, columns = _weights(x.shape[2], height), _weights(x.shape[3], width)
    resized = np.einsum("nchw,yh,xw->ncyx", x, rows, columns, optimize=True)
    return np.asarray(resized, dtype=x.dtype)


def _weights(old: int, new: int) -> np.ndarray:
    """Row y holds how much each old position adds to new position y; each row sums to 1."""
    place = np.clip((np.arange(new) + 0.5) * old / new - 0.5, 0, old - 1)
    return np.asarray(np.maximum(0, 1 - np.abs(place[:, None] - np.arange(old)[None, :])))
