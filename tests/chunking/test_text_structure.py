"""Headings become sections and markup becomes text, and nothing that a reader sees is lost."""

from __future__ import annotations

import pytest

from crossmodal.chunking.passages.outline import Structured
from crossmodal.chunking.text.html import parse_html
from crossmodal.chunking.text.json import parse_json, parse_json_lines
from crossmodal.chunking.text.markdown import parse_markdown
from crossmodal.chunking.text.rst import parse_rst
from crossmodal.chunking.text.xml import parse_xml


def seen(found: Structured) -> list[tuple[tuple[str, ...], str]]:
    return [(block.section, block.text) for block in found.blocks]


MARKDOWN = """# Birds

Birds *fly*.

## Ducks
See ![a duck](duck.png) and [more](http://ducks.example/long).

```python
# no heading
quack()
```

- one
- two

## Empty

# Fish
Fish swim.
"""


def test_markdown_headings_are_sections_and_code_is_not_searched_for_them():
    assert seen(parse_markdown(MARKDOWN)) == [
        (("Birds",), "Birds *fly*."),
        (("Birds", "Ducks"), "See a duck and more."),
        (("Birds", "Ducks"), "```python\n# no heading\nquack()\n```"),
        (("Birds", "Ducks"), "- one\n- two"),
        (("Birds", "Empty"), "Empty"),
        (("Fish",), "Fish swim."),
    ]
    assert parse_markdown(MARKDOWN).title == "Birds"


def test_markdown_blocks_know_their_characters():
    for block in parse_markdown(MARKDOWN).blocks:
        source = MARKDOWN[slice(*block.position["chars"])]
        assert source == block.text or "duck" in source or "Empty" in source


def test_markdown_front_matter_names_the_title_and_stays_text():
    found = parse_markdown('---\ntitle: "On ducks"\ntags: birds\n---\nDucks dive.\n')
    assert found.title == "On ducks"
    assert [block.text for block in found.blocks] == [
        'title: "On ducks"\ntags: birds',
        "Ducks dive.",
    ]


def test_markdown_setext_headings_and_tables_are_understood():
    found = parse_markdown("Ducks\n=====\n\n| a | b |\n|---|---|\n| 1 | 2 |\n")
    assert seen(found) == [(("Ducks",), "| a | b |\n|---|---|\n| 1 | 2 |")]


def test_html_inside_markdown_gives_its_words():
    found = parse_markdown(
        '<div align="center"><img alt="a duck" src="x.png"></div>\n\nHi <br> you'
    )
    assert [block.text for block in found.blocks] == ["a duck", "Hi  you"]


def test_markdown_of_nothing_but_references_is_no_error():
    assert not parse_markdown("[a]: http://a.example\n").blocks


HTML = """<html><head><title>All about ducks</title><style>p {color: red}</style></head><body>
<nav><a href="/">Home</a></nav><script>var x = "<p>no</p>";</script>
<p>Some &amp; first.</p>
<h1>Ducks</h1><p>They <b>di</b>ve<br>deep.<img src="d.png" alt="A diving duck"></p>
<h2>Food</h2><ul><li>seeds</li><li><p>water <i>plants</i></p></li></ul>
<table><caption>Sizes</caption><tr><th>kind</th><th>cm</th></tr><tr><td>teal</td><td>36</td></tr></table>
<pre>a
  b</pre>
<!-- hidden --><h2>Nothing below</h2></body></html>"""


def test_html_keeps_what_a_reader_sees():
    title = "All about ducks"
    assert seen(parse_html(HTML)) == [
        ((title,), "Some & first."),
        ((title, "Ducks"), "They dive\ndeep. A diving duck"),
        ((title, "Ducks", "Food"), "- seeds\n- water plants"),
        ((title, "Ducks", "Food"), "Sizes\nkind | cm\nteal | 36"),
        ((title, "Ducks", "Food"), "a\n  b"),
        ((title, "Ducks", "Nothing below"), "Nothing below"),
    ]


def test_html_title_that_says_what_the_first_heading_says_is_no_section():
    found = parse_html("<title>Duck - Encyclopedia</title><h1>Duck</h1><p>A bird.</p>")
    assert seen(found) == [(("Duck",), "A bird.")]
    assert found.title == "Duck - Encyclopedia"


