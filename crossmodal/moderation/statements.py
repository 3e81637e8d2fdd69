"""Write decisions as statements of reasons, with the field names of the EU transparency database.

Owns the mapping to the fields of the database's API (Digital Services Act, article 24(5)); refuses
to send anything. What a person decided and what nobody has decided yet are told apart by
``automated_decision``. All values are data in JSON: nothing in them is ever markup.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crossmodal.errors import PathError
from crossmodal.ledger.read.findings import Finding, findings
from crossmodal.ledger.write.policies import kept_policy
from crossmodal.ledger.write.reviews import Event, events
from crossmodal.views.human import printable

if TYPE_CHECKING:
    import duckdb

GENERAL_CATEGORY = "STATEMENT_CATEGORY_SCOPE_OF_PLATFORM_SERVICE"
_MAX_FACTS, _MAX_EXPLANATION, _MAX_GROUND = 5000, 2000, 500
_CONTENT_TYPES = {"image": "CONTENT_TYPE_IMAGE", "audio": "CONTENT_TYPE_AUDIO"}
_ALL = 2**31


def statements(con: duckdb.DuckDBPyConnection) -> Iterator[dict[str, Any]]:
    """Yield a statement for each finding that was decided to violate its policy or is hidden."""
    log: dict[int, Event] = {}
    for entry in events(con):
        if entry.event == "decide":
            log[entry.finding_id] = entry
    found = findings(con, state=None, limit=_ALL)
    for finding in sorted(found, key=lambda f: f.finding_id):
        if finding.state == "violates" or finding.is_hidden:
            yield statement(
                finding,
                log.get(finding.finding_id) if finding.state == "violates" else None,
                kept_policy(con, finding.policy_id, finding.policy_hash),
            )


def statement(finding: Finding, decision: Event | None, policy: dict[str, Any]) -> dict[str, Any]:
    """Return the statement of reasons of one finding; ``decision`` is None where nobody decided."""
    decided = datetime.fromisoformat(decision.said["at"]) if decision else finding.found_at
    modified = finding.evidence.get("modified") or ""
    ground = (
        f"{finding.policy_title} (policy {finding.policy_id}, version {finding.policy_version})"
    )
    said: dict[str, Any] = {
        **_visibility(finding),
        "decision_ground": "DECISION_GROUND_INCOMPATIBLE_CONTENT",
        "incompatible_content_ground": ground[:_MAX_GROUND],
        "incompatible_content_explanation": _explanation(decision, policy)[:_MAX_EXPLANATION],
        "incompatible_content_illegal": "No",
        "content_type": [_content_type(finding)],
        "category": finding.category or GENERAL_CATEGORY,
        "content_date": modified[:10] or f"{finding.found_at:%Y-%m-%d}",
        "application_date": f"{decided:%Y-%m-%d}",
        "decision_facts": _facts(finding)[:_MAX_FACTS],
        "source_type": "SOURCE_VOLUNTARY",
        "automated_detection": "Yes",
        "automated_decision": _automation(decision),
        "puid": _puid(finding),
    }
    return said


def export(con: duckdb.DuckDBPyConnection, path: Path) -> int:
    """Write the statements to a file, one JSON object a line; return how many.

    Raises:
        PathError: the file cannot be written; what stood there before stands there still.
    """
    lines = [json.dumps(said, sort_keys=True) for said in statements(con)]
    target = path.expanduser()
    try:
        with tempfile.NamedTemporaryFile(
            "w", dir=target.parent, prefix=".statements-", delete=False, encoding="utf-8"
        ) as fresh:
            fresh.writelines(f"{line}\n" for line in lines)
        os.replace(fresh.name, target)
    except OSError as error:
        raise PathError(
            f"{printable(str(path))} cannot be written: {error.strerror or error}: name a file in "
            "a folder that is there"
        ) from error
    return len(lines)


def _visibility(finding: Finding) -> dict[str, Any]:
    if finding.is_hidden:
        return {"decision_visibility": ["DECISION_VISIBILITY_CONTENT_DISABLED"]}
    other = "marked as violating the policy; nothing was removed"
    return {
        "decision_visibility": ["DECISION_VISIBILITY_OTHER"],
        "decision_visibility_other": other,
    }


def _content_type(finding: Finding) -> str:
    if str(finding.evidence.get("media_type", "")).startswith("video/"):
        return "CONTENT_TYPE_VIDEO"
    return _CONTENT_TYPES.get(finding.modality, "CONTENT_TYPE_TEXT")


def _explanation(decision: Event | None, policy: dict[str, Any]) -> str:
    reason = decision.said["reason"] if decision else ""
    parts = [reason, "The policy says that these violate it:", *policy.get("violates", ())]
    return printable(" ".join(part for part in parts if part))


def _facts(finding: Finding) -> str:
    evidence = finding.evidence
    near = (evidence.get(f"{channel}_violates") for channel in ("sentence", "example"))
    named = " and ".join(
        f"{n['shown']!r} (cosine similarity {n['cosine']:.3f})" for n in near if n is not None
    )
    thresholds = evidence["thresholds"]
    return printable(
        f"Found {finding.found_at:%Y-%m-%d} by comparing embeddings of model {evidence['model']}: "
        f"score {finding.score:.2f}, threshold for review {thresholds['review']:.2f}, for urgent "
        f"review {thresholds['first']:.2f}. Nearest to {named}. "
        f"Run {finding.run_id}; content {finding.chunk_id}, {evidence.get('place') or 'whole'}."
    )


def _automation(decision: Event | None) -> str:
    """Return by whom it was decided: the finding is automatic, the decision a person's."""
    return "AUTOMATED_DECISION_NOT_AUTOMATED" if decision else "AUTOMATED_DECISION_FULLY"


def _puid(finding: Finding) -> str:
    """Return a name that stays the same at every export and tells no path."""
    told = f"{finding.finding_id}|{finding.policy_hash}|{finding.run_id}"
    return f"crossmodal-{hashlib.sha256(told.encode()).hexdigest()[:32]}"
