"""The marketers' console: drafts, checks, impact, publishing, results, team, settings. JavaScript is optional."""

from __future__ import annotations

from flask import Blueprint, Flask, flash, redirect, render_template, request
from werkzeug.wrappers import Response as AnyResponse

from widget.actions.content.add_quiz import add_quiz
from widget.actions.errors import ActionError
from widget.domain.roles import EDIT, may
from widget.storage.content import live_publication
from widget.storage.drafts import quizzes_of
from widget.storage.users import shops_of
from widget.web.console import auth, content, emails, orders, publishing, results, settings, team
from widget.web.console.auth.oidc import init_provider
from widget.web.console.filters import register_filters
from widget.web.console.guard import SIGNED_IN, check_permission, me, permitted, register_guard
from widget.web.console.policy import page_policy
from widget.web.requests import current_services

SUBJECTS = (auth, publishing, content, emails, results, team, orders, settings)


def register(app: Flask) -> None:
    register_guard(app)
    register_filters(app)
    init_provider(app, app.extensions["services"].settings)
    console = Blueprint("console", __name__, url_prefix="/console", template_folder="templates")
    console.add_url_rule("/", "overview", overview)
    console.add_url_rule("/shops/<shop>/quizzes", "add", add, methods=["POST"])
    for subject in SUBJECTS:
        for blueprint in subject.BLUEPRINTS:
            console.register_blueprint(blueprint)
    console.before_request(check_permission)
    console.after_request(_private)
    app.register_blueprint(console)


@permitted(SIGNED_IN)
def overview() -> AnyResponse | str:
    """List the quizzes of the user's shops; redirect to the quiz if there is only one."""
    with current_services().reads() as session:
        shops = [
            (shop, role, [(quiz, live_publication(session, shop.id, quiz)) for quiz in quizzes_of(session, shop.id)])
            for shop, role in shops_of(session, me().id)
        ]
    if len(shops) == 1 and len(shops[0][2]) == 1 and "all" not in request.args:
        return redirect(f"/console/shops/{shops[0][0].slug}/quizzes/{shops[0][2][0][0]}/mappings", 303)
    return render_template("console/overview.html", shops=shops, user=me(), may=may)


@permitted(EDIT)
def add(shop: str) -> AnyResponse:
    """Create a quiz as a copy of another."""
    form = request.form
    quiz = form.get("quiz", "").strip()
    try:
        add_quiz(
            current_services(), shop=shop, quiz=quiz, title=form.get("title", ""), like=form.get("like", ""), by=me()
        )
    except ActionError as error:
        flash(str(error), "bad")
        return redirect("/console/?all=1", 303)
    return redirect(f"/console/shops/{shop}/quizzes/{quiz}/quiz", 303)


def _private(response: AnyResponse) -> AnyResponse:
    """Forbid caches to store console pages."""
    response.headers.setdefault("Cache-Control", "no-store")
    if response.mimetype == "text/html":
        response.headers.setdefault("Content-Security-Policy", page_policy())
    return response
