"""A store's page that embeds the quiz."""

from __future__ import annotations

QUIZ = '<recovery-quiz shop="demo" quiz="leg-day" {more}><a href="/demo/quiz/leg-day">Take the quiz</a></recovery-quiz>'


def page_with(base: str, inside: str = "", *, head: str = "", body: str = "", more: str = "") -> str:
    script = f'<script type="module" src="{base}/embed.js"></script>'
    quiz = inside or QUIZ.format(more=more)
    return f'<!doctype html><html lang="en"><head><title>A store</title>{head}</head><body {body}>{script}{quiz}</body></html>'
