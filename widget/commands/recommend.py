"""The command ``recovery-quiz recommend``: compute a result directly from pack files."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import orjson
from rich.progress import track

from widget.commands.reading import read_or_refuse, sound_pack
from widget.domain.content.problem import unknown_text
from widget.domain.engine.answers import Refused
from widget.domain.engine.live import Engine
from widget.domain.engine.result import Setting
from widget.i18n.money import money_text

_NO_ANSWERS = 'Use --answers \'{"area":["calves"]}\' or --answers-file FILE.jsonl.'


@click.command()
@click.argument("pack", type=click.Path(path_type=Path))
@click.option("--answers", help="Answers as JSON: question ids to lists of option ids.")
@click.option(
    "--answers-file",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="File with answers, one JSON object per line.",
)
@click.option("--explain", is_flag=True, help="Add the trace: matched rows, scores, and why products were excluded.")
@click.option("--why-not", metavar="SKU", help="Explain why this product is shown, or why it is not.")
@click.option("--json", "as_json", is_flag=True, help="Print the full result as JSON.")
def recommend(
    pack: Path, answers: str | None, answers_file: Path | None, explain: bool, why_not: str | None, as_json: bool
) -> None:
    """Show the result for a set of answers, from the files of a PACK folder."""
    if (answers is None) == (answers_file is None):
        raise click.UsageError(_NO_ANSWERS)
    reading = read_or_refuse(pack)
    sound = sound_pack(pack, reading)
    if why_not is not None and why_not not in sound.product_by_sku:
        raise click.UsageError(unknown_text("SKU", why_not, sound.product_by_sku))
    engine = Engine.of(sound)
    setting = Setting("files", sound.id, 0, sound.default_locale, money=money_text)
    if answers_file is not None:
        for line in _lines(answers_file):
            sys.stdout.buffer.write(orjson.dumps(_one(engine, setting, line, explain, why_not)) + b"\n")
        return
    outcome = _one(engine, setting, answers or "", explain, why_not)
    if as_json or "refused" in outcome:
        click.echo(orjson.dumps(outcome, option=orjson.OPT_INDENT_2).decode())
    else:
        _say(outcome)
    if "refused" in outcome:
        raise SystemExit(2)


def _lines(path: Path) -> Iterator[str]:
    try:
        lines = [line for line in path.read_text(encoding="utf-8").split("\n") if line.strip()]
    except UnicodeDecodeError as error:
        raise click.UsageError(f"{path} is not UTF-8 (byte {error.start}).") from error
    if len(lines) < 10_000 or not sys.stderr.isatty():
        return iter(lines)
    from rich.console import Console

    return iter(track(lines, description="Evaluating", console=Console(stderr=True)))


def _one(engine: Engine, setting: Setting, text: str, explain: bool, why: str | None) -> dict[str, Any]:
    """Return a result, or ``{"refused": code, "detail": message}``."""
    try:
        return engine.recommend(orjson.loads(text), setting, explain=explain, why=why)
    except orjson.JSONDecodeError as error:
        return {"refused": "not_json", "detail": f"invalid JSON: {error}"}
    except Refused as refused:
        return {"refused": refused.code, "detail": refused.detail, "errors": refused.errors}


def _say(result: dict[str, Any]) -> None:
    """Print a result for people to read."""
    click.secho(result["outcome"], bold=True)
    if result["advice"]:
        click.echo(f"  {result['advice']['title']}: {result['advice']['body']}")
    for tip in result["tips"]:
        click.echo(f"  tip      {tip['id']:<18} {'; '.join(tip['why'])}")
    for card in result["products"]:
        match = f"{card['match']}%" if card["match"] is not None else "–"
        click.echo(f"  product  {card['sku']:<18} {match:>6}  {card['slot']:<10} {'; '.join(card['why'])}")
    for row in result.get("trace", {}).get("products", []):
        out = row["kept_out"]
        why = "shown" if out is None else " ".join(filter(None, [out["by"], out.get("row")]))
        adds = ", ".join(f"{item['id']} {item['adds']:+d}" for item in row["rows"])
        click.echo(
            f"  trace    {row['sku']:<18} {row['score'] if row['score'] is not None else '–':>6}  {why:<22} {adds}"
        )
    if "why_not" in result:
        _say_why(result["why_not"])


_CAUSES = {
    "ended_early": "the quiz ended early, at triage row {row}",
    "tips_only": "no product is shown, because of triage row {row}",
    "inactive": "it is not active",
    "blocked": "it is blocked",
    "certificate": "it has no certificate with a total THC within the limit",
    "safety": "safety exclusion {row} excludes it",
    "live_safety": "the safety rules of the live version exclude it",
    "exclude": "row {row} excludes it",
    "require": "row {row} requires other products",
    "out_of_stock": "it is out of stock",
    "score": "its score is {needed} below the minimum",
    "variant": "another variant of the same product is shown",
    "slot": "the slots it fits are filled with higher-ranked products",
}


def _say_why(line: dict[str, Any]) -> None:
    """Print why a product is shown in its place, or why it is not shown."""
    rows = ", ".join(f"{item['id']} {item['adds']:+d}" for item in line["rows"]) or "no row adds to its score"
    out = line["kept_out"]
    if out is None:
        click.secho(f"{line['sku']} is shown at position {line['shown']}, slot {line['slot']}.", bold=True)
    else:
        cause = _CAUSES[out["by"]].format(row=f"'{out.get('row')}'", needed=line["needed"])
        click.secho(f"{line['sku']} is not shown: {cause}.", bold=True)
    click.echo(f"  score {line['score'] if line['score'] is not None else '–'}: {rows}")
    for item in line["ahead"]:
        pinned = ", pinned" if item["pinned"] else ""
        click.echo(f"  ahead: {item['sku']} with {item['score']} in slot {item['slot']}{pinned}")
