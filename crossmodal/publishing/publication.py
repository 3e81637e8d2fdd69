"""Tell what a publication did."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from crossmodal.views.text_table import TextTable


@dataclass(slots=True, kw_only=True)
class Sent:
    """Count what went to one table."""

    table: str
    model: str
    serves: tuple[str, ...]
    num_added: int = 0
    num_changed: int = 0
    num_removed: int = 0
    num_rows: int = 0
    """In the store afterwards, by its own count."""
    num_sampled: int = 0
    """Vectors that were read back and compared."""
    num_reconciled: int = 0
    """Rows that the store was asked for, since it was not as this collection had left it."""


@dataclass(slots=True, kw_only=True)
class Publication:
    """Tell of one publication."""

    to: str
    generation: int
    tables: list[Sent] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def num_sent(self) -> int:
        """Return how many rows were written."""
        return sum(sent.num_added + sent.num_changed for sent in self.tables)

    @property
    def num_removed(self) -> int:
        """Return how many rows were deleted, those of dropped tables left out."""
        return sum(sent.num_removed for sent in self.tables)

    def counts(self) -> dict[str, Any]:
        """Return what the ledger keeps."""
        return {
            "num_sent": self.num_sent,
            "num_removed": self.num_removed,
            "num_rows": sum(sent.num_rows for sent in self.tables),
            "num_dropped": len(self.dropped),
            "to": self.to,
            "generation": self.generation,
        }

    def to_table(self) -> TextTable:
        """Return a row a table."""
        rows = [
            (
                sent.table,
                sent.model,
                ", ".join(sent.serves) or "-",
                f"{sent.num_added:,}",
                f"{sent.num_changed:,}",
                f"{sent.num_removed:,}",
                f"{sent.num_rows:,}",
            )
            for sent in self.tables
        ]
        rows += [(name, "", "dropped", "", "", "", "") for name in self.dropped]
        header = ("table", "model version", "serves", "added", "changed", "removed", "rows")
        return TextTable(f"published to {self.to}", header, rows, num_words=3)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, what people read under ``text``."""
        shown = self.to_table()
        text = "\n".join([shown.to_text(), *(f"note: {note}" for note in self.notes)])
        return self.counts() | {
            "tables": [asdict(sent) for sent in self.tables],
            "dropped": self.dropped,
            "notes": self.notes,
            "text": text,
            "markdown": shown.to_markdown(),
        }
