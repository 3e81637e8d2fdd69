"""Offer a collection to agents: ``crossmodal mcp``."""

from __future__ import annotations

from typing import Annotated

import typer

from crossmodal.cli.options import DEFAULT_COLLECTION, CollectionOption, DeviceOption


def mcp(
    collection: CollectionOption = DEFAULT_COLLECTION,
    model: Annotated[
        str | None, typer.Option("--model", "-m", help="Search this version, not the live one.")
    ] = None,
    device: DeviceOption = "auto",
) -> None:
    """Let an agent search the collection: a Model Context Protocol server on standard input."""
    from crossmodal.errors import ExtraMissing

    try:
        from crossmodal.web.agents import make_server
    except ModuleNotFoundError as error:
        if error.name not in ("mcp", "mcp_types"):
            raise
        raise ExtraMissing(
            "agents ask by the Model Context Protocol, whose package is missing: "
            "pip install 'crossmodal[mcp]'"
        ) from error
    from crossmodal.web.served import ServedCollection
    from crossmodal.web.settings import UiSettings

    settings = UiSettings(collection=collection, model=model, device=device)
    make_server(ServedCollection(settings)).run("stdio")
