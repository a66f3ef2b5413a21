"""Render an email: build blocks from its content version, then HTML and plain text from the same blocks."""

from __future__ import annotations

from typing import Any

from widget.actions.emails.answer_check_in import ANSWERS, check_in_token
from widget.actions.emails.follow_link import PRODUCT_LINK, QUIZ_LINK, RESULT_LINK, EmailLink, link_url
from widget.actions.emails.plan_emails import bought_products
from widget.actions.errors import ActionError, UnknownResult
from widget.actions.quiz.result_links import open_result, quiz_url, result_setting, result_url
from widget.content.languages import negotiate_locale
from widget.crypto import CONFIRM, PREFERENCES, UNSUBSCRIBE
from widget.domain.catalog.product import Product
from widget.domain.content.pack import Pack, Tip
from widget.domain.email.sequence import TRANSACTIONAL
from widget.domain.engine.evaluation import evaluate, screen
from widget.email.blocks import Block, CheckIn, Picture, TipBlock, Warnings, email_blocks, fill
from widget.email.compose import compose
from widget.email.content import EmailFrame, Written
from widget.i18n.strings import Strings, strings_for
from widget.quiz_registry import LoadedQuiz
from widget.services import Services
from widget.storage.emails import Email
from widget.storage.orders import Order
from widget.storage.shops import Shop

GENERAL_TIPS = 3
Answers = dict[str, list[str]]


class NoContent(ActionError):
    """The content version of an email, or its template, is not available."""

    code = "content_gone"


def compose_email(
    services: Services, loaded: LoadedQuiz, email: Email, order: Order | None, answers: Answers | None = None
) -> tuple[Written, EmailFrame]:
    """Compose the email from this content; return it with its frame.

    ``answers`` replace those of the encrypted result, for previews. Raises NoContent, CannotWrite, TooLarge.
    """
    text = _pack(loaded, email).email_by_id.get(email.template)
    if text is None:
        raise NoContent(f"version {email.version} has no email '{email.template}'")
    context = _context(services, loaded, email, order, answers)
    frame = _frame(services, loaded, email, order, context, _subject(loaded, email) or text.subject, text.preview)
    blocks: list[Block] = email_blocks(text.body, context)
    return compose(frame, blocks), frame


def _subject(loaded: LoadedQuiz, email: Email) -> str | None:
    """Return the second subject, for emails of variant "b"."""
    sequence = _pack(loaded, email).sequence_by_id.get(email.sequence) if email.variant == "b" else None
    return next((step.subject_b for step in sequence.steps if step.id == email.step), None) if sequence else None


def content_of(services: Services, shop: Shop, email: Email) -> LoadedQuiz:
    """Return the content version that an email was planned with. Raises NoContent."""
    loaded = services.quizzes.version(shop.slug, email.quiz, email.version)
    if loaded is None:
        raise NoContent(f"there is no version {email.version} of quiz '{email.quiz}'")
    return loaded


def email_products(loaded: LoadedQuiz, order: Order | None) -> list[Product]:
    """Return the products that were bought and not returned, each once; if all were returned, all of them."""
    if order is None:
        return []
    # If everything was returned, the email can still be composed, so that the send policy skips it for that reason.
    bought = bought_products(loaded, order.lines, order.refunds) or bought_products(loaded, order.lines)
    return list({item.product.sku: item.product for item in bought}.values())


def _context(
    services: Services, loaded: LoadedQuiz, email: Email, order: Order | None, answers: Answers | None
) -> dict[str, Any]:
    setting = result_setting(services, loaded, localized_in(loaded, email))
    local = {product.sku: product for product in loaded.localized(localized_in(loaded, email)).catalog.products}
    products = [local.get(email_product.sku, email_product) for email_product in email_products(loaded, order)]
    crypto, base = services.crypto, services.settings.public_url
    better, same, worse = (f"{base}/f/{check_in_token(services, email.id or 0, answer)}" for answer in ANSWERS)
    context: dict[str, Any] = {
        "shop": {"name": loaded.shop.name, "url": loaded.shop.url or base},
        "emails_per_month": loaded.engine.rules.pack.emails_per_month,
        "confirm_url": f"{base}/c/{crypto.token(CONFIRM, email.contact_id)}",
        "quiz_url": _link(services, loaded, email, QUIZ_LINK, quiz_url(services, loaded.shop.slug, loaded.quiz)),
        "blocks": {
            "tips": _tips(services, loaded, email, answers),
            "check-in": [CheckIn(better, same, worse)],
            "warnings": [Warnings(item.name, item.warnings) for item in products if item.warnings],
        },
    }
    if email.result_code:
        plain = result_url(services, loaded.shop.slug, email.result_code)
        context["result_url"] = _link(services, loaded, email, RESULT_LINK, plain, email.result_code)
    if order is not None:
        context["order"] = {"number": order.number}
    if products:
        first = products[0]
        picture = setting.address(_for_mail(first.image)) if first.image else ""
        size = f", {first.size}" if first.size else ""
        context["product"] = {
            "name": first.name,
            "form": first.form,
            "size": first.size or "",
            "sku": first.sku,
        }
        context["product_url"] = _link(
            services, loaded, email, PRODUCT_LINK, setting.address(first.url or "/"), first.sku
        )
        context["blocks"]["product-picture"] = [Picture(picture, f"{first.name}{size}")] if picture else []
    return context


