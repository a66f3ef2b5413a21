"""Whether each letter of a pack can be written: for each product, and for none."""

from __future__ import annotations

from typing import Any

from widget.domain.pack import LetterText, Pack
from widget.domain.problem import ERROR, Problem
from widget.domain.product import Product
from widget.mail.blocks import CannotWrite, fill, letter_blocks

_LINKS = ("confirm_url", "quiz_url", "result_url", "product_url")


def letter_problems(pack: Pack) -> list[Problem]:
    """An error for each letter with a field or block that is not known, in whatever branch it stands."""
    used = {step.letter: sequence.trigger for sequence in pack.sequences for step in sequence.steps}
    problems = []
    for letter in pack.letters:
        bought = used.get(letter.id, "order.").startswith("order.")
        for product in pack.products[:50] if bought else [None]:
            message = _tried(letter, product)
            if message:
                place = f"letters/{letter.id}/body.{letter.markup}"
                problems.append(
                    Problem(ERROR, (place,), "letter_cannot_be_written", f"letter '{letter.id}': {message}")
                )
                break
    return problems


def _tried(letter: LetterText, product: Product | None) -> str:
    """What keeps this letter from being written; empty when nothing does."""
    context = _sample(product)
    try:
        for text in (letter.subject, letter.preview):
            fill(text, context)
        letter_blocks(letter.body, context)
    except CannotWrite as error:
        return str(error)
    return ""


def _sample(product: Product | None) -> dict[str, Any]:
    """The fields a letter can count on, with something in each."""
    context: dict[str, Any] = dict.fromkeys(_LINKS, "https://store.example/")
    context["shop"] = {"name": "Shop", "url": "https://store.example/"}
    context["blocks"] = {"tips": [], "check-in": [], "warnings": [], "product-picture": []}
    if product is not None:
        named = {"name": product.name, "form": product.form, "size": product.size or "", "sku": product.sku}
        context |= {"product": named, "order": {"number": "1042"}}
    return context
