"""No markup, however hostile, costs more than seconds or ends in an error."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossmodal.chunking.passages.outline import Structured
from crossmodal.chunking.text.html import parse_html
from crossmodal.chunking.text.json import parse_json
from crossmodal.chunking.text.markdown import parse_markdown
from crossmodal.chunking.text.rst import parse_rst
from crossmodal.chunking.text.xml import parse_xml

Parse = Callable[[str], Structured | None]


@settings(deadline=None, max_examples=100)
@given(st.text(max_size=300))
@pytest.mark.parametrize("parse", [parse_markdown, parse_html, parse_rst, parse_json, parse_xml])
def test_any_text_is_parsed_without_an_error(parse: Parse, text):
    found = parse(text)
    assert found is None or all(block.text.strip() for block in found.blocks) or not text.strip()


HOSTILE = {
    "html_nested": (parse_html, "<div>", 100_000),
    "html_formats": (parse_html, "<b><p>", 50_000),
    "html_lists": (parse_html, "<ul><li>a", 50_000),
    "html_tables": (parse_html, "<table><tr><td>a", 30_000),
    "html_comments": (parse_html, "<!--", 100_000),
    "html_less_than": (parse_html, "<", 300_000),
    "html_entities": (parse_html, "&", 300_000),
    "md_quotes": (parse_markdown, "> ", 50_000),
    "md_lists": (parse_markdown, "- ", 50_000),
    "md_brackets": (parse_markdown, "[", 300_000),
    "md_pictures": (parse_markdown, "![a](", 100_000),
    "md_tags": (parse_markdown, "<a ", 100_000),
    "md_fences": (parse_markdown, "```\n", 20_000),
    "rst_lines": (parse_rst, "===\n", 100_000),
    "rst_line": (parse_rst, "=", 500_000),
    "json_nested": (parse_json, '{"a":[', 100_000),
    "xml_nested": (parse_xml, "<a>", 100_000),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_markup_takes_seconds(name):
    parse, part, times = HOSTILE[name]
    began = time.process_time()
    parse("x" + part * times + "x")
    assert time.process_time() - began < 8
