"""One content version ready to answer: rules, shelf and highest scores together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from widget.domain.engine.answers import Answers
from widget.domain.engine.evaluation import Screening, evaluate
from widget.domain.engine.highest import Highest
from widget.domain.engine.rules import Rules
from widget.domain.engine.shelf import Shelf
from widget.domain.engine.trace import trace
from widget.domain.pack import Pack
from widget.domain.result import Setting, build_result


@dataclass(frozen=True, slots=True)
class Engine:
    rules: Rules
    shelf: Shelf
    highest: Highest

    @classmethod
    def of(cls, pack: Pack) -> Engine:
        rules = Rules(pack)
        return cls(rules, Shelf(rules), Highest(rules))

    def recommend(
        self, answers: Answers, setting: Setting, *, explain: bool = False, screening: Screening | None = None
    ) -> dict[str, Any]:
        """The Result, with its ``trace`` when asked for. Raises Refused."""
        found = evaluate(self.rules, self.shelf, answers, screening)
        result = build_result(found, setting, self.highest)
        return {**result, "trace": trace(found)} if explain else result
