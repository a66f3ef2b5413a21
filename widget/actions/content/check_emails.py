"""Check that each email template of a pack renders for each product and for none."""

from __future__ import annotations

from typing import Any

from widget.domain.catalog.product import Product
from widget.domain.content.pack import EmailText, Pack
from widget.domain.content.problem import ERROR, Problem
from widget.email.blocks import CannotWrite, email_blocks, fill

_LINKS = ("confirm_url", "quiz_url", "result_url", "product_url")


def email_problems(pack: Pack) -> list[Problem]:
    """An error for each email with a field or block that is not known, in whatever branch it stands."""
    used = {step.email: sequence.trigger for sequence in pack.sequences for step in sequence.steps}
    problems = []
    for email in pack.emails:
        bought = used.get(email.id, "order.").startswith("order.")
        for product in pack.products[:50] if bought else [None]:
            message = _tried(email, product)
            if message:
                place = f"emails/{email.id}/body.{email.markup}"
                problems.append(Problem(ERROR, (place,), "email_cannot_be_written", f"email '{email.id}': {message}"))
                break
    return problems


def _tried(email: EmailText, product: Product | None) -> str:
    """What keeps this email from being written; empty when nothing does."""
    context = _sample(product)
    try:
        for text in (email.subject, email.preview):
            fill(text, context)
        email_blocks(email.body, context)
    except CannotWrite as error:
        return str(error)
    return ""


def _sample(product: Product | None) -> dict[str, Any]:
    """The fields an email can count on, with something in each."""
    context: dict[str, Any] = dict.fromkeys(_LINKS, "https://store.example/")
    context["shop"] = {"name": "Shop", "url": "https://store.example/"}
    context["blocks"] = {"tips": [], "check-in": [], "warnings": [], "product-picture": []}
    if product is not None:
        named = {"name": product.name, "form": product.form, "size": product.size or "", "sku": product.sku}
        context |= {"product": named, "order": {"number": "1042"}}
    return context
