"""Cut OpenDocument texts."""

from __future__ import annotations

from tests.chunking.document_makers import odt, of_kind, picture, pieces, reason, words

FRAME = (
    "<d:frame><d:image x:href='Pictures/a.png'/><s:desc xmlns:s='urn:s'>a duck</s:desc></d:frame>"
)


def test_headings_paragraphs_lists_and_tables_are_read() -> None:
    data = odt(
        "<t:h t:outline-level='1'>Lakes</t:h><t:p>Water<t:s t:c='2'/>is <t:span>wet</t:span>.</t:p>"
        "<t:list><t:list-item><t:p>item</t:p></t:list-item></t:list>"
        "<t:table><t:table-row><t:table-cell><t:p>a</t:p></t:table-cell>"
        "<t:table-cell><t:p>b</t:p></t:table-cell></t:table-row></t:table>"
    )
    (passage,) = of_kind(pieces(data, "odt"), "passage")
    assert passage.section == ("Lakes",)
    assert passage.text.split("\n\n") == ["Lakes\nWater  is wet.", "item", "a | b"]


def test_tracked_deletions_and_notes_to_the_author_are_not_said() -> None:
    data = odt(
        "<t:tracked-changes><t:p>gone</t:p></t:tracked-changes>"
        "<t:p>kept<o:annotation><t:p>hm</t:p></o:annotation></t:p>"
    )
    assert words(pieces(data, "odt")) == "kept"


def test_figure_has_its_description_and_its_passage() -> None:
    data = odt(f"<t:p>A duck swims.{FRAME}</t:p>", {"a": picture("yellow")})
    passage, figure = pieces(data, "odt")
    assert passage.text == "A duck swims."
    assert (figure.kind, figure.caption, figure.parent) == ("figure", "a duck", 0)


def test_caption_in_the_box_around_a_picture_is_its_caption() -> None:
    box = f"<d:frame><d:text-box><t:p>{FRAME}Figure 1: Duck</t:p></d:text-box></d:frame>"
    found = pieces(odt(f"<t:p>Text.{box}</t:p>", {"a": picture("yellow")}), "odt")
    (figure,) = of_kind(found, "figure")
    assert figure.caption == "Figure 1: Duck"
    assert words(found).count("Figure 1: Duck") == 1


def test_locked_document_is_refused() -> None:
    assert reason(odt("<t:p>x</t:p>", encrypted=True), "odt") == "encrypted"
