"""Check that each email template of a pack can be rendered, with products or without one."""

from __future__ import annotations

from typing import Any

from widget.domain.catalog.product import Product
from widget.domain.content.pack import EmailText, Pack
from widget.domain.content.problem import ERROR, Problem
from widget.email.blocks import CannotWrite, email_blocks, fill

_LINKS = ("confirm_url", "quiz_url", "result_url", "product_url")


def email_problems(pack: Pack) -> list[Problem]:
    """Return an error for each email template with an unknown field or block, in any branch."""
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
    """Return why this email cannot be rendered; "" if it can."""
    context = _sample(product)
    try:
        for text in (email.subject, email.preview):
            fill(text, context)
        email_blocks(email.body, context)
    except CannotWrite as error:
        return str(error)
    return ""


def _sample(product: Product | None) -> dict[str, Any]:
    """Return sample values for all fields that an email can rely on."""
    context: dict[str, Any] = dict.fromkeys(_LINKS, "https://store.example/")
    context["shop"] = {"name": "Shop", "url": "https://store.example/"}
    context["emails_per_month"] = 2
    context["blocks"] = {"tips": [], "check-in": [], "warnings": [], "product-picture": []}
    if product is not None:
        named = {"name": product.name, "form": product.form, "size": product.size or "", "sku": product.sku}
        context |= {"product": named, "order": {"number": "1042"}}
    return context
