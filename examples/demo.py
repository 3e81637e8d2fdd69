"""Run the main job once on things that the project makes, and show what it finds: ``make demo``.

Pictures are drawn, notes and a table written; a folder of one's own takes their place. Everything
is done by the ``crossmodal`` command, as a person would.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer


@dataclass(frozen=True, slots=True)
class Question:
    """Ask in words, and know how the names of the sources begin that answer it."""

    text: str
    answers: tuple[str, ...]


OF_PICTURES = (
    Question("a sports car", ("car-",)),
    Question("a house with a chimney", ("house-",)),
    Question("sunset over the sea", ("sunset-",)),
)
OF_TEXTS = (
    Question("what helps when a hot pan has burnt my hand?", ("first-aid",)),
    Question("who was the first to climb the Matterhorn?", ("mountains",)),
)
CHOICES = 5


def main(
    folder: Path,
    images: Annotated[str, typer.Option(help="Pictures of your own.")] = "",
    model: Annotated[str, typer.Option(help="Hub id or directory.")] = "",
    command: Annotated[str, typer.Option(help="The crossmodal command.")] = "",
) -> None:
    """Index, search, and write ``contact-sheet.png`` into the folder; pass an exit code on."""
    folder.mkdir(parents=True, exist_ok=True)
    crossmodal = command or str(Path(sys.executable).with_name("crossmodal"))
    questions = OF_PICTURES if images else (*OF_PICTURES, *OF_TEXTS)
    collection = str(folder / "demo.duckdb")
    sheet = ("--contact-sheet", str(folder / "contact-sheet.png"))
    texts = (question.text for question in questions)
    steps = [
        ["index", *([images] if images else made(folder)), "-c", collection],
        ["search", *texts, "-k", str(CHOICES), *sheet, "-c", collection],
    ]
    steps[0] += ["--model", model] if model else []
    for step in steps:
        if code := _run(crossmodal, step):
            raise typer.Exit(code)
    typer.echo(f"==> look at it in a browser: {_shown(crossmodal)} ui -c {collection}")


def made(folder: Path) -> list[str]:
    """Make the demo's own sources once and return where they lie."""
    from examples import demo_pictures, demo_texts

    pictures, notes = folder / "pictures", folder / "notes"
    started = time.monotonic()
    if not pictures.is_dir():
        demo_pictures.draw(pictures)
    if not notes.is_dir():
        demo_texts.write(notes)
    typer.echo(
        f"==> pictures drawn into {pictures}, notes and a table written into {notes} "
        f"({time.monotonic() - started:.1f} s; your own pictures: IMAGES=folder)"
    )
    return [str(pictures), str(notes)]


def _run(crossmodal: str, arguments: list[str]) -> int:
    """Run one crossmodal command as a person would, and say how long it took."""
    typer.echo(f"==> {_shown(crossmodal)} {' '.join(map(_quoted, arguments))}")
    started = time.monotonic()
    # The person's own collection is none of the demo's business.
    environment = {k: v for k, v in os.environ.items() if k != "CROSSMODAL_COLLECTION"}
    code = subprocess.run([crossmodal, *arguments], env=environment, check=False).returncode
    typer.echo(f"==> {arguments[0]} took {time.monotonic() - started:.1f} s, exit code {code}")
    return code


def _shown(crossmodal: str) -> str:
    """Return the command as somebody in this directory would type it."""
    return os.path.relpath(crossmodal) if Path.cwd() in Path(crossmodal).parents else crossmodal


def _quoted(argument: str) -> str:
    return f'"{argument}"' if " " in argument else argument


if __name__ == "__main__":
    typer.run(main)
