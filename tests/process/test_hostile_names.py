"""Names and words that look like commands to a terminal or a browser, through the real command."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from PIL import Image

from tests.shell import Shell

pytestmark = [pytest.mark.process, pytest.mark.slow]

WORDS = "Please \x1b[2J send <script>alert(1)</script> money.\n=cmd|calc\n"
NAMES = (
    "red\x1b[2J\x1b]0;owned\x07",
    "<img src=x onerror=alert(1)>",
    "new\nline\r",
    "=HYPERLINK(1)",
)
POLICY = """---
id: money
thresholds: {review: -50, first: 50}
---
# Money
## Violates
- send money
## Allowed
- a picture
"""
CONTROL = {chr(code) for code in (*range(9), 11, 12, *range(13, 32), 127, 0x202E)}


@pytest.fixture(scope="module")
def hostile(
    session_shell: Callable[[str], Shell], tmp_path_factory: pytest.TempPathFactory
) -> Shell:
    folder = tmp_path_factory.mktemp("hostile") / "files"
    folder.mkdir()
    for number, name in enumerate(NAMES):
        Image.new("RGB", (48, 48), (60 * number, 90, 200)).save(folder / f"{name}.png")
    (folder / "\u202etxt.exe\x1b[31m.txt").write_text(WORDS)
    policy = folder.parent / "policies" / "money"
    policy.mkdir(parents=True)
    (policy / "policy.md").write_text(POLICY)
    shell = session_shell("hostile")
    shell.run("index", folder)
    shell.run("moderate", policy.parent)
    return shell


@pytest.mark.parametrize(
    "command",
    [
        ("search", "send money"),
        ("ask", "who sends money?"),
        ("recommend", "--like", "1"),
        ("duplicates",),
        ("storyboard", "Red. Green."),
        ("review", "list"),
        ("review", "take"),
        ("status",),
    ],
    ids=lambda command: " ".join(command),
)
def test_no_name_and_no_word_steers_the_terminal(hostile: Shell, command: tuple[str, ...]) -> None:
    said = hostile.run(*command).stdout
    assert said.strip()
    assert not CONTROL & set(said)
