"""Say what a run did, for a person on a terminal, for the Prefect UI and for a program.

Owns the wording and the caps that keep a report small; refuses to query the ledger: everything
it says was handed to it. Names of files are escaped, whatever they contain.
"""

from __future__ import annotations

import base64
import resource
import sys
from dataclasses import asdict, dataclass, field
from typing import Any

from crossmodal.ledger.read.unfindable import Unfindable
from crossmodal.records import NOT_AT_FAULT, Rejected
from crossmodal.runs.profile import Profile
from crossmodal.runs.profile_view import profile_table
from crossmodal.runs.stage_picture import stage_picture
from crossmodal.views.human import (
    counted,
    human_bytes,
    human_rate,
    human_seconds,
    markdown_cell,
    percent,
    printable,
)
from crossmodal.views.text_table import TextTable

MAX_ROWS = 50
"""Quarantined sources that a report lists one by one."""
MAX_IMAGE_BYTES = 200_000
"""Of all thumbnails in one Markdown report: every look at an artifact loads it again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunReport:
    """Hold what a run did; lists may be long, the texts cap them."""

    run_id: str
    state: str
    counts: dict[str, int]
    """Sources by Action value."""
    num_planned: int
    """Sources due for a vector in this run, those refused on the way there included."""
    num_embedded: int
    """Chunks that went through a model."""
    bytes_embedded: int
    min_coverage: float
    quarantined: dict[str, int] = field(default_factory=dict)
    """Sources refused in this run, by reason."""
    rejected: list[Rejected] = field(default_factory=list)
    """The first of them; what is missing here is counted in ``quarantined``."""
    flaws: dict[str, int] = field(default_factory=dict)
    """Parts left out of sources that have vectors otherwise, by reason."""
    unfindable: Unfindable = field(default_factory=Unfindable)
    """What of the run's folders no search can find, whichever run refused it."""
    withheld: list[str] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)
    """What else a person should know, such as findings of verify."""
    profile: Profile | None = None
    wall_s: float
    peak_rss_bytes: int
    thumbnails: list[tuple[str, bytes]] = field(default_factory=list)
    """Pairs of name and PNG bytes."""

    @property
    def num_quarantined(self) -> int:
        """Return the sources refused in this run, those that were skipped included."""
        return sum(self.quarantined.values())

    @property
    def skipped(self) -> dict[str, int]:
        """Return the sources of this run in which nothing can be found, by reason."""
        return {reason: n for reason, n in self.quarantined.items() if reason in NOT_AT_FAULT}

    @property
    def num_failed(self) -> int:
        """Return the sources of this run that should have got a vector and did not."""
        return self.num_quarantined - sum(self.skipped.values())

    @property
    def num_expected(self) -> int:
        """Return the sources that this run should have embedded: planned, and not skipped."""
        return max(self.num_planned - sum(self.skipped.values()), 0)

    @property
    def num_covered(self) -> int:
        """Return those of them that have a vector now, whichever run embedded them."""
        return max(self.num_expected - self.num_failed, 0)

    @property
    def coverage(self) -> float:
        """Return the share of what was expected that is covered; 1 where nothing was."""
        return self.num_covered / self.num_expected if self.num_expected else 1.0

    @property
    def items_per_s(self) -> float | None:
        """Return embedded items per second of the whole run, or None where there were none."""
        return self.num_embedded / self.wall_s if self.num_embedded and self.wall_s else None

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON, without the thumbnails."""
        plain = asdict(self)
        del plain["thumbnails"]
        return plain | {
            "num_covered": self.num_covered,
            "num_expected": self.num_expected,
            "num_skipped": sum(self.skipped.values()),
            "coverage": self.coverage,
            "items_per_s": self.items_per_s,
            "profile": self.profile.to_dict() if self.profile else None,
        }

    def kept(self) -> dict[str, Any]:
        """Return the numbers that the ledger keeps and that alerts carry."""
        return {
            "counts": self.counts,
            "num_planned": self.num_planned,
            "num_embedded": self.num_embedded,
            "num_quarantined": self.num_quarantined,
            "num_skipped": sum(self.skipped.values()),
            "quarantined": self.quarantined,
            "num_unfindable": sum(self.unfindable.by_reason.values()),
            "num_flaws": sum(self.flaws.values()),
            "coverage": self.coverage,
            "min_coverage": self.min_coverage,
            "wall_s": self.wall_s,
            "peak_rss_bytes": self.peak_rss_bytes,
        }

    def to_text(self) -> str:
        """Return the report for a terminal or a log."""
        parts = ["\n".join([self._headline(), *self._facts(), *map(printable, self._notices())])]
        if self.quarantined:
            parts.append(_reason_table(self.quarantined).to_text())
        if self.profile:
            parts += [profile_table(self.profile).to_text(), self.profile.verdict]
        return "\n\n".join(parts)

    def to_markdown(self) -> str:
        """Return the report for a Prefect artifact, pictures included as data: URIs."""
        parts = [f"## {self._headline()}", _bullets(self._facts())]
        if self._notices():
            parts.append(_bullets([f"**{markdown_cell(n, 1000)}**" for n in self._notices()]))
        if self.thumbnails:
            parts.append(_pictures(self.thumbnails))
        if self.quarantined:
            parts += ["### Quarantined", _reason_table(self.quarantined).to_markdown()]
        if self.rejected:
            parts += self._rejected_parts()
        if self.profile:
            parts += ["### Profile", self.profile.verdict]
        return "\n\n".join(parts) + "\n"

    def stages_markdown(self) -> str:
        """Return where the time went: a verdict, a picture, a table; for an artifact of its own."""
        if self.profile is None or not self.profile.stages:
            return "Nothing was timed.\n"
        table = profile_table(self.profile)
        picture = _image("where the time went", stage_picture(self.profile))
        title = f"## Where run {self.run_id[:8]} spent {table.title}"
        return "\n\n".join([title, self.profile.verdict, picture, table.to_markdown()]) + "\n"

    def _headline(self) -> str:
        return f"Run {self.run_id[:8]} {self.state} in {human_seconds(self.wall_s)}"

    def _facts(self) -> list[str]:
        counts = ", ".join(f"{count:,} {action}" for action, count in self.counts.items() if count)
        embedded = f"embedded: {counted(self.num_embedded, 'chunk')}"
        if self.num_embedded:
            volume, rate = human_bytes(self.bytes_embedded), human_rate(self.items_per_s)
            embedded += f" ({volume}, {rate} chunks/s over the whole run)"
        return [
            f"sources: {counts or 'none found'}",
            embedded,
            f"coverage: {_coverage(self.coverage)} ({self.num_covered:,} of {self.num_expected:,} "
            f"planned; at least {percent(self.min_coverage)} asked)",
            f"quarantined: {self.num_failed:,}",
            *([f"skipped: {_reasons(self.skipped)}"] if self.skipped else []),
            *([f"cannot be found: {hidden}"] if (hidden := self.unfindable.sentence()) else []),
            *([f"parts left out: {_counted(self.flaws)}"] if self.flaws else []),
            f"peak memory: {human_bytes(self.peak_rss_bytes)}",
        ]

    def _notices(self) -> list[str]:
        return [f"deletion withheld: {sentence}" for sentence in self.withheld] + self.messages

    def _rejected_parts(self) -> list[str]:
        rows = [(r.uri, r.stage, r.reason, r.detail) for r in self.rejected[:MAX_ROWS]]
        header = ("source", "stage", "reason", "detail")
        parts = [TextTable("", header, rows, num_words=len(header)).to_markdown()]
        rest = self.num_quarantined - len(rows)
        if rest > 0:
            parts.append(f"and {rest:,} more: `crossmodal quarantine` lists them")
        return parts


def peak_rss_bytes() -> int:
    """Return the most memory that this process ever held at once."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # Linux counts in KiB


