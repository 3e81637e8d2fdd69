"""Run the main job once on a folder of photos and show what it finds: ``make demo``.

Without CROSSMODAL_IMAGES the pictures are drawn here; without CROSSMODAL_MODEL the default model
is fetched from the hub.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import typer

QUERIES = ("a red sports car", "a house with a garden", "an animal in the grass")


def main(folder: Path) -> int:
    """Index, search and write ``contact-sheet.png`` into the folder; return an exit code."""
    folder.mkdir(parents=True, exist_ok=True)
    images = os.environ.get("CROSSMODAL_IMAGES") or str(_drawn(folder / "pictures"))
    model = os.environ.get("CROSSMODAL_MODEL") or None
    collection = folder / "demo.duckdb"
    sheet = folder / "contact-sheet.png"
    chosen = ["--model", model] if model else []
    steps = [
        ["index", images, "--collection", str(collection), *chosen],
        ["search", *QUERIES, "-k", "5", "--contact-sheet", str(sheet), "-c", str(collection)],
        ["profile", "-c", str(collection)],
    ]
    return next((code for code in map(_step, steps) if code), 0)


def _drawn(folder: Path) -> Path:
    """Draw the demo's own pictures once."""
    from examples.demo_pictures import draw

    if not folder.is_dir():
        typer.echo(f"==> drawing pictures into {folder} (name your own with IMAGES=folder)")
        draw(folder)
    return folder


def _step(arguments: list[str]) -> int:
    """Run one crossmodal command as a person would, and say how long it took."""
    typer.echo(f"==> crossmodal {' '.join(arguments)}")
    started = time.monotonic()
    environment = {k: v for k, v in os.environ.items() if not k.startswith("CROSSMODAL_")}
    code = subprocess.run(
        [str(Path(sys.executable).with_name("crossmodal")), *arguments],
        env=environment,
        check=False,
    ).returncode
    typer.echo(f"==> {arguments[0]} took {time.monotonic() - started:.1f} s, exit code {code}")
    return code


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
