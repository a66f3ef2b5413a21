"""The engine of one content version: rules, catalog, and highest scores together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from widget.domain.content.pack import Pack
from widget.domain.engine.answers import Answers
from widget.domain.engine.catalog import Catalog
from widget.domain.engine.evaluation import Screening, evaluate
from widget.domain.engine.highest import Highest
from widget.domain.engine.result import Setting, build_result
from widget.domain.engine.rules import Rules
from widget.domain.engine.trace import trace, why_not


@dataclass(frozen=True, slots=True)
class Engine:
    rules: Rules
    catalog: Catalog
    highest: Highest

    @classmethod
    def of(cls, pack: Pack) -> Engine:
        rules = Rules(pack)
        return cls(rules, Catalog(rules), Highest(rules))

    def recommend(
        self,
        answers: Answers,
        setting: Setting,
        *,
        explain: bool = False,
        why: str | None = None,
        screening: Screening | None = None,
    ) -> dict[str, Any]:
        """Return the Result, on request with its ``trace`` and with ``why_not`` for one SKU. Raises Refused."""
        found = evaluate(self.rules, self.catalog, answers, screening)
        result = build_result(found, setting, self.highest)
        if explain:
            result["trace"] = trace(found)
        if why is not None:
            result["why_not"] = why_not(found, why)
        return result
