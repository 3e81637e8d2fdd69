"""Draw a small picture of a source, or of a place in it; runs in the parser's child process.

Owns how each kind of content is made visible: a picture as it is, a film by the frame of a moment,
a PDF by a page, sound by its wave. A file arrives open, because the child may open none of its
own. Every function yields one encoded picture.
"""

from __future__ import annotations

import io
import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, BinaryIO, NoReturn

from crossmodal.errors import Refused
from crossmodal.pictures.fractions import Fractions, pixels_of
from crossmodal.previews.content import bytes_of

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from av.container import InputContainer
    from PIL import Image


_JPEG_QUALITY = 82
_MAX_WAVE_S = 60.0
_WAVE_BARS = 64
_LEAST_SHARE = 0.05
"""Of a side: a picture is not decoded larger for a smaller part of it."""
_WAVE_COLOUR = "#8b8b95"


Opened = bytes | BinaryIO
"""A source's content, or the file that holds it, open for reading."""


def draw_picture(content: Opened, side_px: int, box: Fractions | None = None) -> Iterator[bytes]:
    """Yield an image, or the part of it that ``box`` tells in shares, within a square, as JPEG."""
    from crossmodal.pictures.decode import ImageLimits, decode

    share = 1.0 if box is None else min(box[2] - box[0], box[3] - box[1])
    # Twice the square: the last halving is left to the good filter, not to the JPEG decoder.
    limits = ImageLimits(min_side=math.ceil(2 * side_px / max(share, _LEAST_SHARE)))
    image = decode(bytes_of(content), limits).image
    yield jpeg(image.crop(pixels_of(box, image.size)) if box else image, side_px)


def draw_query(content: Opened, side_px: int) -> Iterator[tuple[int, int, bytes]]:
    """Yield width, height and RGB pixels of a whole image within a square of ``side_px``."""
    from PIL import Image

    from crossmodal.pictures.decode import ImageLimits, decode

    image = decode(bytes_of(content), ImageLimits(min_side=2 * side_px)).image
    image.thumbnail((side_px, side_px), Image.Resampling.LANCZOS)
    yield image.width, image.height, image.convert("RGB").tobytes()


def draw_frame(content: Opened, at_s: float, side_px: int) -> Iterator[bytes]:
    """Yield the frame that a film shows at a moment, as JPEG."""
    from PIL import Image

    from crossmodal.chunking.av_container import VIDEO_CONTAINERS
    from crossmodal.chunking.rules import ChunkRules
    from crossmodal.chunking.video.film import film_of
    from crossmodal.chunking.video.picture import picture_of

    with _container(_stream(content), VIDEO_CONTAINERS) as container:
        film = film_of(container, ChunkRules(), side_px)
        frame = _frame_at(container, film.stream, film.start_s + at_s, film.fps)
        yield jpeg(Image.fromarray(picture_of(frame, film.pixel_shape, 2 * side_px)), side_px)


def draw_page(content: Opened, page: int, box: Fractions | None, side_px: int) -> Iterator[bytes]:
    """Yield a page of a PDF, from 1, or the part of it that ``box`` tells in shares, as JPEG."""
    import pypdfium2

    from crossmodal.chunking.documents.items import Wishes
    from crossmodal.chunking.documents.pdf.render import draw_page as draw_whole
    from crossmodal.chunking.documents.pdf.render import draw_part

    wishes = Wishes(
        figures=True, page_images="always", max_pages=1, max_megapixels=20.0, min_side=side_px
    )
    try:
        document = pypdfium2.PdfDocument(bytes_of(content))
        drawn = document[page - 1]
        image = draw_part(drawn, box, wishes, None) if box else draw_whole(drawn, wishes)
    except (pypdfium2.PdfiumError, IndexError, ValueError) as error:
        raise Refused("damaged", f"page {page} cannot be drawn: {error}") from error
    yield jpeg(image, side_px)


