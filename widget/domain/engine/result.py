"""The Result that shoppers see, built from an evaluation (shape: http-api.md, "Result")."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from itertools import compress
from typing import Any

from widget.domain.catalog.product import Product
from widget.domain.content.pack import ENDS_EARLY, FALLBACK, PRODUCTS, Evidence
from widget.domain.engine.evaluation import Evaluation, Shown, reasons
from widget.domain.engine.highest import Highest
from widget.domain.engine.trace import kept_out
from widget.domain.quiz.questions import SCALE, Question

FEW_LEFT = 5
RIGHT_TO_LEFT = frozenset({"ar", "fa", "he", "ur"})

Money = Callable[[int, str, str], str]
"""A function that formats (amount in minor units, ISO 4217 currency, locale) as text."""


def minor_money(amount: int, currency: str, locale: str) -> str:
    """Format the amount in minor units, for uses where it is not displayed.

    The number of decimals of a currency is not known here.
    """
    return f"{amount} {currency}"


def no_cart(product: Product) -> dict[str, Any]:
    return {"kind": "event"}


@dataclass(frozen=True, slots=True)
class Setting:
    """Where and how a result is shown: everything it depends on besides the evaluation."""

    shop: str
    quiz: str
    version: int
    locale: str = "en"
    money: Money = minor_money
    cart: Callable[[Product], dict[str, Any]] = no_cart
    address: Callable[[str], str] = field(default=str)


def direction(locale: str) -> str:
    return "rtl" if locale.split("-")[0] in RIGHT_TO_LEFT else "ltr"


def match_percent(score: int, highest: int) -> int | None:
    """Return score ÷ highest in percent, rounded half up, 0…100; None if the highest score is not above 0."""
    if highest <= 0:
        return None
    return min(100, max(0, (200 * score + highest) // (2 * highest)))


def build_result(
    found: Evaluation,
    setting: Setting,
    highest: Highest,
    *,
    code: str = "",
    url: str = "",
    in_view: str | None = None,
) -> dict[str, Any]:
    """Return the Result as plain data, ready for JSON."""
    pack = found.rules.pack
    products = [_card(found, shown, setting, highest) for shown in found.shown]
    tips = [_tip(found, place) for place in found.tips]
    ended = found.outcome in ENDS_EARLY
    return {
        "shop": setting.shop,
        "quiz": setting.quiz,
        "version": setting.version,
        "locale": setting.locale,
        "dir": direction(setting.locale),
        "code": code,
        "url": url,
        "outcome": found.outcome,
        "headline": None if ended else _headline(found),
        "chips": _chips(found),
        "curve": None if ended else _curve(found),
        "advice": asdict(found.triage.advice) if found.triage else None,
        "tips": tips,
        "products": products,
        "product_in_view": _in_view(found, setting, highest, in_view) if in_view else None,
        "plan": [] if ended else _plan(found),
        "comparison": _comparison(found, products) if products else None,
        "notices": list(pack.notices),
        "emails_per_month": pack.emails_per_month,
    }


# Products --------------------------------------------------------------------------------------------


def _card(found: Evaluation, shown: Shown, setting: Setting, highest: Highest) -> dict[str, Any]:
    product = found.catalog.products[shown.place]
    return {
        **_product(product, setting, found.rules.pack.currency),
        "slot": shown.slot,
        "match": _match(found, shown.place, highest, shown.slot),
        "why": reasons(found, shown.place, shown.slot),
        "cart": setting.cart(product),
    }


def _product(product: Product, setting: Setting, currency: str) -> dict[str, Any]:
    price = None
    if product.price is not None:
        unit = product.currency or currency
        price = {
            "amount": product.price,
            "currency": unit,
            "text": setting.money(product.price, unit, setting.locale),
        }
    few = product.stock is not None and 0 < product.stock <= FEW_LEFT
    return {
        "sku": product.sku,
        "name": product.name,
        "form": product.form,
        "size": product.size,
        "price": price,
        "url": setting.address(product.url) if product.url else None,
        "image": setting.address(product.image) if product.image else None,
        "in_stock": product.in_stock,
        "left": product.stock if few else None,
        "warnings": list(product.warnings),
        "ingredients": list(product.ingredients),
    }


def _match(found: Evaluation, place: int, highest: Highest, slot: str | None = None) -> int | None:
    score = found.scores[place]
    if slot == FALLBACK or score < found.rules.pack.result.min_score:
        return None
    return match_percent(score, highest[found.rules.products[place].sku])


def _in_view(found: Evaluation, setting: Setting, highest: Highest, sku: str) -> dict[str, Any] | None:
    """Return how the product of the current page fits; None if no products are shown or the SKU is unknown."""
    place = found.rules.place.get(sku)
    if place is None or found.outcome != PRODUCTS:
        return None
    product = found.catalog.products[place]
    slot = next((shown.slot for shown in found.shown if shown.place == place), None)
    at = [shown.place for shown in found.shown].index(place) + 1 if slot else None
    best = found.shown[0]
    out = kept_out(found, place)
    open_to_all = out is None or out["by"] in ("slot", "score", "variant", "out_of_stock")
    return {
        "sku": sku,
        "name": product.name,
        "form": product.form,
        "size": product.size,
        "place": at,
        "match": _match(found, place, highest, slot) if open_to_all else None,
        "kept_out": out["by"] if out else None,
        "best": None
        if best.place == place
        else {
            "sku": found.rules.products[best.place].sku,
            "name": found.catalog.products[best.place].name,
            "form": found.catalog.products[best.place].form,
            "match": _match(found, best.place, highest, best.slot),
        },
        "fits": _fits(found, place, best.place) if open_to_all and best.place != place else [],
    }


def _fits(found: Evaluation, place: int, best: int) -> list[dict[str, str]]:
    """Return the shopper's wishes, and how far each of two products meets them: yes, partly, or no.

    The level is based on the weights of the matched rows on each question: yes from two thirds of the best
    product's sum, partly above zero. Questions used by safety rules are left out, since their answers are not wishes.
    """
    rules = found.rules
    conditions = [row.when for row in rules.pack.triage] + [row.when for row in rules.pack.exclusions]
    safety = {name for when in conditions for name in when.fields()}
    rows = list(compress(range(len(rules.boosts.rows)), found.boosted))
    lines = []
    for question, way in zip(rules.pack.quiz.questions, found.walk.ways, strict=True):
        about = [at for at in rows if question.id in rules.boosts.rows[at][1].when.fields()]
        sums = [0] * len(rules.products)
        for at in about:
            for number in range(len(sums)):
                sums[number] += rules.boosts.rows[at][1].weight * (rules.names(at) >> number & 1)
        if way.chosen and question.id not in safety and max(sums, default=0) > 0:
            most = max(sums)
            lines.append(
                {
                    "asked": _localized(question, way.chosen),
                    "this": _level(sums[place], most),
                    "best": _level(sums[best], most),
                }
            )
    return lines


def _level(amount: int, most: int) -> str:
    if 3 * amount >= 2 * most:
        return "yes"
    return "partly" if amount > 0 else "no"


def _comparison(found: Evaluation, products: list[dict[str, Any]]) -> dict[str, Any] | None:
    comparison = found.rules.pack.comparison
    if comparison is None:
        return None
    best: dict[str, dict[str, Any]] = {}
    for card in products:
        best.setdefault(card["form"], card)
    return {
        "title": comparison.title,
        "text": comparison.text,
        "forms": [
            {
                "form": form,
                "name": comparison.names.get(form) or form[:1].upper() + form[1:],
                "sku": best[form]["sku"] if form in best else None,
                "match": best[form]["match"] if form in best else None,
                "best": bool(products) and products[0]["form"] == form,
            }
            for form in comparison.forms
        ],
        "rows": [
            {"name": row.name, "cells": [row.cells.get(form, "") for form in comparison.forms]}
            for row in comparison.rows
        ],
    }


# Texts -----------------------------------------------------------------------------------------------


def _tip(found: Evaluation, place: int) -> dict[str, Any]:
    tip = found.rules.tips[place - len(found.rules.products)]
    return {
        "id": tip.id,
        "title": tip.title,
        "short": tip.short or tip.title,
        "hint": tip.hint,
        "icon": tip.icon,
        "body_html": tip.body_html,
        "with_products": tip.with_products if found.outcome == PRODUCTS else None,
        "why": [] if found.tips_from_fallback else reasons(found, place),
        "evidence": [evidence_data(item) for item in tip.evidence],
    }


def evidence_data(evidence: Evidence) -> dict[str, Any]:
    data = asdict(evidence)
    data["review_by"] = evidence.review_by.isoformat() if evidence.review_by else None
    return data


def _plan(found: Evaluation) -> list[dict[str, Any]]:
    """Return, for each day of the plan, the chosen tips of that day and the best product (step 12)."""
    tips = [found.rules.tips[place - len(found.rules.products)] for place in found.tips]
    best = [found.rules.products[found.shown[0].place].sku] if found.shown else []
    return [
        {
            "day": day.day,
            "title": day.title,
            "text": day.text,
            "tips": [tip.id for tip in tips if day.day in tip.days],
            "products": best,
        }
        for day in found.rules.pack.plan
    ]


def _chosen(found: Evaluation) -> Mapping[str, Any]:
    questions = found.rules.pack.quiz.questions
    return {q.id: way.chosen for q, way in zip(questions, found.walk.ways, strict=True)}


def _headline(found: Evaluation) -> str | None:
    chosen = dict(_chosen(found))
    return next((row.text for row in found.rules.pack.summary if row.when.holds(chosen)), None)


def _chips(found: Evaluation) -> list[dict[str, str]]:
    """Return a short summary of each answer to a question that has a label."""
    return [
        {"label": question.label, "text": _localized(question, way.chosen)}
        for question, way in zip(found.rules.pack.quiz.questions, found.walk.ways, strict=True)
        if question.label and way.chosen and not way.chosen.isdisjoint(question.option_ids)
    ]


def _localized(question: Question, chosen: frozenset[str]) -> str:
    if question.kind == SCALE:
        return f"{next(iter(chosen))} / {question.end}"
    texts = [option.short or option.text for option in question.options if option.id in chosen]
    arabic = any("\u0600" <= character <= "\u06ff" for character in "".join(texts))
    return ("، " if arabic else ", ").join(texts)


def _curve(found: Evaluation) -> dict[str, Any] | None:
    curve = found.rules.pack.curve
    if curve is None:
        return None
    chosen = _chosen(found).get(curve.question) or frozenset()
    day = next((curve.days[item] for item in sorted(chosen) if item in curve.days), None)
    return {"title": curve.title, "day": day, "note": curve.note, "source": curve.source}