def _reason_table(quarantined: dict[str, int]) -> TextTable:
    ordered = sorted(quarantined.items(), key=lambda pair: (-pair[1], pair[0]))
    rows = [(reason, f"{count:,}") for reason, count in ordered]
    return TextTable("refused", ("reason", "sources"), rows)


def _counted(by_reason: dict[str, int]) -> str:
    return f"{_reasons(by_reason)}; their sources have vectors otherwise"


def _reasons(by_reason: dict[str, int]) -> str:
    reasons = ", ".join(f"{reason} {count:,}" for reason, count in by_reason.items())
    return f"{sum(by_reason.values()):,} ({reasons})"


def _coverage(share: float) -> str:
    """Return the share rounded down, so that 100 % means every one."""
    return f"{int(share * 10_000) / 100:g} %"


def _bullets(lines: list[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def _pictures(thumbnails: list[tuple[str, bytes]]) -> str:
    """Return the first pictures that fit into the limit in a row, their names below them."""
    images: list[str] = []
    names: list[str] = []
    left = MAX_IMAGE_BYTES
    for uri, png in thumbnails:
        name = uri.rsplit("/", 1)[-1]
        image = _image(name, png)
        left -= len(image)
        if left < 0:
            break
        images.append(image)
        names.append(markdown_cell(name, 30))
    return "\n".join(_row(cells) for cells in (images, ["---"] * len(images), names))


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _image(name: str, png: bytes) -> str:
    encoded = base64.b64encode(png).decode()
    return f"![{markdown_cell(name, 60)}](data:image/png;base64,{encoded})"
