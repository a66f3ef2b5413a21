"""Compute the result for a shopper's answers."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import orjson

from widget.actions.errors import UnknownQuiz, VersionGone
from widget.actions.quiz.result_links import result_code, result_setting, result_url
from widget.content.languages import negotiate_locale
from widget.domain.engine.answers import Answers
from widget.domain.engine.code import asked_answers
from widget.domain.engine.evaluation import evaluate, screen
from widget.domain.engine.result import build_result
from widget.quiz_registry import LoadedQuiz
from widget.services import CachedResult, Services
from widget.telemetry import RESULTS

GRACE = timedelta(hours=24)
SHARED_SECONDS = 600


def served_for(services: Services, shop: str, quiz: str, version: int | None) -> LoadedQuiz:
    """Return the version to evaluate answers with. Raises UnknownQuiz, or VersionGone a day after it was superseded."""
    live = services.quizzes.live(shop, quiz)
    if live is None:
        raise UnknownQuiz("This shop has no such quiz.")
    if version is None or version == live.version:
        return live
    older = services.quizzes.version(shop, quiz, version)
    gone = older is None or older.superseded_at is None or services.now() - older.superseded_at > GRACE
    if older is None or gone:
        raise VersionGone(
            "This version of the quiz is no longer available. Load the live version.", version=live.version
        )
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
) -> tuple[LoadedQuiz, CachedResult]:
    """Return the version used and the result for these answers. Raises UnknownQuiz, VersionGone, Refused."""
    loaded = served_for(services, shop, quiz, version)
    return loaded, cached_result(services, loaded, answers, locale=locale, product=product)


def cached_result(
    services: Services, loaded: LoadedQuiz, answers: Answers, *, locale: str | None = None, product: str | None = None
) -> CachedResult:
    """Return the result from this process, from Redis, or computed: the same bytes in each case. Raises Refused."""
    rules = loaded.engine.rules
    walk = rules.walk(answers)
    asked = asked_answers(rules.pack.quiz, walk)
    locale = negotiate_locale(rules.pack, locale)
    product = product if product in rules.place else None
    code = result_code(services, loaded, asked)
    key = f"result:{loaded.shop.slug}:{loaded.quiz}:{loaded.state}:{locale}:{product or ''}:{code}"
    known = services.results.get(key)
    if known:
        RESULTS.labels("process").inc()
        return known
    body = services.shared.get(key)
    source = "redis" if body else "computed"
    if body is None:
        body = orjson.dumps(_compute(services, loaded, asked, locale, product, code))
        services.shared.put(key, body, seconds=SHARED_SECONDS)
    RESULTS.labels(source).inc()
    outcome: Mapping[str, Any] = orjson.loads(body)
    known = CachedResult(body, asked, outcome["outcome"], tuple(card["sku"] for card in outcome["products"]))
    services.results.put(key, known)
    return known


def _compute(
    services: Services, loaded: LoadedQuiz, answers: Answers, locale: str, product: str | None, code: str
) -> dict[str, Any]:
    """Evaluate the answers; for an older version, the live version's safety rules apply as well."""
    engine, screening = loaded.localized(locale), None
    if not loaded.is_live:
        live = services.quizzes.live(loaded.shop.slug, loaded.quiz)
        screening = screen(live.engine.rules, answers) if live else None
    found = evaluate(engine.rules, engine.catalog, answers, screening)
    setting = result_setting(services, loaded, locale)
    url = result_url(services, loaded.shop.slug, code)
    return build_result(found, setting, engine.highest, code=code, url=url, in_view=product)


def record_response(
    services: Services,
    loaded: LoadedQuiz,
    known: CachedResult,
    locale: str | None,
    *,
    bot: bool = False,
    attempt: str = "",
) -> str:
    """Queue the anonymous response, stored within a second; return its visit token.

    A response from a bot is stored as well, since an order may follow from it, but it is not counted. ``attempt``: a
    random key by which the client marks repeats of one request; they have the same visit token and are stored once.
    """
    visit = services.crypto.fingerprint(f"visit {loaded.shop.id} {attempt}") if attempt else secrets.token_urlsafe(16)
    if attempt and services.attempts.get(visit):
        return visit
    if attempt:
        services.attempts.put(visit, True)
    services.recorder.add_response(
        {
            "shop_id": loaded.shop.id,
            "quiz": loaded.quiz,
            "version": loaded.version,
            "visit": visit,
            "answers": known.answers,
            "outcome": known.outcome,
            "products": list(known.products),
            "locale": negotiate_locale(loaded.engine.rules.pack, locale),
            "created_at": services.now(),
        },
        daily_metric=not bot,
    )
    return visit
