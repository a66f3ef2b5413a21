"""The command ``recovery-quiz emails simulate``: show which emails an order would trigger, and when."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import click
import orjson

from widget.actions.emails.simulate_emails import order_in, simulate_emails
from widget.actions.errors import ActionError
from widget.commands.opening import opened_services
from widget.commands.reading import read_or_refuse, sound_pack
from widget.domain.email.schedule import known_zone
from widget.domain.email.sequence import SENDING
from widget.domain.email.simulation import Simulated
from widget.domain.engine.answers import Refused
from widget.domain.engine.live import Engine
from widget.storage.content import live_quizzes
from widget.storage.shops import shop_by_slug


@click.command()
@click.option("--order", "order_file", type=click.Path(path_type=Path, exists=True, dir_okay=False), required=True)
@click.option("--answers", help="Quiz answers before the order as JSON: question ids to lists of option ids.")
@click.option("--from", "start", help="Start time, such as 2026-11-28T09:00 (default: now).")
@click.option("--pack", type=click.Path(path_type=Path), help="Content pack folder.")
@click.option("--shop", help="Use the live content of a shop, with its quiet hours.")
@click.option("--quiz", help="Quiz of the shop (default: its first).")
@click.option("--zone", help="Recipient's time zone, if the order has none.")
@click.option("--marketing/--no-marketing", default=None, help="Override the marketing consent of the order.")
@click.option("--health-data", is_flag=True, help="The recipient consented to the use of their answers.")
@click.option("--json", "as_json", is_flag=True)
def simulate(
    order_file: Path,
    answers: str | None,
    start: str | None,
    pack: Path | None,
    shop: str | None,
    quiz: str | None,
    zone: str | None,
    marketing: bool | None,
    health_data: bool,
    as_json: bool,
) -> None:
    """List each email with its local time, or the reason it would not be sent. Nothing is sent or stored."""
    if (pack is None) == (shop is None):
        raise click.UsageError("Use either --pack FOLDER or --shop SHOP.")
    engine, shop_zone, quiet = _from_files(pack) if pack else _from_shop(shop or "", quiz)
    zone = known_zone(zone or "", shop_zone)
    try:
        order = order_in(order_file.read_bytes())
        found = simulate_emails(
            engine,
            order,
            _moment(start, zone),
            answers=orjson.loads(answers) if answers else None,
            health_data=health_data,
            marketing=marketing,
            zone=zone,
            quiet=quiet,
        )
    except (ActionError, Refused, orjson.JSONDecodeError) as error:
        raise click.UsageError(getattr(error, "detail", "") or str(error)) from error
    local = ZoneInfo(known_zone(order.timezone, zone))
    rows = [_row(item, local) for item in found]
    if as_json:
        click.echo(orjson.dumps(rows, option=orjson.OPT_INDENT_2).decode())
        return
    click.echo(f"Times are in {local.key}.")
    for row in rows:
        click.echo(f"{row['local'] or '–':<22} {row['email']:<14} {row['said']}")
    if not rows:
        click.echo("No sequence applies to this order.")


def _from_files(pack: Path) -> tuple[Engine, str, tuple[str, str]]:
    return Engine.of(sound_pack(pack, read_or_refuse(pack))), "UTC", ("", "")


def _from_shop(shop: str, quiz: str | None) -> tuple[Engine, str, tuple[str, str]]:
    with opened_services() as services:
        with services.reads() as session:
            owner = shop_by_slug(session, shop)
            quizzes = live_quizzes(session, owner.id) if owner else []
        loaded = services.quizzes.live(shop, quiz or quizzes[0]) if quizzes else None
        if owner is None or loaded is None:
            raise click.UsageError(f"Shop '{shop}' has no live quiz" + (f" '{quiz}'." if quiz else "."))
        return loaded.engine, owner.timezone, (owner.quiet_from, owner.quiet_to)


def _moment(text: str | None, zone: str) -> datetime:
    if text is None:
        return datetime.now(UTC)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise click.UsageError("--from: use a time such as 2026-11-28T09:00.") from error
    return (moment if moment.tzinfo else moment.replace(tzinfo=ZoneInfo(zone))).astimezone(UTC)


def _row(simulated: Simulated, zone: ZoneInfo) -> dict[str, Any]:
    put_off = f" (deferred: {', '.join(simulated.deferred)})" if simulated.deferred else ""
    said = "sent" if simulated.verdict == SENDING else f"{simulated.verdict}: {simulated.reason}"
    return {
        "email": simulated.email,
        "sequence": simulated.sequence,
        "step": simulated.step,
        "kind": simulated.kind,
        "verdict": simulated.verdict,
        "reason": simulated.reason,
        "at": simulated.at.isoformat() if simulated.at else None,
        "local": simulated.at.astimezone(zone).strftime("%a, %b %-d, %Y, %-I:%M %p") if simulated.at else "",
        "deferred": list(simulated.deferred),
        "said": said + put_off,
    }
