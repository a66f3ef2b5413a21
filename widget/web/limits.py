"""Rate limits on what sends email to strangers or allows guessing: per client, shop, and address."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from typing import Any, TypeVar, cast

import orjson
from flask import Flask, request, session
from flask_limiter import Limiter

from widget.settings import Settings
from widget.web.requests import current_services

View = TypeVar("View", bound=Callable[..., Any])
PER_GUESSER, PER_GUESSED = "30 per 15 minutes", "10 per 15 minutes"
PER_PROVIDER = "60 per 15 minutes"
PER_INVITED, PER_INVITING = "5 per hour", "100 per hour"
PER_CLIENT, PER_ADDRESS, PER_SHOP = "20 per hour", "5 per hour", "2000 per hour"
MAX_ADDRESS = 254


def client_key() -> str:
    """The client as limits count it: an IPv6 network of 64 bits is one household, and costs one client nothing."""
    return client_of(request.remote_addr or "")


def client_of(address: str) -> str:
    try:
        found = ipaddress.ip_address(_without_port(address).partition("%")[0])
    except ValueError:
        return "unknown"
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped:
            return str(found.ipv4_mapped)
        return str(ipaddress.ip_network((found, 64), strict=False))
    return str(found)


def _without_port(address: str) -> str:
    """Some proxies write the port behind the address: 203.0.113.5:4711, [2001:db8::1]:4711."""
    if address.startswith("["):
        return address[1:].partition("]")[0]
    return address.partition(":")[0] if address.count(":") == 1 else address


limiter = Limiter(
    client_key,
    in_memory_fallback_enabled=True,
    headers_enabled=True,
    strategy="fixed-window",
    swallow_errors=True,
)


def init_limits(app: Flask, settings: Settings) -> None:
    """Counted in Redis, or in this process while Redis is gone."""
    url = settings.redis_url.replace("unix://", "redis+unix://", 1)  # As this library spells a local socket.
    app.config["RATELIMIT_STORAGE_URI"] = url or "memory://"
    app.config["RATELIMIT_STORAGE_OPTIONS"] = (
        {"socket_timeout": 0.1, "socket_connect_timeout": 0.1} if settings.redis_url else {}
    )
    app.config["RATELIMIT_KEY_PREFIX"] = "rq-limit"
    limiter.init_app(app)


def counted_address(email: Any) -> str:
    """An address as limits count it: one spelling, without what stands behind a plus. Empty for what is none.

    Cut nowhere: a cut address would be another one, and padding would make a fresh count.
    """
    text = "".join(str(email or "").split()).casefold()
    name, _, domain = text.rpartition("@")
    return f"{name.partition('+')[0]}@{domain}" if name and domain and len(text) <= MAX_ADDRESS else ""


def _shop() -> str:
    return f"shop:{(request.view_args or {}).get('shop', '')}"


def _address() -> str:
    """A hash of the address asked for; a body that holds none counts for the client instead."""
    try:
        data = orjson.loads(request.get_data(cache=True)) if not request.form else request.form
        email = counted_address(data["email"])
    except (ValueError, KeyError, TypeError):
        email = ""
    if not email:
        return f"client:{client_key()}"
    return "address:" + current_services().crypto.address_hash(_shop(), email)


def limited(view: View) -> View:
    """The three limits on whatever asks for an email: one count for the API and the page."""
    for limit, key, scope in (
        (PER_CLIENT, client_key, "email-client"),
        (PER_SHOP, _shop, "email-shop"),
        (PER_ADDRESS, _address, "email-address"),
    ):
        view = cast(View, limiter.shared_limit(limit, scope=scope, key_func=key)(view))
    return view


def invitation_limited(view: View) -> View:
    """Emails to colleagues: by the shop that invites, and by who is written to."""
    for limit, key in ((PER_INVITING, _shop), (PER_INVITED, _invited)):
        view = cast(View, limiter.limit(limit, key_func=key, methods=["POST"])(view))
    return view


def _invited() -> str:
    """A hash of the address, or the number of somebody who is in the shop already."""
    whom = str((request.view_args or {}).get("user", "")) or counted_address(request.form.get("email"))
    return "invited:" + current_services().crypto.address_hash(_shop(), whom)


def sign_in_limited(view: View) -> View:
    """Guesses: by client, and by client and account together (ASVS 6.3.1).

    Never by account alone: whoever knows an owner's address could keep them out for good.
    """
    for limit, key, scope in ((PER_GUESSER, client_key, "guesser"), (PER_GUESSED, _guessed, "guessed")):
        view = cast(View, limiter.shared_limit(limit, scope=scope, key_func=key, methods=["POST"])(view))
    return view


def provider_limited(view: View) -> View:
    """Ways to the provider and back: by client; each makes us ask somebody else."""
    return cast(View, limiter.limit(PER_PROVIDER, key_func=client_key)(view))


def _guessed() -> str:
    """Whose secret is guessed, from where. Of somebody who is signed in it is their own, whatever the form says."""
    whom = str(session.get("_user_id", ""))[:16] or counted_address(request.form.get("email"))
    return "guessed:" + current_services().crypto.address_hash("console", f"{client_key()} {whom}")
