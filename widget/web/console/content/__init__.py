"""Editing of the draft: questions, tips, products, mappings, emails, translations."""

from __future__ import annotations

from widget.web.console.content import bulk, mappings, records, sheets, translations

BLUEPRINTS = (
    mappings.blueprint,
    bulk.blueprint,
    sheets.blueprint,
    records.blueprint,
    translations.blueprint,
)
