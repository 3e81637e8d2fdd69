"""Add ``crossmodal ui``: the search page and its JSON API."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from crossmodal.cli.options import DEFAULT_COLLECTION, CollectionOption, DeviceOption

TokenOption = Annotated[
    str | None,
    typer.Option(envvar="CROSSMODAL_UI_TOKEN", show_envvar=True, help="Secret to be let in with."),
]


def ui(
    collection: CollectionOption = DEFAULT_COLLECTION,
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port of the page.")] = 8400,
    host: Annotated[
        str, typer.Option(help="Address to listen on; others than this machine's need a token.")
    ] = "127.0.0.1",
    token: TokenOption = None,
    no_token: Annotated[
        bool, typer.Option("--no-token", help="Let in everybody who has an account here.")
    ] = False,
    new_token: Annotated[
        bool, typer.Option("--new-token", help="Make another secret; the one before opens nothing.")
    ] = False,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(help="Another name that the page is reached by; repeatable."),
    ] = None,
    model: Annotated[
        str | None, typer.Option("--model", "-m", help="Search this version, not the live one.")
    ] = None,
    device: DeviceOption = "auto",
    rerank: Annotated[
        str,
        typer.Option(help="Reranker of the first 50 hits, or off; default: the collection's."),
    ] = "",
    rerank_deadline_ms: Annotated[
        int, typer.Option(min=1, max=60_000, help="If it takes longer the hits stay as they are.")
    ] = 3000,
    max_upload_bytes: Annotated[
        int, typer.Option(min=1000, help="Larger pictures to search by are refused.")
    ] = 20_000_000,
    rate: Annotated[
        float, typer.Option(min=1, help="Requests a second of one client, on average.")
    ] = 100.0,
) -> None:
    """Open a page to search the collection with text or pictures, until Ctrl-C."""
    from crossmodal.web.server import serve
    from crossmodal.web.settings import UiSettings

    settings = UiSettings(
        collection=collection,
        model=model,
        device=device,
        rerank=rerank,
        rerank_deadline_ms=rerank_deadline_ms,
        host=host,
        port=port,
        **_secret(collection, host, token, no_token=no_token, new_token=new_token),
        allowed_hosts=tuple(allow_host or []),
        max_upload_bytes=max_upload_bytes,
        rate_per_s=rate,
        burst=4 * rate,
    )
    serve(settings, typer.echo)


def _secret(
    collection: str, host: str, token: str | None, *, no_token: bool, new_token: bool
) -> dict[str, Any]:
    """Return how people are let in: by the secret they chose, by one that is kept, or freely."""
    from crossmodal.web.guards import tokens
    from crossmodal.web.settings import is_loopback

    if (token or new_token) and no_token:
        raise typer.BadParameter("--no-token asks for no secret, another option for one")
    if token or no_token or not is_loopback(host):  # for others than this machine one is chosen
        return {"token": token or None}
    path = tokens.token_path(collection)
    if tokens.keep_token(path, renew=new_token):
        return {"token_file": path, "shows_token": True}
    return {"token": tokens.new_token(), "shows_token": True}  # until Ctrl-C
