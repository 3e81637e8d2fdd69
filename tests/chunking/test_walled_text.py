"""What a hostile text or picture costs, it costs a child: this process neither waits nor parses."""

from __future__ import annotations

import io
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from crossmodal.chunking.pieces import CutTools, Source
from crossmodal.chunking.rules import ChunkRules
from crossmodal.chunking.text import cut as text
from crossmodal.chunking.walled_picture import decode_walled
from crossmodal.errors import Refused
from crossmodal.models.image_preprocess import ImagePreprocess
from crossmodal.models.prepared_picture import prepare_walled
from crossmodal.pictures import decode as decoding
from tests.chunking.measures import wordpiece_measure

TAGS = st.sampled_from(["b", "i", "p", "div", "a", "table", "td", "ul", "li", "select", "svg", "x"])
TAG = st.tuples(st.booleans(), TAGS, st.integers(1, 400)).map(
    lambda parts: f"<{'/' if parts[0] else ''}{parts[1]}>" * parts[2]
)
MARKUP = st.lists(st.one_of(TAG, st.just("word "), st.just("<!--"), st.just("&")), max_size=25)


def outcome(data: bytes, max_seconds: float) -> str:
    source = Source("file:///a.html", "text/html", data)
    tools = CutTools(measure=wordpiece_measure())
    try:
        list(text.cut(source, ChunkRules(max_seconds=max_seconds), tools))
    except Refused as refusal:
        return refusal.reason
    return "cut"


def test_page_that_costs_quadratic_time_is_stopped_in_the_child() -> None:
    data = b"<b>" * 60_000 + b"</i>" * 60_000
    worked_s = time.process_time()
    assert outcome(data, 0.5) == "timed_out"
    assert time.process_time() - worked_s < 2


def test_what_took_too_long_may_be_tried_again() -> None:
    source = Source("file:///a.html", "text/html", b"<b>" * 60_000 + b"</i>" * 60_000)
    tools = CutTools(measure=wordpiece_measure())
    with pytest.raises(Refused) as caught:
        list(text.cut(source, ChunkRules(max_seconds=0.3), tools))
    assert caught.value.transient


@settings(deadline=None, max_examples=40)
@given(MARKUP.map("".join))
def test_mismatched_tags_are_cut_or_refused_with_a_reason(markup: str) -> None:
    assert outcome(markup.encode(), 20) in ("cut", "no_content", "too_many_chunks")


def encoded(size: tuple[int, int] = (60, 40)) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, "teal").save(buffer, "PNG")
    return buffer.getvalue()


def test_picture_is_decoded_in_another_process(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object) -> None:
        raise AssertionError("a picture was decoded in this process")

    monkeypatch.setattr(decoding, "_decode", never)
    decoded = decode_walled(encoded())
    assert (decoded.width, decoded.height, decoded.format) == (60, 40, "PNG")
    assert decoded.image.getpixel((0, 0)) == (0, 128, 128)
    preprocess = ImagePreprocess.from_config({"image_processor_type": "CLIPImageProcessor"})
    prepared = prepare_walled(encoded(), 89.5, preprocess, ChunkRules())
    assert len(prepared.pixels) == 224 * 224 * 3


def test_refusal_of_a_picture_arrives_as_it_was_made() -> None:
    for data in (b"", b"no picture", encoded()[:60]):
        with pytest.raises(Refused) as here:
            decoding.decode(data)
        with pytest.raises(Refused) as there:
            decode_walled(data)
        assert (there.value.reason, there.value.detail) == (here.value.reason, here.value.detail)
