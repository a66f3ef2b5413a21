"""Limits on what makes us write to strangers: per client, shop and address."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import orjson
from flask import Flask, request, session
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address

from widget.settings import Settings
from widget.web.requests import current_parts

View = TypeVar("View", bound=Callable[..., Any])
PER_GUESSER, PER_GUESSED = "30 per 15 minutes", "10 per 15 minutes"
PER_PROVIDER = "60 per 15 minutes"
PER_INVITED, PER_INVITING = "5 per hour", "100 per hour"
PER_CLIENT, PER_ADDRESS, PER_SHOP = "20 per hour", "5 per hour", "2000 per hour"

limiter = Limiter(
    get_remote_address,
    in_memory_fallback_enabled=True,
    headers_enabled=True,
    strategy="fixed-window",
    swallow_errors=True,
)


def hang_limits(app: Flask, settings: Settings) -> None:
    """Counted in Redis, or in this process while Redis is gone."""
    url = settings.redis_url.replace("unix://", "redis+unix://", 1)  # As this library spells a local socket.
    app.config["RATELIMIT_STORAGE_URI"] = url or "memory://"
    app.config["RATELIMIT_STORAGE_OPTIONS"] = (
        {"socket_timeout": 0.1, "socket_connect_timeout": 0.1} if settings.redis_url else {}
    )
    app.config["RATELIMIT_KEY_PREFIX"] = "rq-limit"
    limiter.init_app(app)


def _shop() -> str:
    return f"shop:{(request.view_args or {}).get('shop', '')}"


def _address() -> str:
    """A hash of the address asked for; a body that is none counts for the client instead."""
    try:
        data = orjson.loads(request.get_data(cache=True)) if not request.form else request.form
        email = str(data["email"]).strip().casefold()
    except (ValueError, KeyError, TypeError):
        return f"client:{get_remote_address()}"
    return "address:" + current_parts().seals.address_hash(_shop(), email)


def limited(view: View) -> View:
    """The three limits on one view."""
    for limit, key in ((PER_CLIENT, get_remote_address), (PER_SHOP, _shop), (PER_ADDRESS, _address)):
        view = cast(View, limiter.limit(limit, key_func=key)(view))
    return view


def invitation_limited(view: View) -> View:
    """Letters to colleagues: by the shop that invites, and by who is written to."""
    for limit, key in ((PER_INVITING, _shop), (PER_INVITED, _invited)):
        view = cast(View, limiter.limit(limit, key_func=key, methods=["POST"])(view))
    return view


def _invited() -> str:
    """A hash of the address, or the number of somebody who is in the shop already."""
    whom = request.form.get("email", "")[:254] or str((request.view_args or {}).get("person", ""))
    return "invited:" + current_parts().seals.address_hash(_shop(), whom)


def sign_in_limited(view: View) -> View:
    """Guesses: by client, and by the address that is guessed for (ASVS 6.3.1)."""
    for limit, key in ((PER_GUESSER, get_remote_address), (PER_GUESSED, _guessed)):
        view = cast(View, limiter.limit(limit, key_func=key, methods=["POST"])(view))
    return view


def provider_limited(view: View) -> View:
    """Ways to the provider and back: by client; each makes us ask somebody else."""
    return cast(View, limiter.limit(PER_PROVIDER, key_func=get_remote_address)(view))


def _guessed() -> str:
    email = request.form.get("email", "")[:254]
    if not email:  # A form of somebody who is signed in: each has a count of their own.
        return "guessed:" + str(session.get("_user_id", get_remote_address()))[:16]
    return "guessed:" + current_parts().seals.address_hash("console", email)
