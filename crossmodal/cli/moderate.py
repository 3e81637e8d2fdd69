"""Offer moderation on the command line: ``moderate`` finds, ``review`` lets people decide."""

from __future__ import annotations

import getpass
from pathlib import Path
from typing import Annotated, Any

import typer

from crossmodal.cli.invoke import checked, run_flow
from crossmodal.cli.options import DEFAULT_COLLECTION, CollectionOption, DeviceOption, JsonOption
from crossmodal.cli.printing import print_json, print_tables
from crossmodal.views.human import counted

review = typer.Typer(
    name="review",
    help="Decide what policies found: list, take, decide, undo, appeal, export, check the log.",
    invoke_without_command=True,
)

FindingArgument = Annotated[int, typer.Argument(help="Number of the finding.", min=1)]
ActorOption = Annotated[
    str | None, typer.Option("--as", help="Who decides; default: this user of the machine.")
]
ReasonOption = Annotated[str, typer.Option(help="Why, for the statement of reasons.")]
NoteOption = Annotated[str, typer.Option(help="A note for other reviewers.")]
PolicyOption = Annotated[str | None, typer.Option(help="Only this policy.")]


def moderate(
    policies: Annotated[str, typer.Argument(help="Folder with a folder for each policy.")],
    collection: CollectionOption = DEFAULT_COLLECTION,
    device: DeviceOption = "auto",
    judge: Annotated[
        str,
        typer.Option(
            help="Directory or hub id of a ShieldGemma 2 that also looks at the pictures found."
        ),
    ] = "",
    as_json: JsonOption = False,
) -> None:
    """Find what violates POLICIES in what is new; people decide with `crossmodal review`."""
    from flows.params.moderate import ModerateParams

    given = {"policies": str(Path(policies).expanduser().absolute())}
    given |= {"collection": collection, "device": device, "judge": judge}
    params = checked(ModerateParams, given)
    run_flow(_moderate_flow, params, as_json=as_json)


def _moderate_flow() -> Any:
    from flows.moderate import moderate as flow

    return flow


@review.callback()
def review_default(
    context: typer.Context,
    collection: CollectionOption = DEFAULT_COLLECTION,
    as_json: JsonOption = False,
) -> None:
    """Decide what policies found."""
    if context.invoked_subcommand is None:
        list_findings(collection=collection, as_json=as_json)


@review.command("list")
def list_findings(
    state: Annotated[str, typer.Option(help="open, violates, allowed, withdrawn or all.")] = "open",
    policy: PolicyOption = None,
    limit: Annotated[int, typer.Option(min=1, help="Rows at most.")] = 100,
    collection: CollectionOption = DEFAULT_COLLECTION,
    as_json: JsonOption = False,
) -> None:
    """List findings, the most urgent first."""
    from crossmodal.ledger.collection import Collection
    from crossmodal.ledger.read.findings import STATES, findings
    from crossmodal.moderation.shown import findings_table

    if state not in (*STATES, "all"):
        raise typer.BadParameter(f"{state} is no state: use {', '.join(STATES)} or all")
    with Collection(collection).read() as con:
        found = findings(con, None if state == "all" else state, policy, limit)
    if as_json:
        print_json(found)
        return
    print_tables([findings_table(found)])


@review.command()
def take(
    policy: PolicyOption = None,
    actor: ActorOption = None,
    collection: CollectionOption = DEFAULT_COLLECTION,
    as_json: JsonOption = False,
) -> None:
    """Take the most urgent finding that nobody holds; it is yours for ten minutes."""
    from crossmodal.ledger.write.reviews import take_next

    found = _written(collection, lambda con: take_next(con, _act(actor), policy))
    if found is None and not as_json:
        typer.echo("the queue is empty")
        return
    _show(found, as_json)


@review.command()
def decide(
    finding: FindingArgument,
    decision: Annotated[str, typer.Argument(help="violates or allowed.")],
    hide: Annotated[
        bool | None,
        typer.Option(
            "--hide/--no-hide",
            help="Whether searches leave out what violates; default: as the policy says.",
        ),
    ] = None,
    reason: ReasonOption = "",
    note: NoteOption = "",
    actor: ActorOption = None,
    collection: CollectionOption = DEFAULT_COLLECTION,
    as_json: JsonOption = False,
) -> None:
    """Decide a finding."""
    from crossmodal.ledger.write import reviews

    act = _act(actor, reason, note)
    _show(
        _written(collection, lambda con: reviews.decide(con, finding, decision, act, hide)), as_json
    )


@review.command()
def undo(
    finding: FindingArgument,
    note: NoteOption = "",
    actor: ActorOption = None,
    collection: CollectionOption = DEFAULT_COLLECTION,
    as_json: JsonOption = False,
) -> None:
    """Take a decision back."""
    from crossmodal.ledger.write import reviews

    act = _act(actor, "", note)
    _show(_written(collection, lambda con: reviews.undo(con, finding, act)), as_json)


@review.command()
def appeal(
    finding: FindingArgument,
    verdict: Annotated[
        str | None, typer.Argument(help="Empty to object; uphold or overturn to settle it.")
    ] = None,
    reason: ReasonOption = "",
    note: NoteOption = "",
    actor: ActorOption = None,
    collection: CollectionOption = DEFAULT_COLLECTION,
    as_json: JsonOption = False,
) -> None:
    """Note an objection to a decision, or settle it: uphold or overturn."""
    from crossmodal.ledger.write import reviews

    act = _act(actor, reason, note)

    def write(con: Any) -> Any:
        if verdict is None:
            return reviews.appeal(con, finding, act)
        return reviews.settle_appeal(con, finding, verdict, act)

    _show(_written(collection, write), as_json)


@review.command()
def export(
    path: Annotated[Path, typer.Argument(help="File to write, such as statements.jsonl.")],
    collection: CollectionOption = DEFAULT_COLLECTION,
    as_json: JsonOption = False,
) -> None:
    """Write a statement of reasons for each decision, with the field names of the EU database."""
    from crossmodal.ledger.collection import Collection
    from crossmodal.moderation.statements import export as write

    with Collection(collection).read() as con:
        num = write(con, path)
    if as_json:
        print_json({"path": str(path), "num_statements": num})
        return
    typer.echo(f"{counted(num, 'statement')} of reasons: {path}")


@review.command()
def log(
    collection: CollectionOption = DEFAULT_COLLECTION,
    as_json: JsonOption = False,
) -> None:
    """Check that no entry of the log was touched, and make each decision out again."""
    from crossmodal.ledger.collection import Collection
    from crossmodal.ledger.write.reviews import events
    from crossmodal.moderation.audit import audit
    from crossmodal.moderation.shown import audit_text

    with Collection(collection).read() as con:
        found, entries = audit(con), events(con)
    if as_json:
        print_json({"holds": found.holds, "audit": found, "events": entries})
    else:
        typer.echo(audit_text(found))
    if not found.holds:
        raise typer.Exit(1)


def _act(actor: str | None, reason: str = "", note: str = "") -> Any:
    from crossmodal.ledger.write.reviews import Act

    return Act(actor=actor if actor is not None else getpass.getuser(), reason=reason, note=note)


def _written(collection: str, do: Any) -> Any:
    """Do something within one transaction; a collection that is not there is not made."""
    from crossmodal.ledger.collection import Collection

    opened = Collection(collection)
    with opened.read():
        pass
    with opened.write() as con:
        return do(con)


def _show(found: Any, as_json: bool) -> None:
    if as_json:
        print_json(found)
        return
    from crossmodal.moderation.shown import finding_text

    typer.echo(finding_text(found))
