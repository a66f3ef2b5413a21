"""The command group ``recovery-quiz emails``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import orjson
from rich.progress import track
from sqlalchemy import select

from widget.actions.emails.send_again import send_again
from widget.actions.webhooks.collect_bounces import OUTCOMES, take_message
from widget.commands.opening import opened_services
from widget.commands.simulate import simulate
from widget.crypto import BOUNCE_MESSAGE
from widget.domain.email.sequence import PLANNED
from widget.storage.emails import Email
from widget.storage.unmatched_reports import UnmatchedReport, unmatched_reports

MAX_LISTED = 500


@click.group()
def emails() -> None:
    """List, inspect, simulate, and resend emails; import bounce messages."""


emails.add_command(simulate)


@emails.command()
@click.option("--json", "as_json", is_flag=True)
def due(as_json: bool) -> None:
    """List planned emails, soonest first."""
    with opened_services() as services, services.reads() as session:
        rows = session.scalars(select(Email).where(Email.state == PLANNED).order_by(Email.due_at).limit(500))
        data = [
            {"id": row.id, "template": row.template, "due_at": row.due_at.isoformat(), "reason": row.reason}
            for row in rows
        ]
    _tell(data, as_json, empty="No emails are planned.")


@emails.command()
@click.argument("number", type=int)
@click.option("--json", "as_json", is_flag=True)
def show(number: int, as_json: bool) -> None:
    """Show the history of an email."""
    with opened_services() as services, services.reads() as session:
        row = session.get(Email, number)
        if row is None:
            raise click.UsageError(f"There is no email {number}.")
        data = [{"id": row.id, "template": row.template, **step} for step in row.history]
    _tell(data, as_json, empty="")


@emails.command("send-again")
@click.argument("number", type=int)
def send_again_command(number: int) -> None:
    """Resend an email whose delivery is unknown."""
    with opened_services() as services:
        send_again(services, number)
    click.echo(f"Email {number} will be resent.")


@emails.command("import-bounces")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True, dir_okay=False))
def import_bounces(files: tuple[Path, ...]) -> None:
    """Import bounce and complaint messages (DSN, ARF) from files."""
    with opened_services() as services:
        taken = sum(take_message(services, file.read_bytes()) for file in track(files, "Reading …", transient=True))
    click.echo(f"Read {len(files)}, imported {taken}. A worker processes them within seconds.")
    if taken < len(files):
        click.echo("To read the others: recovery-quiz emails unmatched")


@emails.command()
@click.argument("number", type=int, required=False)
@click.option("--json", "as_json", is_flag=True)
def unmatched(number: int | None, as_json: bool) -> None:
    """List bounce messages that led to no email event, with the reason; with NUMBER, print that message."""
    with opened_services() as services, services.reads() as session:
        if number is not None:
            row = session.get(UnmatchedReport, number)
            if row is None:
                raise click.UsageError(f"There is no message {number}.")
            click.echo(services.crypto.decrypt_bytes(row.encrypted_message, BOUNCE_MESSAGE), nl=False)
            return
        data = [
            {"id": row.id, "received_at": row.received_at.isoformat(), "size": row.size, "reason": OUTCOMES[row.reason]}
            for row in unmatched_reports(session, MAX_LISTED)
        ]
    _tell(data, as_json, empty="Every bounce message of the last 30 days led to an email event.")


def _tell(rows: list[dict[str, Any]], as_json: bool, *, empty: str) -> None:
    if as_json:
        click.echo(orjson.dumps(rows, option=orjson.OPT_INDENT_2).decode())
    for row in rows if not as_json else []:
        click.echo("  ".join(str(value) for value in row.values()))
    if not rows and not as_json:
        click.echo(empty)
