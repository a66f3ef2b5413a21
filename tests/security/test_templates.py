"""Email templates: no template uses unbounded time or memory, and no value becomes markup."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import pytest

from widget.actions.content.check_emails import email_problems
from widget.domain.content.pack import EmailText
from widget.domain.engine.live import Engine
from widget.email.blocks import Button, Heading, Paragraph, Points, email_blocks
from widget.email.html import html_part
from widget.email.templates import CannotWrite, fill

CONTEXT: dict[str, Any] = {
    "product": {"name": "Cream", "form": "cream"},
    "shop": {"name": "Shop"},
    "result_url": "https://quiz.example/r/x",
    "blocks": {"tips": [], "warnings": [], "check-in": [], "product-picture": []},
}


@pytest.mark.parametrize(
    "template",
    [
        "{% for a in range(99999) %}{% for b in range(99999) %}x{% endfor %}{% endfor %}",
        "{{ 10**10000000 }}",
        "{{ '%099999999d' % 1 }}",
        "{{ '{:>99999999}'.format(1) }}",
        "{{ 'a' * 99999999 }}",
        "{{ product.name|center(99999999) }}",
        "{{ product.name|replace('', product.name * 9999) }}",
        "{{ product.name|wordwrap(1)|indent(9999) }}",
        "{{ [1]|map('string')|list }}",
        "{{ product.__class__ }}",
        "{{ product['__class__'] }}",
        "{{ ''.join(['a']) }}",
        "{% set a = 1 %}",
        "{% macro a() %}{{ a() }}{% endmacro %}{{ a() }}",
        "{% include 'x' %}",
        "{{ lipsum(99999) }}",
        "{{ namespace() }}",
        "{{ cycler('a') }}",
        "{{ product.name ~ product.name }}",
        "{{ product[product.name] }}",
        "{{ " + "(" * 3000 + "1" + ")" * 3000 + " }}",
        "{{ " + "not " * 3000 + "1 }}",
        "{% if 1 %}" * 200 + "{% endif %}" * 200,
        "{{ product.name }}" * 5000,
        "a" * 70_000,
        "{{ 1/0 }}",
        "{{ product.missing }}",
        "{{ product.name",
        "{{ nothing.at.all }}",
        "{{ 1 < 'a' }}",
        "{% if product.name > 1 %}a{% endif %}",
    ],
)
@pytest.mark.parametrize("markdown", [False, True])
def test_expensive_or_invalid_template_is_refused_quickly(template: str, markdown: bool) -> None:
    started = time.process_time()
    with pytest.raises(CannotWrite) as refused:
        fill(template, CONTEXT, markdown=markdown)

    assert time.process_time() - started < 2
    assert len(str(refused.value)) < 400


def test_template_error_names_the_line() -> None:
    with pytest.raises(CannotWrite, match="line 3: loops"):
        fill("one\ntwo\n{% for a in b %}{% endfor %}", CONTEXT)


def test_template_fields_and_branches_still_work() -> None:
    template = (
        "{% if product.form == 'cream' and not missing is defined %}{{ product.name|upper }}{% else %}b{% endif %}"
    )

    assert fill(template, CONTEXT) == "CREAM"


def test_expensive_email_template_is_a_finding_of_its_pack(leg_day: Engine) -> None:
    pack = leg_day.rules.pack
    emails = [replace(email, body=email.body + "\n{{ 10**10000000 }}") for email in pack.emails]
    problems = email_problems(replace(pack, emails=tuple(emails)))

    assert len(problems) == len(emails)
    assert all("arithmetic cannot be used" in problem.message for problem in problems)
    assert isinstance(emails[0], EmailText)


HOSTILE = (
    "[Claim](https://evil.example)",
    "<b>bold</b>",
    "# Heading",
    "**bold**",
    "![x](https://evil.example/p.png)",
    "<https://evil.example>",
    "1042\n\n[[tips]]",
    '[[button "Pay" result_url]]',
    "- a point",
    "`code` & &amp; \\[x\\]",
    "a\r\nb",
)


@pytest.mark.parametrize("value", HOSTILE)
@pytest.mark.parametrize("template", ["Order {{ number }} came.", "{{ number }}", "* {{ number }}\n* b"])
def test_template_value_is_text_and_never_markup(value: str, template: str) -> None:
    blocks = email_blocks(template, {**CONTEXT, "number": value})
    shown = " ".join(value.split())

    assert not any(isinstance(block, (Heading, Button)) for block in blocks)
    spans = [span for block in blocks if isinstance(block, Paragraph) for span in block.spans]
    spans += [span for block in blocks if isinstance(block, Points) for item in block.items for span in item]
    assert all(not span.link and not span.bold for span in spans)
    assert shown in "".join(span.text for span in spans)


@pytest.mark.parametrize("value", ['A "B" & C', "Cream [60]", "x\\y", "a_b*c"])
def test_template_value_in_a_button_is_shown_literally(value: str) -> None:
    (button,) = email_blocks('[[button "See {{ name }}" result_url]]', {**CONTEXT, "name": value})

    assert button == Button(f"See {value}", CONTEXT["result_url"])


def test_markup_in_an_order_number_reaches_no_email_html(leg_day: Engine) -> None:
    from tests.support.email_frame import FRAME

    blocks = email_blocks("Order {{ number }}", {**CONTEXT, "number": "[Claim](https://evil.example) <img src=x>"})
    html = html_part(FRAME, blocks)[0]

    assert 'href="https://evil.example' not in html
    assert "<img src=x>" not in html