def draw_wave(content: Opened, start_s: float, end_s: float, side_px: int) -> Iterator[bytes]:
    """Yield the loudness of a stretch of sound as bars on nothing, as PNG."""
    from PIL import Image, ImageDraw

    bars = _loudness(content, start_s, min(end_s, start_s + _MAX_WAVE_S))
    width, height = side_px, side_px // 2
    image = Image.new("RGBA", (width, height))
    pen, step = ImageDraw.Draw(image), width / _WAVE_BARS
    for number, loudness in enumerate(bars):
        reach = max(1.0, loudness * height * 0.46)
        left = number * step
        shape = (left, height / 2 - reach, left + max(1.0, step * 0.6), height / 2 + reach)
        pen.rectangle(shape, _WAVE_COLOUR)
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    yield buffer.getvalue()


def jpeg(image: Image.Image, side_px: int) -> bytes:
    """Return an RGB image within a square of ``side_px``, never enlarged, as JPEG."""
    from PIL import Image

    image.thumbnail((side_px, side_px), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=_JPEG_QUALITY, optimize=True)
    return buffer.getvalue()


def _stream(content: Opened) -> BinaryIO:
    return io.BytesIO(content) if isinstance(content, bytes) else content


def _container(file: BinaryIO, containers: str) -> InputContainer:
    """Open a container as indexing does, but without reading it whole."""
    import av

    av.logging.set_level(None)
    try:
        return av.open(
            file,
            "r",
            container_options={"format_whitelist": containers},
            metadata_errors="replace",
            io_open=_open_nothing,
        )
    except av.error.FFmpegError as error:
        raise Refused("decoder_error", f"the file cannot be opened: {error.strerror}") from error


def _open_nothing(url: str, *_: Any) -> NoReturn:
    raise PermissionError(f"a media file may not name another to be read: {url[:200]}")


def _frame_at(container: InputContainer, stream: Any, at_s: float, fps: float) -> Any:
    """Return the frame shown at a moment of the container's clock, or the last before it."""
    import av

    stream.thread_type = "AUTO"
    stream.codec_context.thread_count = 2
    shown = None
    try:
        container.seek(max(0, int(at_s * 1e6)))
    except av.error.FFmpegError:
        container.seek(0)
    try:
        for frame in container.decode(stream):
            shown = frame
            if frame.time is not None and frame.time >= at_s - 0.5 / fps:
                break
    except av.error.FFmpegError as error:
        if shown is None:
            raise Refused("decoder_error", f"no frame can be decoded: {error.strerror}") from error
    if shown is None:
        raise Refused("no_content", "there is no frame at that moment")
    return shown


def _loudness(content: Opened, start_s: float, end_s: float) -> npt.NDArray[np.float32]:
    """Return (_WAVE_BARS,) float32 root mean squares, the loudest 1."""
    import av
    import numpy as np

    from crossmodal.chunking.av_container import AUDIO_CONTAINERS

    sums, counts = np.zeros(_WAVE_BARS), np.full(_WAVE_BARS, 1e-9)
    with _container(_stream(content), AUDIO_CONTAINERS) as container:
        if not container.streams.audio:
            raise Refused("no_content", "the file holds no sound")
        container.seek(max(0, int(start_s * 1e6)))
        resampler = av.AudioResampler("flt", "mono", 8000)
        try:
            for frame in container.decode(audio=0):
                at_s = float(frame.time or 0.0)
                if at_s >= end_s:
                    break
                for part in resampler.resample(frame):
                    samples = part.to_ndarray().reshape(-1)
                    times = at_s + np.arange(len(samples)) / 8000
                    bar = ((times - start_s) / (end_s - start_s) * _WAVE_BARS).astype(int)
                    inside = (bar >= 0) & (bar < _WAVE_BARS)
                    np.add.at(sums, bar[inside], samples[inside] ** 2)
                    np.add.at(counts, bar[inside], 1)
        except av.error.FFmpegError as error:
            if not sums.any():
                raise Refused("decoder_error", f"no sound: {error.strerror}") from error
    loud: npt.NDArray[np.float32] = np.sqrt(sums / counts).astype(np.float32)
    return loud / np.float32(max(float(loud.max()), 1e-6))
