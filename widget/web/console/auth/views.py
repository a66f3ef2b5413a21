"""Sign-in, one-time links, and the user's own account."""

from __future__ import annotations

import io

import segno
from flask import Blueprint, abort, flash, make_response, redirect, render_template, request, session
from werkzeug.wrappers import Response as AnyResponse

from widget.actions.accounts.choose_password import (
    WrongCode,
    WrongPassword,
    accept_invitation,
    change_password,
    link_opens_for,
    offer_codes,
    set_password,
    stop_codes,
    use_codes,
)
from widget.actions.accounts.sign_in import IDLE, CodeNeeded, NotSignedIn, sign_in, sign_out
from widget.actions.errors import UnknownToken
from widget.passwords import Weak
from widget.storage.users import active_sessions
from widget.web.console.guard import (
    EVERYONE,
    SIGNED_IN,
    browser_name,
    kept_fields,
    me,
    next_path,
    permitted,
    sign_in_cookie,
    visitor,
)
from widget.web.limits import sign_in_limited
from widget.web.numbers import whole_number
from widget.web.requests import current_services

blueprint = Blueprint("auth", __name__)


@blueprint.get("/sign-in")
@permitted(EVERYONE)
def sign_in_form() -> AnyResponse | str:
    if visitor():
        return redirect("/console/", 303)
    return render_template("console/auth/sign_in.html", kept="", message=session.pop("message", ""))


@blueprint.post("/sign-in")
@permitted(EVERYONE)
@sign_in_limited
def sign_in_post() -> AnyResponse:
    """Sign in. If a form was submitted while signed out, continue with a page that offers to save it."""
    form = request.form
    kept = form.get("kept", "")
    try:
        token = sign_in(
            current_services(),
            email=form.get("email", ""),
            password=form.get("password", ""),
            code=form.get("code", ""),
            browser=browser_name(),
        )
    except (NotSignedIn, CodeNeeded) as error:
        body = render_template(
            "console/auth/sign_in.html",
            kept=kept,
            message=str(error),
            email=form.get("email", "")[:254],
            with_code=isinstance(error, CodeNeeded) or bool(form.get("code")),
        )
        return make_response(body, 200 if isinstance(error, CodeNeeded) else 401)
    sign_in_cookie(token)
    found = kept_fields(kept)
    if found:
        return make_response(render_template("console/auth/again.html", kept=found, why="signed-out"))
    return redirect(next_path(), 303)


@blueprint.post("/sign-out")
@permitted(SIGNED_IN)
def sign_out_post() -> AnyResponse:
    found = visitor()
    assert found is not None
    sign_out(current_services(), user_id=found.user.id, session_id=found.sign_in.id)
    session.clear()
    answer = redirect("/console/sign-in", 303)
    # Not "cookies": that would clear those of every host under the same registrable domain, the store's included.
    answer.headers["Clear-Site-Data"] = '"cache", "storage"'
    return answer


@blueprint.get("/set-password/<token>")
@permitted(EVERYONE)
def set_password_form(token: str) -> AnyResponse:
    """Show the page of a one-time link. GET changes nothing, because mail scanners open links, too."""
    try:
        opening = link_opens_for(current_services(), token)
    except UnknownToken as error:
        return make_response(render_template("console/auth/link_gone.html", message=str(error)), 404)
    template = "console/auth/accept.html" if opening.accept else "console/auth/set_password.html"
    return make_response(render_template(template, user=opening.user))


@blueprint.post("/set-password/<token>")
@permitted(EVERYONE)
@sign_in_limited
def set_password_post(token: str) -> AnyResponse:
    services, form = current_services(), request.form
    name = form.get("name", "")
    try:
        if form.get("do") == "accept":
            accept_invitation(services, token=token)
            flash("Invitation accepted.", "good")
            return redirect("/console/", 303)
        cookie = set_password(
            services,
            token=token,
            name=name,
            password=form.get("password", ""),
            code=form.get("code", ""),
            browser=browser_name(),
        )
    except (Weak, WrongCode) as error:
        user = link_opens_for(services, token).user
        return make_response(
            render_template("console/auth/set_password.html", user=user, name=name, message=str(error)), 422
        )
    except UnknownToken as error:
        return make_response(render_template("console/auth/link_gone.html", message=str(error)), 404)
    sign_in_cookie(cookie)
    return redirect("/console/", 303)


@blueprint.get("/account")
@permitted(SIGNED_IN)
def account() -> str:
    return _account()


def _account(**more: object) -> str:
    services, user = current_services(), me()
    with services.reads() as reads:
        user_sessions = active_sessions(reads, user.id, services.now() - IDLE)
    found = visitor()
    assert found is not None
    return render_template(
        "console/auth/account.html", user=user, user_sessions=user_sessions, this=found.sign_in.id, **more
    )


@blueprint.post("/account")
@permitted(SIGNED_IN)
@sign_in_limited
def account_post() -> AnyResponse:
    """Change the password, turn one-time codes on or off, or end a session."""
    does = {"password": _password, "codes": _codes, "codes_on": _codes_on, "codes_off": _codes_off, "end": _end}
    do = does.get(request.form.get("do", ""))
    if do is None:
        abort(400)
    try:
        more = do()
    except (Weak, WrongPassword, WrongCode) as error:
        return make_response(_account(message=str(error), bad=True), 422)
    return make_response(_account(**more))


def _password() -> dict[str, object]:
    form = request.form
    change_password(
        current_services(), user_id=me().id, old=form.get("old", ""), new=form.get("new", ""), keep=_this_session()
    )
    return {"message": "Your password was changed. All other browsers are signed out."}


def _this_session() -> int:
    found = visitor()
    assert found is not None
    return found.sign_in.id


def _codes() -> dict[str, object]:
    encrypted, address = offer_codes(current_services(), user=me())
    return _code_offer(encrypted, address)


def _code_offer(encrypted: str, address: str) -> dict[str, object]:
    out = io.BytesIO()
    segno.make(address).save(out, kind="svg", scale=4, xmldecl=False, svgns=True, omitsize=True)
    secret = address.partition("secret=")[2].partition("&")[0]
    return {"offer": encrypted, "square": out.getvalue().decode(), "secret": secret}


def _codes_on() -> dict[str, object]:
    form = request.form
    use_codes(
        current_services(),
        user_id=me().id,
        encrypted=form.get("offer", ""),
        code=form.get("code", ""),
        password=form.get("old", ""),
        old_code=form.get("old_code", ""),
        keep=_this_session(),
    )
    return {"message": "One-time codes are on. All other browsers are signed out."}


def _codes_off() -> dict[str, object]:
    form = request.form
    stop_codes(
        current_services(),
        user_id=me().id,
        password=form.get("old", ""),
        code=form.get("code", ""),
        keep=_this_session(),
    )
    return {"message": "One-time codes are off. All other browsers are signed out."}


def _end() -> dict[str, object]:
    chosen = request.form.get("sign_in", "")
    one = None if chosen == "all" else whole_number(chosen) or 0
    sign_out(current_services(), user_id=me().id, session_id=one)
    return {"message": "Session ended."}
