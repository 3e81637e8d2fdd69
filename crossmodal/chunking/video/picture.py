"""Turn a decoded frame into the picture that a viewer would see, or into a thumbnail to compare.

Owns colour, pixel shape, rotation and scale of frames; refuses to choose frames. Runs in the
parser's child process.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from av.video.frame import VideoFrame
    from av.video.reformatter import VideoReformatter

    from crossmodal.chunking.video.shots import Signature

_WIDTH, _HEIGHT = 64, 36
_BT709, _UNSPECIFIED_COLOURS = 1, (0, 2)
# Films that do not say follow the broadcast rule: high definition is BT.709.
_HIGH_DEFINITION_ROWS = 720
_MAX_STRETCH = 8.0
_MATRIX_VALUES = 9


def signature_of(frame: VideoFrame, reformatter: VideoReformatter) -> Signature:
    """Return luma and colour differences of a 64 x 36 thumbnail, (3, 36, 64) int16."""
    small = reformatter.reformat(frame, _WIDTH, _HEIGHT, "yuv444p", interpolation="FAST_BILINEAR")
    planes = [
        np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)[:_HEIGHT, :_WIDTH]
        for plane in small.planes
    ]
    return np.stack(planes).astype(np.int16)


def picture_of(frame: VideoFrame, pixel_shape: float, side_px: int | None) -> npt.NDArray[np.uint8]:
    """Return the upright picture, (h, w, 3) uint8 RGB.

    ``pixel_shape`` is the width of a pixel over its height. With ``side_px`` the shorter side comes
    out at that, if it was longer.
    """
    width, height = shown_size(frame.width, frame.height, pixel_shape)
    shorter = min(width, height)
    if side_px and shorter > side_px:
        scale = side_px / shorter
        width, height = max(1, round(width * scale)), max(1, round(height * scale))
    is_bt709 = frame.colorspace in _UNSPECIFIED_COLOURS and frame.height >= _HIGH_DEFINITION_ROWS
    rgb = frame.reformat(
        width,
        height,
        "rgb24",
        src_colorspace=_BT709 if is_bt709 else None,
        interpolation="BICUBIC",
    )
    return np.ascontiguousarray(_upright(rgb.to_ndarray().astype(np.uint8, copy=False), frame))


def shown_size(width: int, height: int, pixel_shape: float) -> tuple[int, int]:
    """Return the size at which pixels are square: never fewer of them than are stored."""
    stretch = min(max(pixel_shape, 1 / _MAX_STRETCH), _MAX_STRETCH)
    if stretch >= 1:
        return round(width * stretch), height
    return width, round(height / stretch)


def is_turned(frame: VideoFrame) -> bool:
    """Return whether a viewer sees the frame's rows as columns."""
    matrix = _display_matrix(frame)
    return matrix is not None and abs(int(matrix[0])) < abs(int(matrix[1]))


def _upright(picture: npt.NDArray[np.uint8], frame: VideoFrame) -> npt.NDArray[np.uint8]:
    """Apply the display matrix, of which cameras write quarter turns and mirror images only."""
    matrix = _display_matrix(frame)
    if matrix is None:
        return picture
    if is_turned(frame):
        picture = picture.transpose(1, 0, 2)
        right, down = int(matrix[3]), int(matrix[1])
    else:
        right, down = int(matrix[0]), int(matrix[4])
    if right < 0:
        picture = picture[:, ::-1]
    return picture[::-1] if down < 0 else picture


def _display_matrix(frame: VideoFrame) -> npt.NDArray[np.int32] | None:
    side_data: Any = frame.side_data
    data = side_data.get("DISPLAYMATRIX")
    matrix = np.frombuffer(bytes(data or b""), np.int32)
    return matrix if len(matrix) == _MATRIX_VALUES else None
