"""Authentication and permissions of console routes. A route without a permission is closed to everyone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import orjson
from flask import Flask, Response, abort, current_app, g, make_response, redirect, render_template, request, session
from flask_login import LoginManager, UserMixin, current_user
from flask_wtf.csrf import CSRFError, CSRFProtect
from werkzeug.wrappers import Response as AnyResponse

from widget.actions.accounts.sign_in import Visitor, visitor_of
from widget.crypto import KEPT_FORM, InvalidToken
from widget.domain.roles import may
from widget.storage.users import User
from widget.web.bodies import MAX_BODY, MAX_CONSOLE_FORM, MAX_FORM_FIELDS, MAX_PUBLIC_FIELDS
from widget.web.requests import current_services, refuse_many_fields, refuse_nul, same_origin

View = TypeVar("View", bound=Callable[..., Any])
EVERYONE, SIGNED_IN = "everyone", "signed-in"
_MAX_KEPT = 512 * 1024
csrf = CSRFProtect()


class SignedIn(UserMixin):  # type: ignore[misc]
    """The user of this request, as Flask-Login expects it. Its id is the token in the session cookie."""

    def __init__(self, visitor: Visitor, token: str) -> None:
        self.visitor, self.token = visitor, token

    def get_id(self) -> str:
        return self.token


@dataclass(frozen=True, slots=True)
class Kept:
    """A form that was submitted while signed out: the path it was sent to, and its fields."""

    path: str
    fields: list[tuple[str, str]]


def permitted(what: str) -> Callable[[View], View]:
    """Declare who may use a route: EVERYONE, SIGNED_IN, or a permission in the shop that its URL names."""

    def mark(view: View) -> View:
        view.permission = what  # type: ignore[attr-defined]
        return view

    return mark


def stateless(view: View) -> View:
    """Mark a POST route that changes nothing and needs no form token."""
    view.stateless = True  # type: ignore[attr-defined]
    return view


def register_guard(app: Flask) -> None:
    manager = LoginManager()
    manager.session_protection = None  # The token decides, and it can be revoked at any time.
    manager.user_loader(_load)
    # Not with init_app, which reads the session in every request of the service: shoppers have none.
    app.login_manager = manager  # type: ignore[attr-defined]
    app.config.setdefault("WTF_CSRF_CHECK_DEFAULT", False)
    app.config.setdefault("WTF_CSRF_TIME_LIMIT", None)
    # Its own check requires a Referer over HTTPS and ignores Sec-Fetch-Site; ``same_origin`` is used instead.
    app.config.setdefault("WTF_CSRF_SSL_STRICT", False)
    csrf.init_app(app)
    app.jinja_env.policies["json.dumps_kwargs"] = {"sort_keys": False}  # Keep questions in order.
    app.register_error_handler(CSRFError, _stale_form)


def _load(token: str) -> SignedIn | None:
    visitor = visitor_of(current_services(), token)
    return SignedIn(visitor, token) if visitor else None


def visitor() -> Visitor | None:
    return current_user.visitor if current_user and current_user.is_authenticated else None


def me() -> User:
    """Return the user of this request. Only for routes that are not open to everyone."""
    found = visitor()
    assert found is not None
    return found.user


def may_here(what: str) -> bool:
    """Return whether the user has a permission in the shop that the URL names."""
    found = visitor()
    shop = (request.view_args or {}).get("shop", "")
    return found is not None and may(found.roles.get(shop), what)


def check_permission() -> AnyResponse | None:
    """Check form limits, sign-in, CSRF, and permission before each console request."""
    view = current_app.view_functions[request.endpoint or ""]
    needed = getattr(view, "permission", None)
    if needed is None:
        abort(403)
    found = visitor() if needed != EVERYONE else None
    _limit_form(MAX_CONSOLE_FORM if found else MAX_BODY, MAX_FORM_FIELDS if found else MAX_PUBLIC_FIELDS)
    if needed != EVERYONE and found is None:
        return _to_sign_in()
    if request.method == "POST" and not getattr(view, "stateless", False):
        if not same_origin():
            raise CSRFError("This form was sent from another site.")
        csrf.protect()
    if needed in (EVERYONE, SIGNED_IN) or found is None:
        return None
    role = found.roles.get((request.view_args or {}).get("shop", ""))
    if role is None:
        abort(404)  # Someone else's shop looks like one that does not exist.
    if not may(role, needed):
        return make_response(render_template("console/auth/forbidden.html", needed=needed, role=role), 403)
    return None


def _limit_form(size: int, fields: int) -> None:
    """Limit the size and the fields of a form before it is parsed; without a session it must be small."""
    request.max_content_length = request.max_form_memory_size = size
    request.max_form_parts = fields
    refuse_many_fields(fields)
    if request.method == "POST":
        refuse_nul()


def wants_json() -> bool:
    return request.headers.get("X-Console") == "1"


def json_answer(data: dict[str, Any], status: int = 200) -> Response:
    return Response(
        orjson.dumps(data), status=status, mimetype="application/json", headers={"Cache-Control": "no-store"}
    )


def _to_sign_in() -> AnyResponse:
    if wants_json():
        return json_answer({"code": "signed_out", "detail": "You are signed out. Sign in again in another tab."}, 401)
    if request.method == "GET":
        session["next"] = request.full_path.rstrip("?")
        return redirect("/console/sign-in", 303)
    body = render_template(
        "console/auth/sign_in.html", kept=keep_fields(), message="You were signed out. Sign in to continue."
    )
    return make_response(body, 401)


def keep_fields() -> str:
    """Encrypt the fields of this request for a hidden field, so that nothing typed is lost.

    Only for forms of our own pages: a form from another site must not come back with a token of ours.
    """
    if not same_origin():
        return ""
    fields = [[name, value] for name, value in request.form.items(multi=True) if name not in ("csrf_token", "password")]
    text = orjson.dumps([request.path, fields]).decode()
    return current_services().crypto.encrypt(text, KEPT_FORM) if len(text) < _MAX_KEPT else ""


def kept_fields(encrypted: str) -> Kept | None:
    """Decrypt what ``keep_fields`` returned; None if it is empty or not ours."""
    try:
        path, fields = (
            orjson.loads(current_services().crypto.decrypt(encrypted, KEPT_FORM)) if encrypted else (None, [])
        )
    except (InvalidToken, ValueError):
        return None
    return Kept(path, [(name, value) for name, value in fields]) if path and path.startswith("/console/") else None


def _stale_form(error: CSRFError) -> AnyResponse:
    """Show a form from before the last sign-in, or from another site, again, to be submitted by hand."""
    if wants_json():
        return json_answer({"code": "stale_form", "detail": "This page has expired. Reload it and try again."}, 400)
    if visitor() is None:
        return make_response(
            render_template("console/auth/sign_in.html", kept="", message="This form has expired. Try again."),
            400,
        )
    return make_response(render_template("console/auth/again.html", kept=kept_fields(keep_fields()), why="stale"), 400)


def sign_in_cookie(token: str) -> None:
    """Start a fresh session for the token (ASVS 7.2.4); only the page to return to is carried over."""
    kept = session.get("next", "")
    session.clear()
    session["_user_id"] = token
    session["_fresh"] = True
    session["next"] = kept
    g.pop("_login_user", None)


def role_here() -> str:
    found = visitor()
    return found.roles.get((request.view_args or {}).get("shop", ""), "") if found else ""


def next_path() -> str:
    """Return the page that the user wanted before being asked to sign in."""
    path = str(session.pop("next", "") or "/console/")
    return path if path.startswith("/console/") and "//" not in path else "/console/"


def browser_name() -> str:
    """Return the names of the browser and its system, for the list of sessions."""
    agent = request.headers.get("User-Agent", "")
    names = [name for name in ("Firefox", "Edg", "OPR", "Chrome", "Safari") if name in agent]
    systems = [name for name in ("Windows", "Android", "iPhone", "iPad", "Mac OS", "Linux") if name in agent]
    return f"{names[0] if names else 'Browser'} on {systems[0] if systems else 'an unknown system'}"
