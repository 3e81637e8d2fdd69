"""Write constraints.lock: what the image installs, each with the hash of its file.

Asks pip what it would install on this machine (Python 3.11, x86-64 Linux, torch for the processor)
by the versions of constraints.txt, and keeps the hashes that the index gives. Other machines need
other files of the same versions: they install by constraints.txt.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
WANTED = ".[s3,gcs]"
HEAD = """\
# What deployments/Dockerfile installs, by `make lock`: versions of constraints.txt with the hashes
# of their files for Python 3.11 on x86-64 Linux, torch for the processor. Used as
#   pip install --require-hashes --requirement constraints.lock && pip install --no-deps .
"""


def main() -> None:
    """Write the file anew."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        command = [sys.executable, "-m", "pip", "install", "--dry-run", "--ignore-installed"]
        command += ["--quiet", "--quiet", "--report", str(report), "-c", "constraints.txt", WANTED]
        subprocess.run(command, cwd=ROOT, check=True)
        found = json.loads(report.read_text("utf-8"))["install"]
    lines = sorted(filter(None, map(_line, found)), key=str.lower)
    (ROOT / "constraints.lock").write_text(HEAD + "".join(lines), "utf-8")
    print(f"constraints.lock: {len(lines)} files")


def _line(entry: dict) -> str:
    """Return a pinned requirement; nothing for the project itself, which is a folder."""
    archive = entry["download_info"].get("archive_info")
    if archive is None:
        return ""
    known = entry["metadata"]
    return f"{known['name']}=={known['version']} --hash=sha256:{archive['hashes']['sha256']}\n"


if __name__ == "__main__":
    main()
