"""The command group ``recovery-quiz user``."""

from __future__ import annotations

import click

from widget.actions.accounts.add_user import BadMember, add_user
from widget.actions.accounts.choose_password import reset_codes_of
from widget.actions.errors import UnknownShop
from widget.commands.opening import opened_services
from widget.commands.reports import as_json
from widget.domain.roles import OWNER, ROLES
from widget.email.message import BadAddress


@click.group()
def user() -> None:
    """Manage console users."""


@user.command()
@click.argument("email")
@click.option("--shop", "slug", default="demo", show_default=True, help="Shop id.")
@click.option("--role", type=click.Choice(ROLES), default=OWNER, show_default=True)
@click.option("--name", default="", help="Display name.")
@click.option("--link", is_flag=True, help="Create a new one-time link even if the user has a password.")
@click.option("--json", "json_out", is_flag=True)
def add(email: str, slug: str, role: str, name: str, link: bool, json_out: bool) -> None:
    """Give EMAIL access to a shop's console. Prints a one-time link if the user needs to choose a password."""
    with opened_services() as services:
        try:
            user, token = add_user(services, shop=slug, email=email, role=role, name=name, again=link)
        except (UnknownShop, BadMember, BadAddress) as error:
            raise click.ClickException(str(error)) from error
        address = f"{services.settings.public_url}/console/set-password/{token}" if token else ""
    if json_out:
        as_json({"email": user.email, "shop": slug, "role": role, "link": address or None})
    elif address:
        click.echo(f"{user.email} is {role} of shop {slug}. One-time link, valid for three days:\n{address}")
    else:
        click.echo(f"{user.email} is {role} of shop {slug}, and signs in with their existing password.")


@user.command("reset-codes")
@click.argument("email")
def reset_codes(email: str) -> None:
    """Turn off one-time codes for EMAIL, after they lost their authenticator, and end all of their sessions."""
    with opened_services() as services:
        if not reset_codes_of(services, email=email):
            raise click.ClickException(f"There is no user with the address {email}.")
    click.echo(f"{email} now signs in with the password alone. Ask them to set up one-time codes again.")
