"""Look for what keeps people out of a page, by the rules of axe-core."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

_SERIOUS = ("serious", "critical")
_RUN = """async () => {
    const { violations } = await axe.run();
    return violations.map((found) => [found.impact, found.id, found.nodes.map((n) => n.html)]);
}"""


def serious_violations(page: Any) -> list[Any]:
    """Return what axe-core calls serious or critical on a page, each with where it is."""
    package = pytest.importorskip("axe_playwright_python", reason="axe-core is not installed")
    source = (Path(package.__file__).parent / "axe.min.js").read_text("utf-8")
    # Evaluated by the browser's own tools, which the page's content policy does not bind.
    page.evaluate(source)
    return [found for found in page.evaluate(_RUN) if found[0] in _SERIOUS]
