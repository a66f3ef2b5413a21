"""The engine compared with a reference evaluator written independently from the description of the content format."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from tests.contract.reference.evaluator import Oracle
from tests.contract.reference.packs import answer_sets, small_pack, write
from widget.content.reader import read_pack
from widget.domain.engine.answers import Refused
from widget.domain.engine.live import Engine
from widget.domain.engine.result import Setting

BATCHES, PACKS, ANSWER_SETS = 6, 25, 120


@pytest.mark.parametrize("batch", range(BATCHES))
def test_engine_matches_the_reference_evaluator_on_random_packs(batch: int, tmp_path: Path) -> None:
    for seed in range(batch * PACKS, (batch + 1) * PACKS):
        chance = random.Random(seed)
        pack = small_pack(chance)
        write(pack, tmp_path / "pack", chance)
        reading = read_pack(tmp_path / "pack")
        assert reading.pack is not None, (seed, [error.data() for error in reading.errors])
        engine, reference = Engine.of(reading.pack), Oracle(pack)
        for answers in answer_sets(chance, pack, ANSWER_SETS):
            assert _as_reference(engine, answers) == reference.recommend(answers), (seed, json.dumps(answers))


def _as_reference(engine: Engine, answers: Any) -> dict[str, Any]:
    try:
        result = engine.recommend(json.loads(json.dumps(answers)), Setting("s", "q", 1))
    except Refused:
        return {"refused": True}
    advice = result["advice"]
    return {
        "outcome": result["outcome"],
        "products": [{key: card[key] for key in ("sku", "slot", "match", "why")} for card in result["products"]],
        "tips": [tip["id"] for tip in result["tips"]],
        "tip_why": {tip["id"]: tip["why"] for tip in result["tips"]},
        "advice": advice["title"] if advice else None,
    }
