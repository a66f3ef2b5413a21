"""Rate limits on requests that send email to strangers or allow guessing: per client, shop, and address."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from typing import Any, TypeVar, cast

import orjson
from flask import Flask, request, session
from flask_limiter import Limiter

from widget.cache.redis_url import limits_storage
from widget.settings import Settings
from widget.web.requests import current_services

View = TypeVar("View", bound=Callable[..., Any])
PER_GUESSER, PER_GUESSED = "30 per 15 minutes", "10 per 15 minutes"
PER_PROVIDER = "60 per 15 minutes"
PER_INVITED, PER_INVITING = "5 per hour", "100 per hour"
PER_CLIENT, PER_ADDRESS, PER_SHOP = "20 per hour", "5 per hour", "2000 per hour"
MAX_ADDRESS = 254


def client_key() -> str:
    """Return the client as rate limits count it.

    An IPv6 /64 network counts as one client: it is one household, and its addresses cost a client nothing.
    """
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
    """Strip the port that some proxies append to the address: 203.0.113.5:4711, [2001:db8::1]:4711."""
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
    """Set up the limiter. It counts in Redis, or in this process while Redis is unavailable."""
    url, options = limits_storage(settings.redis_url)
    app.config["RATELIMIT_STORAGE_URI"] = url or "memory://"
    app.config["RATELIMIT_STORAGE_OPTIONS"] = (
        {"socket_timeout": 0.1, "socket_connect_timeout": 0.1, **options} if settings.redis_url else {}
    )
    app.config["RATELIMIT_KEY_PREFIX"] = "rq-limit"
    limiter.init_app(app)


def counted_address(email: Any) -> str:
    """Return an address as rate limits count it: normalized, without a plus tag; empty if it is not an address.

    The address is never truncated: that would make it a different address, and padding would start a new count.
    """
    text = "".join(str(email or "").split()).casefold()
    name, _, domain = text.rpartition("@")
    return f"{name.partition('+')[0]}@{domain}" if name and domain and len(text) <= MAX_ADDRESS else ""


def _shop() -> str:
    return f"shop:{(request.view_args or {}).get('shop', '')}"


def _address() -> str:
    """Return a key for the requested address, hashed; a body without an address counts for the client instead."""
    try:
        data = orjson.loads(request.get_data(cache=True)) if not request.form else request.form
        email = counted_address(data["email"])
    except (ValueError, KeyError, TypeError):
        email = ""
    if not email:
        return f"client:{client_key()}"
    return "address:" + current_services().crypto.address_hash(_shop(), email)


def limited(view: View) -> View:
    """Apply the three limits to a view that sends email. The API and the page share their counts."""
    for limit, key, scope in (
        (PER_CLIENT, client_key, "email-client"),
        (PER_SHOP, _shop, "email-shop"),
        (PER_ADDRESS, _address, "email-address"),
    ):
        view = cast(View, limiter.shared_limit(limit, scope=scope, key_func=key)(view))
    return view


def invitation_limited(view: View) -> View:
    """Limit emails to colleagues, by the inviting shop and by the recipient."""
    for limit, key in ((PER_INVITING, _shop), (PER_INVITED, _invited)):
        view = cast(View, limiter.limit(limit, key_func=key, methods=["POST"])(view))
    return view


def _invited() -> str:
    """Return a key for the recipient, hashed: the address, or the id of a user who is already in the shop."""
    whom = str((request.view_args or {}).get("user", "")) or counted_address(request.form.get("email"))
    return "invited:" + current_services().crypto.address_hash(_shop(), whom)


def sign_in_limited(view: View) -> View:
    """Limit guesses, by client and by client and account together (ASVS 6.3.1).

    Never by account alone: anyone who knows an owner's address could lock the owner out for good.
    """
    for limit, key, scope in ((PER_GUESSER, client_key, "guesser"), (PER_GUESSED, _guessed, "guessed")):
        view = cast(View, limiter.shared_limit(limit, scope=scope, key_func=key, methods=["POST"])(view))
    return view


def provider_limited(view: View) -> View:
    """Limit redirects to and from the identity provider, by client: each makes us send a request to it."""
    return cast(View, limiter.limit(PER_PROVIDER, key_func=client_key)(view))


def _guessed() -> str:
    """Return a key for the account whose secret is guessed and the client that guesses.

    A signed-in user guesses their own secret, regardless of the address in the form.
    """
    whom = str(session.get("_user_id", ""))[:16] or counted_address(request.form.get("email"))
    return "guessed:" + current_services().crypto.address_hash("console", f"{client_key()} {whom}")
