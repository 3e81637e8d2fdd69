"""Hits as tables of other libraries, as text, and in a notebook."""

from __future__ import annotations

import io
import json
import pickle
import re
import sys
from base64 import b64decode
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from PIL import Image

import crossmodal
from crossmodal.errors import ExtraMissing
from crossmodal.face.notebook import MAX_ROWS
from tests.face.conftest import HOSTILE, NUM_PICTURES, SAID, Album

ALLOWED = {"div", "p", "em", "strong", "table", "thead", "tbody", "tr", "th", "td", "img"}


class Seen(HTMLParser):
    """Note the tags, attributes and words of a page as a browser would read them."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.sources: list[str] = []
        self.names: set[str] = set()
        self.words = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.names |= {name for name, _ in attrs}
        self.sources += [value or "" for name, value in attrs if name == "src"]

    def handle_data(self, data: str) -> None:
        self.words += data + "\n"


@pytest.fixture(scope="module")
def hits(album: Album) -> crossmodal.Hits:
    return album.opened.search("a <b>boat</b>", k=30)


def seen(hits: crossmodal.Hits) -> Seen:
    page = Seen()
    page.feed(hits._repr_html_())
    return page


def test_hits_become_an_arrow_table_and_a_daft_frame(hits: crossmodal.Hits) -> None:
    table = hits.to_arrow()
    assert table["path"].to_pylist() == [hit.path for hit in hits]
    assert table["modified"].to_pylist() == [hit.modified for hit in hits]
    assert json.loads(table["meta"][0].as_py()) == hits[0].meta
    assert hits.to_daft().to_pydict()["chunk_id"] == [hit.chunk_id for hit in hits]
    assert hits[:0].to_arrow().schema == table.schema


def test_hits_become_a_pandas_frame_with_a_row_each(hits: crossmodal.Hits) -> None:
    pytest.importorskip("pandas", reason="pandas is not installed")
    frame, table = hits.to_pandas(), hits.to_arrow()
    assert list(frame.columns) == table.column_names
    assert list(frame["path"]) == [hit.path for hit in hits]
    assert list(frame["score"]) == [hit.score for hit in hits]
    assert [time.to_pydatetime() for time in frame["modified"]] == [hit.modified for hit in hits]
    assert hits[:0].to_pandas().empty


def test_pandas_is_asked_for_by_name_where_it_is_missing(
    hits: crossmodal.Hits, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ExtraMissing, match="pip install pandas"):
        hits.to_pandas()


def test_hits_outlive_a_pickle(hits: crossmodal.Hits) -> None:
    assert pickle.loads(pickle.dumps(hits)) == hits


def test_hits_print_as_a_table_and_are_named_shortly(hits: crossmodal.Hits) -> None:
    assert "picture_0001.png" in str(hits).replace("\n", "").replace(" ", "")
    assert repr(hits) == f"<{len(hits)} hits of 'a <b>boat</b>'>"


def test_control_characters_of_a_name_do_not_reach_the_terminal(hits: crossmodal.Hits) -> None:
    nasty = replace(hits[0], path="/a\x1b[31m\nb.png")
    assert "\x1b" not in str(replace(hits, found=(nasty,), query="q\x1b[0m"))


def test_notebook_shows_a_small_picture_of_each_picture(hits: crossmodal.Hits) -> None:
    sources = seen(hits).sources
    assert len(sources) == NUM_PICTURES
    for source in sources:
        kind, data = re.fullmatch(r"data:image/(jpeg|png);base64,(.+)", source).groups()
        with Image.open(io.BytesIO(b64decode(data))) as picture:
            assert picture.format == kind.upper()
            assert max(picture.size) <= 96


def test_what_files_are_called_and_say_is_only_text_in_a_notebook(hits: crossmodal.Hits) -> None:
    page = seen(hits)
    assert set(page.tags) <= ALLOWED
    assert page.names <= {"alt", "style", "src"}
    assert HOSTILE in page.words
    assert SAID in page.words
    assert "a <b>boat</b>" in page.words


def test_a_picture_that_is_gone_or_damaged_leaves_its_row(
    hits: crossmodal.Hits, tmp_path_factory: pytest.TempPathFactory
) -> None:
    damaged = tmp_path_factory.mktemp("damaged") / "picture.png"
    damaged.write_bytes(b"\x89PNG no more")
    pictured = next(hit for hit in hits if hit.modality == "image")
    found = tuple(replace(pictured, path=path) for path in ("/nowhere.png", str(damaged)))
    page = seen(replace(hits, found=found))
    assert page.sources == []
    assert "/nowhere.png" in page.words


def test_a_notebook_shows_only_so_many_rows_and_tells_of_the_rest(hits: crossmodal.Hits) -> None:
    words = next(hit for hit in hits if hit.modality == "text")
    words = replace(words, media_type="text/plain")
    page = seen(replace(hits, found=(words,) * (MAX_ROWS + 7)))
    assert page.tags.count("tr") == MAX_ROWS + 1
    assert "and 7 more hits" in page.words
