"""The claims lint for a whole pack: applies the rules to each text in each language, and honors acceptances."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date
from functools import lru_cache

from widget.content.claim_rules import market_rules
from widget.content.languages import localized, pack_texts, text_hash
from widget.content.places import place_of
from widget.domain.catalog.product import Product
from widget.domain.catalog.target import names_tips
from widget.domain.content.claims import Claim, ClaimText, Market, claims_in, missing_warnings
from widget.domain.content.pack import Acceptance, Pack
from widget.domain.content.phrases import mixes_scripts
from widget.domain.content.problem import ERROR, WARNING, Problem, unknown_text

Contents = frozenset[str] | None
_ABOUT_ALL = ("pack.comparison.", "pack.fallback_reason")


def claim_problems(pack: Pack) -> Iterator[Problem]:
    """Yield claims that the pack's market forbids, in each of its languages, and acceptances that have lapsed."""
    market = market_rules(pack.market)
    if market is None:
        message = f"there are no claim rules for market '{pack.market}': claims were not checked"
        yield Problem(WARNING, ("pack.yaml", "market"), "no_claim_rules", message)
        return
    used: set[int] = set()
    for locale in pack.locales:
        translated = localized(pack, locale)
        for key, text in {**pack_texts(translated), **_attributes(pack, locale)}.items():
            for claim in _claims(_said(pack, key, text, locale), pack.market):
                accepted = _accepted(pack, claim, key, locale, text)
                used |= {accepted} if accepted is not None else set()
                if accepted is None:
                    yield _problem(pack, claim, key, locale)
        yield from _warnings(pack, translated, market, locale)
    for at, item in enumerate(pack.accepted):
        if at not in used:
            message = f"the acceptance of '{item.rule}' in {item.key} is no longer valid: the text or the rule changed"
            yield Problem(WARNING, ("claims.yaml", "accepted", at), "acceptance_lapsed", message)


@lru_cache(maxsize=20_000)
def _claims(claim_text: ClaimText, market: str) -> tuple[Claim, ...]:
    """Return the claims in a text, cached since most texts do not change between checks."""
    rules = market_rules(market)
    return tuple(claims_in(claim_text, rules)) if rules else ()


def _said(pack: Pack, key: str, text: str, locale: str) -> ClaimText:
    file, name = (*key.split(".", 1), "")[:2]
    everything = _contents(pack.products)
    if file == "products":
        product = next(item for item in pack.products if name.startswith(f"{item.sku}."))
        quiet = ".warnings." in key
        return ClaimText(text, locale, product.contains_set, product=True, quiet=quiet, name=key.endswith(".name"))
    if file == "mappings":
        row = next(mapping for mapping in pack.mappings if mapping.id == name.removesuffix(".reason"))
        named = [item for item in pack.products if any(target.fits(item) for target in row.target)]
        goods = not names_tips(row.target)
        return ClaimText(text, locale, _contents(named) if goods else everything, product=goods)
    about = key.startswith(_ABOUT_ALL) or key.endswith(".with_products") or _is_product_subject(pack, key)
    return ClaimText(text, locale, everything, product=about, quiet=file == "safety" or ".evidence." in key)


def _attributes(pack: Pack, locale: str) -> dict[str, str]:
    """Return the attributes of products by key; they exist only in the pack's default language."""
    if locale != pack.default_locale:
        return {}
    return {
        f"products.{product.sku}.attributes.{name}": text
        for product in pack.products
        for name, text in product.attributes.items()
    }


def _is_product_subject(pack: Pack, key: str) -> bool:
    """Return whether a key is the subject or preview of an email about a purchase.

    The body of such an email is checked sentence by sentence instead.
    """
    if not key.endswith((".subject", ".preview")):
        return False
    email = pack.email_by_id.get(key.split(".")[1]) if key.startswith("emails.") else None
    return email is not None and ("product." in email.body or "[[product-picture]]" in email.body)


def _contents(products: Iterable[Product]) -> Contents:
    """Return what any of these products contains; None if one of them does not declare its contents."""
    found: set[str] = set()
    for product in products:
        if product.contains is None:
            return None
        found |= set(product.contains)
    return frozenset(found)


