"""From five points of a face to an upright picture of it: similarity transforms onto fixed templates."""

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]
"""(5, 2): right eye, left eye, nose, right and left corner of the mouth, as x, y in pixels."""

TEMPLATE_112: Points = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]]
)
"""The common template of 112-pixel face recognition nets (ArcFace, SFace)."""

WARP_SIZE = 250
_WARP_ZOOM = 1.76  # the 112-pixel crop of SFace and the chips for age and gender lie inside the warp
_CHIP_ZOOM = 1.193
_CHIP_CENTRE = np.array([0.5, 0.33])


def warp_points() -> Points:
    """Where the five points lie in a stored sample of 250 x 250."""
    return (TEMPLATE_112 - 56.0) * _WARP_ZOOM + WARP_SIZE / 2


def chip_points(size: int) -> Points:
    """Where the five points lie in a chip of the age and gender nets, `size` pixels a side.

    The nets were trained on dlib's chips with padding 0.2; measured: a chip too wide costs 15 years.
    """
    return ((TEMPLATE_112 - 56.0) * _CHIP_ZOOM / 112.0 + _CHIP_CENTRE) * size


def similarity_transform(source: Points, target: Points) -> NDArray[np.float64]:
    """(2, 3) matrix of rotation, one scale and shift that maps `source` to `target` with least squared error.

    Closed form of Umeyama (1991) in the plane, without reflection; exact and deterministic, unlike the
    sampling estimators of OpenCV.
    """
    centre, goal = source.mean(axis=0), target.mean(axis=0)
    a, b = source - centre, target - goal
    spread = float((a**2).sum()) or 1.0
    cosine = float((a * b).sum()) / spread
    sine = float((a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]).sum()) / spread
    turn = np.array([[cosine, -sine], [sine, cosine]])
    return np.column_stack([turn, goal - turn @ centre])