def _link(services: Services, loaded: LoadedQuiz, email: Email, kind: str, plain: str, what: str = "") -> str:
    """Return the URL that counts clicks; in a preview, the plain URL."""
    if not email.id:
        return plain
    locale = localized_in(loaded, email)
    link = EmailLink(loaded.shop.slug, loaded.quiz, loaded.version, locale, email.template, kind, what)
    return link_url(services, link)


def _for_mail(image: str) -> str:
    """Return the PNG next to an SVG, since email clients do not display SVG."""
    return image.removesuffix(".svg") + ".png" if image.endswith(".svg") else image


def _tips(services: Services, loaded: LoadedQuiz, email: Email, answers: Answers | None) -> list[Block]:
    """Return tips for the recipient's answers if they may be used, else general ones; none for a red flag."""
    engine = loaded.localized(localized_in(loaded, email))
    rules = engine.rules
    chosen: list[Tip] = [tip for tip in rules.pack.tips if tip.id in rules.pack.result.fallback_tips]
    if answers is not None or (email.result_code and email.order_id):
        try:
            if answers is None:
                _, answers = open_result(services, loaded.shop.slug, email.result_code)
            live = services.quizzes.live(loaded.shop.slug, loaded.quiz)
            found = evaluate(rules, engine.catalog, answers, screen(live.engine.rules, answers) if live else None)
            chosen = [rules.tips[place - len(rules.products)] for place in found.tips]
        except UnknownResult:
            pass  # The keys were replaced meanwhile: use the general tips.
    strings = strings_for(localized_in(loaded, email))
    return [_tip_block(tip, strings) for tip in chosen[:GENERAL_TIPS]]


def _tip_block(tip: Tip, strings: Strings) -> TipBlock:
    """Return the tip with its first source: the claim, the strength of the evidence, and its limits."""
    source = tip.evidence[0] if tip.evidence else None
    text = f"{tip.short or tip.title}. {tip.hint or ''}".strip()
    if source:
        strength = strings.get(f"strength_{source.strength}", "") if source.strength else ""
        text += f" {source.claim}" + (f" ({strings['evidence']}: {strength})" if strength else "")
        text += f" {strings['limits']} {source.limits}" if source.limits else ""
    link = f"https://doi.org/{source.doi}" if source and source.doi else ""
    return TipBlock(tip.title, text, source.citation if source else "", link)


def _frame(
    services: Services,
    loaded: LoadedQuiz,
    email: Email,
    order: Order | None,
    context: dict[str, Any],
    subject: str,
    preview: str,
) -> EmailFrame:
    base, locale = services.settings.public_url, localized_in(loaded, email)
    strings = strings_for(locale)
    marketing = email.kind != TRANSACTIONAL
    return EmailFrame(
        shop=loaded.shop.name,
        subject=" ".join(fill(subject, context).split()),
        preview=" ".join(fill(preview, context).split()),
        locale=locale,
        because=_because(order, context, strings),
        notice=strings["email_notice"],
        strings=strings,
        postal_address=loaded.shop.postal_address,
        preferences_url=f"{base}/p/{services.crypto.token(PREFERENCES, email.contact_id)}",
        unsubscribe_url=f"{base}/u/{services.crypto.token(UNSUBSCRIBE, email.contact_id)}" if marketing else "",
        mark_url=f"{base}/demo/pictures/mark.png" if loaded.shop.slug == "demo" else "",
    )


def _because(order: Order | None, context: dict[str, Any], strings: Strings) -> str:
    if order is None:
        return strings["because_asked"]
    only = "" if order.accepts_marketing is True else "_only"  # A buyer who was never asked has not consented.
    if "product" not in context:
        return strings.text(f"because_order{only}", order=order.number)
    return strings.text(f"because_bought{only}", product=context["product"]["name"], order=order.number)


def localized_in(loaded: LoadedQuiz, email: Email) -> str:
    """Return the language of an email: that of the order or quiz, if the pack has it, else the pack's default."""
    return negotiate_locale(loaded.engine.rules.pack, email.locale)


def _pack(loaded: LoadedQuiz, email: Email) -> Pack:
    return loaded.localized(localized_in(loaded, email)).rules.pack
