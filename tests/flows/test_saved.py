"""An index run tells Prefect's automations of new items that match a saved search."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from crossmodal.ledger.collection import Collection
from crossmodal.ledger.write.saved_searches import SavedSearch
from crossmodal.search.saved import save
from flows.index import index
from tests.flows.test_shown import last_word

pytestmark = pytest.mark.usefixtures("prefect")


def test_event_names_the_new_items_and_the_search(
    prefect_server: str, tiny_clip: Path, tmp_path: Path
) -> None:
    notes, collection = tmp_path / "notes", tmp_path / "c.duckdb"
    notes.mkdir()
    for number in range(12):
        (notes / f"{number}.md").write_text(f"Note {number}.\n")

    def run() -> Any:
        return index(collection=str(collection), paths=[str(notes)], model=str(tiny_clip))

    assert "saved search '" not in run()["text"]
    search = SavedSearch(
        name="tickets", text="AX-4711", conditions=[], modalities=[], min_strength="strong"
    )
    save(Collection(collection), search)
    (notes / "new.md").write_text("AX-4711\n")
    assert "saved search 'tickets': 1 new item matches" in run()["text"]
    told = last_word(prefect_server, collection, "crossmodal.saved_search.matched")["payload"]
    assert (told["name"], told["query"], told["num_items"]) == ("tickets", "AX-4711", 1)
    assert [item["uri"] for item in told["items"]] == [str(notes / "new.md")]
    assert told["message"] == "tickets: 1 new item matches"
    assert "saved search '" not in run()["text"]
