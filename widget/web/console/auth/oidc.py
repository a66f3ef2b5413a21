"""Sign-in with an OpenID Connect provider, in addition to passwords."""

from __future__ import annotations

import secrets
from typing import Any

import orjson
from flask import Blueprint, Flask, abort, current_app, redirect, request, session
from werkzeug.wrappers import Response as AnyResponse

from widget.actions.accounts.sign_in_by_provider import NotInvited, sign_in_by_provider
from widget.crypto import OIDC, InvalidToken
from widget.settings import Settings
from widget.telemetry import log
from widget.web.console.auth.provider import Provider, ProviderTrouble, Untrusted
from widget.web.console.guard import EVERYONE, browser_name, next_path, permitted, sign_in_cookie
from widget.web.limits import provider_limited
from widget.web.requests import current_services

blueprint = Blueprint("oidc", __name__, url_prefix="/oidc")
UNDER_WAY, MESSAGE = "oidc", "message"
LONGEST = 600
"""Seconds from the button to the callback. Users who take longer have to start again."""
NOT_NOW = "Your company sign-in could not be reached. Try again in a moment, or use your password."
AGAIN = "Signing in with your company account failed. Try again, or use your password."


def init_provider(app: Flask, settings: Settings) -> None:
    """Set up the provider, if there is one. Nothing is fetched here: the provider may be down at startup."""
    provider = Provider(settings) if settings.oidc_issuer else None
    app.extensions["oidc"] = provider
    app.jinja_env.globals["company_accounts"] = provider is not None


def _provider() -> Provider:
    provider = current_app.extensions["oidc"]
    if not isinstance(provider, Provider):
        abort(404)
    return provider


@blueprint.get("")
@permitted(EVERYONE)
@provider_limited
def start() -> AnyResponse:
    """Redirect to the provider. The values to check on return are stored encrypted in the session."""
    provider = _provider()
    try:
        started = provider.start()
    except ProviderTrouble as error:
        return _refused(NOT_NOW, str(error))
    services = current_services()
    kept = [started.state, started.nonce, started.verifier, services.now().timestamp()]
    session[UNDER_WAY] = services.crypto.encrypt(orjson.dumps(kept).decode(), OIDC)
    return redirect(started.address, 303)


@blueprint.get("/back")
@permitted(EVERYONE)
@provider_limited
def back() -> AnyResponse:
    """Handle the callback. It redirects in every case, so that no code stays in the browser's URL."""
    provider, args = _provider(), request.args
    state, nonce, verifier = _under_way()
    if not state or not secrets.compare_digest(state.encode(), args.get("state", "").encode()):
        return _refused(AGAIN, "state")
    if args.get("iss", provider.issuer) != provider.issuer:  # RFC 9207
        return _refused(AGAIN, "issuer")
    if "error" in args or not args.get("code"):
        return _refused(AGAIN, "the provider refused")
    try:
        claimed = provider.finish(code=args["code"], nonce=nonce, verifier=verifier)
        token = sign_in_by_provider(
            current_services(),
            subject=claimed.subject,
            email=claimed.email,
            verified=claimed.verified,
            browser=browser_name(),
        )
    except ProviderTrouble as error:
        return _refused(NOT_NOW, str(error))
    except Untrusted as error:
        return _refused(AGAIN, str(error))
    except NotInvited as error:
        return _refused(str(error), error.code)
    sign_in_cookie(token)
    return redirect(next_path(), 303)


def _under_way() -> tuple[str, str, str]:
    """Return (state, nonce, PKCE verifier) of the sign-in that this browser started; empty if there is none.

    They are valid for one callback, and for LONGEST seconds.
    """
    try:
        kept: Any = orjson.loads(current_services().crypto.decrypt(session.pop(UNDER_WAY, ""), OIDC))
    except (InvalidToken, orjson.JSONDecodeError):
        return "", "", ""
    state, nonce, verifier, begun = kept
    return (state, nonce, verifier) if 0 <= current_services().now().timestamp() - begun <= LONGEST else ("", "", "")


def _refused(message: str, why: str) -> AnyResponse:
    """Redirect to the sign-in page with a message of our own.

    ``why`` is for the log; it is our own text, too, and contains nothing that was sent.
    """
    log("oidc").warning("not_signed_in", reason=why)
    session[MESSAGE] = message
    return redirect("/console/sign-in", 303)
