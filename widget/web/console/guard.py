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
    """The person of this request, as Flask-Login wants to see one; its id is the token of the cookie."""

    def __init__(self, visitor: Visitor, token: str) -> None:
        self.visitor, self.token = visitor, token

    def get_id(self) -> str:
        return self.token


@dataclass(frozen=True, slots=True)
class Kept:
    """What somebody typed before they turned out to be signed out: where it goes, and the fields."""

    path: str
    fields: list[tuple[str, str]]


def permitted(what: str) -> Callable[[View], View]:
    """Say who may use a route: EVERYONE, SIGNED_IN, or a permission in the shop of its address."""

    def mark(view: View) -> View:
        view.permission = what  # type: ignore[attr-defined]
        return view

    return mark


def stateless(view: View) -> View:
    """A POST that changes nothing and needs no form token."""
    view.stateless = True  # type: ignore[attr-defined]
    return view


def register_guard(app: Flask) -> None:
    manager = LoginManager()
    manager.session_protection = None  # The token decides, and it can be taken back at any moment.
    manager.user_loader(_load)
    # Not by init_app, which looks into the session of every request of the service: shoppers have none.
    app.login_manager = manager  # type: ignore[attr-defined]
    app.config.setdefault("WTF_CSRF_CHECK_DEFAULT", False)
    app.config.setdefault("WTF_CSRF_TIME_LIMIT", None)
    # Its own check wants a Referer over https, and does not know Sec-Fetch-Site: ``_same_origin`` looks instead.
    app.config.setdefault("WTF_CSRF_SSL_STRICT", False)
    csrf.init_app(app)
    app.jinja_env.policies["json.dumps_kwargs"] = {"sort_keys": False}  # Questions come in their order.
    app.register_error_handler(CSRFError, _stale_form)


def _load(token: str) -> SignedIn | None:
    visitor = visitor_of(current_services(), token)
    return SignedIn(visitor, token) if visitor else None


def visitor() -> Visitor | None:
    return current_user.visitor if current_user and current_user.is_authenticated else None


def me() -> User:
    """The person of this request; only behind a route that is not for everyone."""
    found = visitor()
    assert found is not None
    return found.user


def may_here(what: str) -> bool:
    """Whether this person has a permission in the shop of this request's address."""
    found = visitor()
    shop = (request.view_args or {}).get("shop", "")
    return found is not None and may(found.roles.get(shop), what)


def check_door() -> AnyResponse | None:
    """Before each request of the console."""
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
        abort(404)  # Another's shop and no shop look the same.
    if not may(role, needed):
        return make_response(render_template("console/auth/forbidden.html", needed=needed, role=role), 403)
    return None


def _limit_form(size: int, fields: int) -> None:
    """Before the form is parsed: what nobody is signed in for is small, and nothing has fields without end."""
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
        "console/auth/sign_in.html", kept=keep_fields(), message="You were signed out. Sign in, and go on."
    )
    return make_response(body, 401)


def keep_fields() -> str:
    """The fields of this request, encrypted for a hidden field, so that nothing typed is lost.

    Only of our own pages: a form from elsewhere must not come back with a token of ours.
    """
    if not same_origin():
        return ""
    fields = [[name, value] for name, value in request.form.items(multi=True) if name not in ("csrf_token", "password")]
    text = orjson.dumps([request.path, fields]).decode()
    return current_services().crypto.encrypt(text, KEPT_FORM) if len(text) < _MAX_KEPT else ""


def kept_fields(encrypted: str) -> Kept | None:
    """What ``keep_fields`` kept; None for nothing, or for what we did not make."""
    try:
        path, fields = (
            orjson.loads(current_services().crypto.decrypt(encrypted, KEPT_FORM)) if encrypted else (None, [])
        )
    except (InvalidToken, ValueError):
        return None
    return Kept(path, [(name, value) for name, value in fields]) if path and path.startswith("/console/") else None


def _stale_form(error: CSRFError) -> AnyResponse:
    """A form from before the last sign-in, or from elsewhere: shown again, to be sent by hand."""
    if wants_json():
        return json_answer({"code": "stale_form", "detail": "This page is too old to save from. Reload it."}, 400)
    if visitor() is None:
        return make_response(
            render_template("console/auth/sign_in.html", kept="", message="That form was too old. Please try again."),
            400,
        )
    return make_response(render_template("console/auth/again.html", kept=kept_fields(keep_fields()), why="stale"), 400)


def sign_in_cookie(token: str) -> None:
    """A fresh session that holds nothing but the token (ASVS 7.2.4)."""
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
    """Where somebody wanted to go before they were asked to sign in."""
    path = str(session.pop("next", "") or "/console/")
    return path if path.startswith("/console/") and "//" not in path else "/console/"


def browser_name() -> str:
    """A browser in two words, for the list of sign-ins."""
    agent = request.headers.get("User-Agent", "")
    names = [name for name in ("Firefox", "Edg", "OPR", "Chrome", "Safari") if name in agent]
    systems = [name for name in ("Windows", "Android", "iPhone", "iPad", "Mac OS", "Linux") if name in agent]
    return f"{names[0] if names else 'Browser'} on {systems[0] if systems else 'an unknown system'}"
