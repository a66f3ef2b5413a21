"""Turn answers into a result."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import orjson

from widget.actions.errors import UnknownQuiz, VersionGone
from widget.actions.result_links import result_code, result_setting, result_url
from widget.content.languages import locale_for
from widget.domain.code import asked_answers
from widget.domain.engine.answers import Answers
from widget.domain.engine.evaluation import evaluate, screen
from widget.domain.result import build_result
from widget.live import Served
from widget.services import KnownResult, Services
from widget.telemetry import RESULTS

GRACE = timedelta(hours=24)
SHARED_SECONDS = 600


def served_for(services: Services, shop: str, quiz: str, version: int | None) -> Served:
    """The version that answers. Raises UnknownQuiz, or VersionGone a day after a newer one went live."""
    live = services.live.live(shop, quiz)
    if live is None:
        raise UnknownQuiz("there is no such quiz here")
    if version is None or version == live.version:
        return live
    older = services.live.version(shop, quiz, version)
    gone = older is None or older.superseded_at is None or services.now() - older.superseded_at > GRACE
    if older is None or gone:
        raise VersionGone("this version of the quiz is gone; load the live one", version=live.version)
    return older


def submit_answers(
    services: Services,
    *,
    shop: str,
    quiz: str,
    answers: Answers,
    version: int | None = None,
    locale: str | None = None,
    product: str | None = None,
) -> tuple[Served, KnownResult]:
    """The result for these answers. Raises UnknownQuiz, VersionGone, Refused."""
    served = served_for(services, shop, quiz, version)
    return served, known_result(services, served, answers, locale=locale, product=product)


def known_result(
    services: Services, served: Served, answers: Answers, *, locale: str | None = None, product: str | None = None
) -> KnownResult:
    """The result from this process, from Redis, or computed: the same bytes each way. Raises Refused."""
    rules = served.engine.rules
    walk = rules.walk(answers)
    asked = asked_answers(rules.pack.quiz, walk)
    locale = locale_for(rules.pack, locale)
    product = product if product in rules.place else None
    code = result_code(services, served, asked)
    key = f"result:{served.shop.slug}:{served.quiz}:{served.state}:{locale}:{product or ''}:{code}"
    known = services.results.get(key)
    if known:
        RESULTS.labels("process").inc()
        return known
    body = services.shared.get(key)
    source = "redis" if body else "computed"
    if body is None:
        body = orjson.dumps(_compute(services, served, asked, locale, product, code))
        services.shared.put(key, body, seconds=SHARED_SECONDS)
    RESULTS.labels(source).inc()
    told: Mapping[str, Any] = orjson.loads(body)
    known = KnownResult(body, asked, told["outcome"], tuple(card["sku"] for card in told["products"]))
    services.results.put(key, known)
    return known


def _compute(
    services: Services, served: Served, answers: Answers, locale: str, product: str | None, code: str
) -> dict[str, Any]:
    """Evaluate, with the safety of the live version on top of an older one's own."""
    engine, screening = served.speaking(locale), None
    if not served.is_live:
        live = services.live.live(served.shop.slug, served.quiz)
        screening = screen(live.engine.rules, answers) if live else None
    found = evaluate(engine.rules, engine.shelf, answers, screening)
    setting = result_setting(services, served, locale)
    url = result_url(services, served.shop.slug, code)
    return build_result(found, setting, engine.highest, code=code, url=url, in_view=product)


def record_response(
    services: Services, served: Served, known: KnownResult, locale: str | None, *, bot: bool = False
) -> str:
    """Note the anonymous response, to be stored within a second; the random visit token it goes by.

    A bot's is stored as well, so that whatever follows from it holds, but is counted nowhere.
    """
    visit = secrets.token_urlsafe(16)
    services.recorder.add_response(
        {
            "shop_id": served.shop.id,
            "quiz": served.quiz,
            "version": served.version,
            "visit": visit,
            "answers": known.answers,
            "outcome": known.outcome,
            "products": list(known.products),
            "locale": locale_for(served.engine.rules.pack, locale),
            "created_at": services.now(),
        },
        tally=not bot,
    )
    return visit