def test_html_without_body_or_closing_tags_is_read():
    found = parse_html("<h1>Ducks<p>One<p>Two 😀 写真")
    assert "".join(t for _, t in seen(found)).replace("\n", " ").endswith("Two 😀 写真")


RST = """=====
Ducks
=====

Ducks dive.

Food
----
Seeds.

.. code::

   ----

Water
-----
"""


def test_rst_headings_are_told_by_their_adornment():
    found = parse_rst(RST)
    assert [section for section, _ in seen(found)] == [
        ("Ducks",),
        ("Ducks", "Food"),
        ("Ducks", "Water"),
    ]
    assert found.title == "Ducks"
    assert all(RST[slice(*block.position["chars"])] == block.text for block in found.blocks[:2])


def test_json_records_are_blocks_of_readable_lines():
    text = '[{"title": "Duck", "size": {"cm": 36}, "tags": ["a", "b"], "n": null}, {"ok": true}]'
    found = parse_json(text)
    assert [block.text for block in found.blocks] == [
        "title: Duck\nsize.cm: 36\ntags: a, b",
        "ok: true",
    ]
    assert [block.position["rows"] for block in found.blocks] == [[0, 1], [1, 2]]


def test_json_list_of_records_inside_an_object_is_a_section():
    found = parse_json('{"name": "Zoo", "animals": [{"a": 1}, {"a": 2}]}')
    assert seen(found) == [((), "name: Zoo"), (("animals",), "a: 1"), (("animals",), "a: 2")]
    assert found.title == "Zoo"


def test_json_keys_that_come_twice_are_both_kept():
    assert parse_json('{"a": 1, "a": 2}').blocks[0].text == "a: 1\na: 2"


def test_json_that_is_really_json_lines_is_read_so():
    assert len(parse_json('{"a": 1}\n{"a": 2}\n').blocks) == 2


@pytest.mark.parametrize("text", ['{"a": 1', "[" * 5000, "1" * 9999, "no json", '"', "[]"])
def test_json_that_cannot_be_read_stays_as_it_is_written(text):
    (block,) = parse_json(text).blocks
    assert block.text == text


def test_json_line_that_cannot_be_read_stays_beside_those_that_can():
    text = '{"a": "b"}\n{"a": \n\n{"c": "d"}\n'
    found = parse_json_lines(text)
    assert [block.text for block in found.blocks] == ["a: b", '{"a": \n', "c: d"]
    assert found.blocks[-1].position == {"rows": [3, 4], "chars": [19, 30]}


def test_long_json_key_is_not_repeated_before_each_of_its_leaves():
    leaves = ",".join(f'"{number}": 1' for number in range(1000))
    text = f'{{"{"k" * 5000}": {{{leaves}}}}}'
    assert len(parse_json(text).blocks[0].text) < 2 * len(text)


def test_xml_children_of_the_root_are_records_and_paragraphs_keep_their_words():
    found = parse_xml(
        '<?xml version="1.0" encoding="latin-1"?><zoo city="Berlin"><animal kind="bird">'
        "<name>Duck</name><p>It <b>di</b>ves.</p></animal><animal>Whale &amp; co</animal></zoo>"
    )
    assert found
    assert [block.text for block in found.blocks] == [
        "city: Berlin\nkind: bird\nname: Duck\np: It dives.",
        "animal: Whale & co",
    ]


@pytest.mark.parametrize("text", ["<a><b></a>", "no xml", "", "<a>" * 5000])
def test_xml_that_is_not_well_formed_is_left_alone(text):
    assert parse_xml(text) is None


def test_xml_reads_no_other_file_and_does_not_explode(tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("hunter2")
    outside = f'<!DOCTYPE a [<!ENTITY s SYSTEM "file://{secret}">]><a>x &s; y</a>'
    assert "hunter2" not in str(parse_xml(outside))
    laughs = "".join(f'<!ENTITY {b} "{f"&{a};" * 10}">' for a, b in zip("abcdefgh", "bcdefghi"))  # noqa: B905
    assert parse_xml(f'<!DOCTYPE a [<!ENTITY a "haha">{laughs}]><a>&i;</a>') is None
