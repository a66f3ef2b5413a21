"""The command group ``recovery-quiz shop``."""

from __future__ import annotations

from typing import Any

import click
import orjson

from widget.actions.catalog.change_product import change_product
from widget.actions.require_shop import require_shop
from widget.actions.shops.add_shop import add_shop
from widget.actions.shops.connect_store import MAIL, PLATFORMS, BadConnection, connect_store
from widget.commands.feeds import import_feed_command
from widget.commands.opening import opened_services
from widget.crypto import WEBHOOK_SECRET
from widget.services import Services
from widget.storage.catalog import stored_catalog
from widget.storage.content import live_quizzes
from widget.storage.shops import good_secrets


@click.group()
def shop() -> None:
    """Add, inspect, and connect shops; block products; import product feeds."""


shop.add_command(import_feed_command)


@shop.command()
@click.argument("slug")
@click.option("--name", required=True, help="Display name of the shop.")
@click.option("--url", default="", help="URL of the storefront.")
@click.option("--postal-address", default="", help="Shown in the footer of every email (required by law).")
@click.option("--timezone", default="UTC", show_default=True)
def add(slug: str, name: str, url: str, postal_address: str, timezone: str) -> None:
    """Add a shop with a new webhook secret."""
    with opened_services() as services:
        add_shop(services, slug, name=name, url=url, postal_address=postal_address, timezone=timezone)
    click.echo(f"Shop {slug} added. Next: recovery-quiz content import PACK --shop {slug} --publish")


@shop.command()
@click.argument("slug")
@click.option("--json", "as_json", is_flag=True)
@click.option("--secrets", is_flag=True, help="Also show the webhook secrets.")
def show(slug: str, as_json: bool, secrets: bool) -> None:
    """Show the webhook URLs and embed snippet of a shop."""
    with opened_services() as services:
        data = _described(services, slug, secrets)
    if as_json:
        click.echo(orjson.dumps(data, option=orjson.OPT_INDENT_2).decode())
        return
    click.echo(f"{data['name']} ({slug})")
    if data["blocked"]:
        click.echo(f"  blocked: {', '.join(data['blocked'])}")
    for name, value in data["webhooks"].items():
        click.echo(f"  {name} webhook: {value}")
    for item in data.get("secrets", []):
        click.echo(f"  secret: {item}")
    click.echo(f"\n{data['embed']}")


def _described(services: Services, slug: str, secrets: bool) -> dict[str, Any]:
    base = services.settings.public_url
    with services.reads() as session:
        owner = require_shop(session, slug)
        quizzes = live_quizzes(session, owner.id)
        _, blocked = stored_catalog(session, owner.id)
    quiz = quizzes[0] if quizzes else "QUIZ"
    data: dict[str, Any] = {
        "shop": slug,
        "name": owner.name,
        "quizzes": quizzes,
        "blocked": sorted(blocked),
        "webhooks": {
            "orders": f"{base}/webhooks/{slug}/orders",
            **{name: f"{base}/webhooks/{slug}/{name}" for name in PLATFORMS},
            **{f"mail/{name}": f"{base}/webhooks/{slug}/mail/{name}" for name in MAIL},
        },
        "embed": f'<script type="module" src="{base}/embed.js"></script>\n'
        f'<recovery-quiz shop="{slug}" quiz="{quiz}"><a href="{base}/{slug}/quiz/{quiz}">Find your recovery match</a>'
        "</recovery-quiz>",
    }
    if secrets:
        data["secrets"] = [
            services.crypto.decrypt(secret, WEBHOOK_SECRET) for secret in good_secrets(owner, services.now())
        ]
    return data


@shop.command()
@click.argument("slug")
@click.argument("platform", type=click.Choice([*PLATFORMS, *MAIL]))
@click.option("--address", default="", help="URL of the store, to reconcile orders.")
@click.option("--secret", envvar="RECOVERY_CONNECT_SECRET", default="", help="Webhook signing secret.")
@click.option("--key", envvar="RECOVERY_CONNECT_KEY", default="", help="API key of the store.")
def connect(slug: str, platform: str, address: str, secret: str, key: str) -> None:
    """Connect a shop to its store platform or email provider.

    Pass secrets in RECOVERY_CONNECT_SECRET and RECOVERY_CONNECT_KEY rather than on the command line.
    """
    with opened_services() as services:
        try:
            connect_store(services, shop=slug, platform=platform, address=address, secret=secret, key=key)
        except BadConnection as error:
            raise click.UsageError(str(error)) from error
        path = platform if platform in PLATFORMS else f"mail/{platform}"
        click.echo(f"Connected. Webhook URL: {services.settings.public_url}/webhooks/{slug}/{path}")


@shop.command()
@click.argument("slug")
@click.argument("sku")
@click.option("--reason", required=True, help="Reason, shown in the audit log.")
def block(slug: str, sku: str, reason: str) -> None:
    """Hide a product in all results and emails, including old links, within 5 seconds."""
    with opened_services() as services:
        change_product(services, shop=slug, sku=sku, blocked=True, reason=reason)
    click.echo(f"{sku} is blocked.")


@shop.command()
@click.argument("slug")
@click.argument("sku")
def unblock(slug: str, sku: str) -> None:
    """Allow a blocked product to be shown again."""
    with opened_services() as services:
        change_product(services, shop=slug, sku=sku, blocked=False)
    click.echo(f"{sku} is unblocked.")
