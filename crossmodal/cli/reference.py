"""Write down every command and option: ``python -m crossmodal.cli.reference > docs/commands.md``.

Reads what the command line itself offers, so the page cannot say anything else; a test compares.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import typer.main

from crossmodal.cli import project

_HEAD = (
    "# Commands\n\n"
    "Made by `python -m crossmodal.cli.reference > docs/commands.md`; a test holds it to the code."
)


def reference() -> str:
    """Return the page: a section a command, a row an option."""
    from crossmodal.cli import main

    app = main.make_app(main.command_names())
    return "\n\n".join([_HEAD, *_sections(typer.main.get_command(app), "crossmodal")]) + "\n"


def _sections(command: Any, name: str) -> Iterator[str]:
    children = getattr(command, "commands", {})
    if not children or (command.invoke_without_command and command.params):
        yield f"## `{name}`\n\n{_first_line(command.help)}\n\n{_rows(command)}".rstrip()
    for child, each in children.items():
        yield from _sections(each, f"{name} {child}")


def _rows(command: Any) -> str:
    shown = [each for each in command.params if each.name != "help"]
    rows = [f"| {_names(each)} | {_default(each)} | {_words(each)} |" for each in shown]
    return "\n".join(["| option | default | meaning |", "| --- | --- | --- |", *rows])


def _names(option: Any) -> str:
    if option.param_type_name == "argument":
        return f"`{(option.metavar or option.name).upper()}`"
    return ", ".join(f"`{name}`" for name in (*option.opts, *option.secondary_opts))


def _default(option: Any) -> str:
    if option.required:
        return "needed"
    return "" if option.default in (None, "", False) else f"`{option.default}`"


def _words(option: Any) -> str:
    variable = f" (`{option.envvar}`)" if getattr(option, "envvar", None) else ""
    told = _first_line(getattr(option, "help", None)).replace(r"\[", "[")
    return told.replace("|", "\\|") + variable


def _first_line(text: str | None) -> str:
    return " ".join((text or "").split())


if __name__ == "__main__":
    project.put_first()
    sys.stdout.write(reference())
