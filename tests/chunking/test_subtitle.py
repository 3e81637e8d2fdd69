"""Cut subtitle files as they are met: three formats, many encodings, much carelessness."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from crossmodal.chunking.pieces import Flaw, Piece, Source
from crossmodal.chunking.rules import ChunkRules
from crossmodal.chunking.subtitles import cut as subtitle
from crossmodal.chunking.subtitles.cues import MAX_SPAN_S, clean_text
from crossmodal.errors import Refused
from tests.chunking.clips import tools


def cut(text: str | bytes, rules: ChunkRules | None = None, **lent) -> list[Piece | Flaw]:
    data = text.encode() if isinstance(text, str) else text
    source = Source("file:///films/clip.srt", "application/x-subrip", data)
    return list(subtitle.cut(source, rules or ChunkRules(), tools(**lent)))


def srt(*cues: tuple[float, float, str]) -> str:
    def clock(seconds: float) -> str:
        whole, milli = divmod(round(seconds * 1000), 1000)
        return f"{whole // 3600:02}:{whole // 60 % 60:02}:{whole % 60:02},{milli:03}"

    return "\n".join(
        f"{number}\n{clock(start)} --> {clock(end)}\n{text}\n"
        for number, (start, end, text) in enumerate(cues, 1)
    )


def shown(pieces):
    return [(one.position["start_s"], one.position["end_s"], one.text) for one in pieces]


def test_neighbouring_cues_become_one_passage() -> None:
    (piece,) = cut(srt((1, 2.5, "Once upon a time"), (3, 5, "there was a\nlittle ship.")))
    assert (piece.kind, piece.modality) == ("cue", "text")
    assert shown([piece]) == [(1.0, 5.0, "Once upon a time there was a little ship.")]
    assert piece.facts == {"format": "srt"}


def test_a_silence_parts_passages() -> None:
    pieces = cut(srt((0, 2, "Before."), (5.5, 7, "After.")))
    assert [piece.text for piece in pieces] == ["Before.", "After."]


def test_passages_are_short_in_time_and_do_not_overlap() -> None:
    pieces = cut(srt(*((at, at + 1.9, f"word {at}") for at in range(0, 120, 2))))
    spans = [(start, end) for start, end, _ in shown(pieces)]
    assert all(end - start <= MAX_SPAN_S for start, end in spans)
    assert all(end <= start for (_, end), (start, _) in pairwise(spans))
    assert 8 <= len(pieces) <= 12
    assert " ".join(piece.text for piece in pieces).count("word") == 60


def test_a_passage_ends_with_a_sentence_where_it_can() -> None:
    cues = [(at, at + 2, "It goes on." if at == 8 else "and so") for at in range(0, 24, 2)]
    assert cut(srt(*cues))[0].text.endswith("It goes on.")


def test_passages_hold_no_more_than_the_encoder_reads() -> None:
    cues = [(at, at + 1, f"seven words are in cue {at} here") for at in range(10)]
    pieces = cut(srt(*cues), max_tokens=20)
    assert all(len(piece.text.split()) <= 20 for piece in pieces)
    assert sum(len(piece.text.split()) for piece in pieces) == 70


def test_a_cue_longer_than_the_encoder_reads_is_divided_in_time_too() -> None:
    pieces = cut(srt((10, 20, "word " * 100)), max_tokens=30)
    assert sum(piece.text.count("word") for piece in pieces) == 100
    assert all(piece.text.count("word") <= 30 for piece in pieces)
    spans = [(start, end) for start, end, _ in shown(pieces)]
    assert (spans[0][0], spans[-1][1]) == (10.0, 20.0)
    assert all(end == start for (_, end), (start, _) in pairwise(spans))


def test_webvtt_is_read_without_its_notes_styles_and_settings() -> None:
    text = (
        "WEBVTT - a title\nKind: captions\n\nSTYLE\n::cue { color: red }\n\n"
        "NOTE made by hand\n\nintro\n00:01.000 --> 00:02.000 align:start position:0%\n"
        "<v Roger Bingham>We are in <c.yellow>New &amp; York</c>\n\n"
        "1:00:00.500 --> 1:00:01.500\n<00:00:00.560>Later"
    )
    pieces = cut(text)
    assert shown(pieces) == [
        (1.0, 2.0, "Roger Bingham: We are in New & York"),
        (3600.5, 3601.5, "Later"),
    ]
    assert pieces[0].facts == {"format": "vtt"}


def test_captions_that_roll_up_are_not_read_twice() -> None:
    text = (
        "WEBVTT\n\n00:00.000 --> 00:02.000\nhello and welcome\n\n"
        "00:02.000 --> 00:02.010\nhello and welcome\n\n"
        "00:02.010 --> 00:04.000\nhello and welcome\nto this show\n\n"
        "00:04.000 --> 00:06.000\nto this show\nabout ships\n"
    )
    (piece,) = cut(text)
    assert piece.text == "hello and welcome to this show about ships"


def test_substation_dialogue_is_read_without_comments_and_drawings() -> None:
    text = (
        "[Script Info]\nTitle: x\n\n[Events]\n"
        "Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text\n"
        "Dialogue: 0,0:00:01.00,0:00:02.50,Default,,0,0,0,,{\\i1}Well,{\\i0} yes\\Nindeed\n"
        "Comment: 0,0:00:03.00,0:00:04.00,Default,,0,0,0,,hidden\n"
        "Dialogue: 0,0:00:03.00,0:00:04.00,Default,,0,0,0,,{\\p1}m 0 0 l 1 1\n"
    )
    pieces = cut(text)
    assert shown(pieces) == [(1.0, 2.5, "Well, yes indeed")]
    assert pieces[0].facts == {"format": "ass"}


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("utf-8-sig", "Déjà vu"),
        ("utf-16", "Déjà vu"),
        ("utf-16-le", "Déjà vu"),
        ("cp1252", "Où sont les élèves ?"),
        ("cp1251", "Привет, как дела? Я пришёл домой."),
        ("cp1256", "سلام، حال شما چطور است؟ من به خانه آمدم"),
        ("gb18030", "你好,你今天怎么样?我回家了。"),
        ("shift_jis", "こんにちは、お元気ですか。"),
        ("euc_kr", "안녕하세요 오늘 어떻게 지내세요"),
    ],
)
def test_encodings_are_recognised(encoding: str, text: str) -> None:
    (piece,) = cut(srt((0, 2, text)).encode(encoding))
    assert piece.text == text


def test_careless_files_are_read_as_they_are_meant() -> None:
    text = (
        "1\r\n0:00:01.5-->0:00:02\r\nno blanks\r\n2\r\n"
        "00:00:02,000  -->  00:00:03,000  X1:100\r\nno gap\r\n\r\n"
        "3\r\n00:00:03,000 --> 00:00:04,000\r\na --> b\r\n"
    )
    (piece,) = cut(text)
    assert shown([piece]) == [(1.5, 4.0, "no blanks no gap a --> b")]


def test_cues_out_of_order_are_put_in_order() -> None:
    assert [piece.text for piece in cut(srt((10, 11, "second"), (1, 2, "first")))] == [
        "first",
        "second",
    ]


def test_impossible_cues_are_counted_and_the_others_kept() -> None:
    text = srt((0, 1, "good"), (9, 5, "backwards")) + "\n4\nsoon --> later\nwhen?\n"
    piece, flaw = cut(text)
    assert piece.text == "good"
    assert isinstance(flaw, Flaw)
    assert (flaw.reason, flaw.detail) == (
        "bad_timing",
        "2 cues without possible times (lines 6, 10)",
    )


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b"just some words\nin lines\n", "no_content"),
        (b"WEBVTT\n\n", "no_content"),
        (b"1\n9:9 --> 8:8\nx\n", "no_content"),
        (bytes(range(32)) * 100, "binary"),
        (b"\0" * 4000, "binary"),
    ],
)
def test_what_holds_no_subtitles_is_refused(data: bytes, reason: str) -> None:
    with pytest.raises(Refused) as caught:
        cut(data)
    assert caught.value.reason == reason


def test_too_many_passages_are_refused() -> None:
    with pytest.raises(Refused, match="too_many_chunks"):
        cut(srt(*((at * 10, at * 10 + 1, "x") for at in range(5))), ChunkRules(max_chunks=4))


def test_text_that_only_looks_like_a_tag_stays() -> None:
    assert clean_text("3 < 4 and 5 > 2, {sic}") == "3 < 4 and 5 > 2, {sic}"
    assert clean_text("<font color='red'>red</font>\n\n  two   words ") == "red\ntwo words"


def test_real_subtitles_are_read_whole(shared_data: Path) -> None:
    paths = sorted((shared_data / "video").glob("*.srt"))
    assert len(paths) == 7
    for path in paths:
        pieces = cut(path.read_bytes())
        assert all(isinstance(piece, Piece) for piece in pieces)
        assert len(pieces) >= 1
    slides = cut((shared_data / "video" / "slides_dev_0.srt").read_bytes())
    assert slides[0].text.startswith("A black and white dog balances on a wooden plank .")