def _problem(pack: Pack, claim: Claim, key: str, locale: str) -> Problem:
    rule = claim.rule
    suffix = f" ({locale})" if locale != pack.default_locale else ""
    instead = claim.instead(locale.split("-")[0])
    message = f"{key}{suffix}: “{claim.phrase}”, rule {rule.id}: {rule.why}. Source: {rule.source}. Instead: {instead}"
    place = place_of(pack, key) if locale == pack.default_locale else (f"locales/{locale}.yaml", key)
    if str(place[0]).endswith(".md") and key.endswith(".body") and locale == pack.default_locale:
        place = (place[0], f"phrase {claim.phrase}")
    return Problem(rule.severity, place, "claim", message, instead)


def _accepted(pack: Pack, claim: Claim, key: str, locale: str, text: str) -> int | None:
    """Return the index of the acceptance that covers a claim, else None. Errors cannot be accepted."""
    if claim.rule.severity == ERROR:
        return None
    wanted = (claim.rule.id, key, locale, text_hash(text))
    places = (at for at, item in enumerate(pack.accepted) if (item.rule, item.key, item.locale, item.of) == wanted)
    return next(places, None)


class CannotAccept(ValueError):
    """An acceptance that is invalid, or whose claim is not a warning of the claims lint."""


def accept_claim(
    pack: Pack, *, key: str, rule: str, locale: str | None, by: str, reason: str, on: date
) -> tuple[Acceptance, ...]:
    """Return the pack's acceptances with one added, by a named person with a reason. Raises CannotAccept."""
    locale = locale or pack.default_locale
    texts = pack_texts(localized(pack, locale))
    if locale not in pack.locales:
        raise CannotAccept(unknown_text("language", locale, pack.locales))
    if key not in texts:
        raise CannotAccept(unknown_text("text", key, texts))
    if not by.strip() or not reason.strip():
        raise CannotAccept("an acceptance requires the name of a person and a reason")
    found = {claim.rule.id: claim for claim in _claims(_said(pack, key, texts[key], locale), pack.market)}
    if rule not in found:
        raise CannotAccept(
            f"rule '{rule}' does not match anything in {key}" + (f"; found: {', '.join(found)}" if found else "")
        )
    if found[rule].rule.severity == ERROR:
        raise CannotAccept(f"rule '{rule}' is an error: it cannot be accepted; reword the text. {found[rule].rule.why}")
    kept = [item for item in pack.accepted if (item.rule, item.key, item.locale) != (rule, key, locale)]
    return (*kept, Acceptance(rule, key, text_hash(texts[key]), by.strip(), reason.strip(), locale, on))


def _warnings(pack: Pack, translated: Pack, market: Market, locale: str) -> Iterator[Problem]:
    """Yield problems for products that lack required warnings in this language."""
    for product in translated.products:
        missing = list(missing_warnings(market, product.warnings, locale, product.contains_set, product.form))
        if missing:
            at = f" ({locale})" if locale != pack.default_locale else ""
            listed = "; ".join(f"{item.id} ({item.why})" for item in missing)
            sources = ", ".join(dict.fromkeys(item.source for item in missing))
            message = f"{product.sku}{at} lacks required warnings: {listed}. Sources: {sources}"
            yield Problem(WARNING, place_of(pack, f"products.{product.sku}.warnings"), "missing_warning", message)


@lru_cache(maxsize=4096)
def name_is_allowed(name: str, contains: Contents, market: str, locale: str) -> bool:
    """Return whether a product name from a store feed may be shown; a forbidden claim in it blocks the product."""
    rules = market_rules(market)
    if rules is None:
        return True
    if mixes_scripts(name):
        return False
    languages = dict.fromkeys([locale.split("-")[0], *rules.about])
    found = [
        claim
        for item in languages
        for claim in claims_in(ClaimText(name, item, contains, product=True, name=True), rules)
    ]
    return all(claim.rule.severity != ERROR for claim in found)
