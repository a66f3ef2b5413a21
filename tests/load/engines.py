"""Other rule engines on the same rules: each computes the scores of the products for one answer set."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from typing import Any

import rule_engine
import zen
from business_rules import run_all
from business_rules.actions import BaseActions, rule_action
from business_rules.fields import FIELD_NUMERIC
from business_rules.variables import BaseVariables, string_rule_variable
from json_logic import jsonLogic

from widget.domain.catalog.product import Product
from widget.domain.catalog.target import Target
from widget.domain.content.pack import BOOST, Mapping, Pack, ResultRules, Slot
from widget.domain.engine.evaluation import evaluate
from widget.domain.engine.live import Engine
from widget.domain.quiz.condition import parse_condition
from widget.domain.quiz.questions import SINGLE, Option, Question, Quiz

QUESTIONS, OPTIONS, PRODUCTS = 10, 5, 40
Scores = dict[str, int]
Answers = dict[str, Any]
Runner = Callable[[Answers], Scores]
OurRunner = Callable[[Answers], Sequence[int]]


def rules_of(count: int, seed: int = 3) -> Pack:
    """Build a pack of ``count`` rows with one to three comparisons, each adding to the score of one product."""
    chance = random.Random(seed)
    questions = tuple(
        Question(f"q{at}", SINGLE, "?", options=tuple(Option(f"o{n}", "x") for n in range(OPTIONS)))
        for at in range(QUESTIONS)
    )
    rows = []
    for at in range(count):
        asked = chance.sample(questions, chance.randint(1, 3))
        when = " & ".join(f"{item.id} = {chance.choice(item.option_ids)}" for item in asked)
        target = (Target("sku", (f"SKU-{chance.randrange(PRODUCTS):02}",)),)
        weight = chance.randint(1, 100)
        rows.append(Mapping(id=f"r{at}", when=parse_condition(when), effect=BOOST, target=target, weight=weight))
    products = tuple(Product(f"SKU-{at:02}", "p") for at in range(PRODUCTS))
    rules = ResultRules(slots=(Slot("best", 3),))
    return Pack("b", "b", quiz=Quiz(questions), result=rules, mappings=tuple(rows), products=products)


def paths_pack(last: int = 4) -> Pack:
    """Build a pack of ten questions, 200 rows, and 40 products in four forms for the path check.

    Each question has four options, which makes a million classes; the last question has ``last`` options.
    """
    chance = random.Random(1)
    sizes = [4] * 9 + [last]
    questions = tuple(
        Question(f"q{at}", SINGLE, "?", options=tuple(Option(f"o{n}", "x") for n in range(size)))
        for at, size in enumerate(sizes)
    )
    products = tuple(
        Product(f"SKU-{at:03}", "p", form=f"f{chance.randrange(4)}", tags=(f"t{at % 8}",)) for at in range(40)
    )
    rows = []
    for at in range(200):
        asked = chance.sample(questions, chance.choice([1, 1, 2, 3]))
        when = " & ".join(f"{item.id} = {chance.choice(item.option_ids)}" for item in asked)
        named = (("sku", f"SKU-{chance.randrange(40):03}"), ("form", f"f{at % 4}"), ("tag", f"t{chance.randrange(8)}"))
        kind, value = chance.choice(named)
        weight, target = chance.randint(1, 100), (Target(kind, (value,)),)
        rows.append(Mapping(id=f"r{at}", when=parse_condition(when), effect=BOOST, target=target, weight=weight))
    rules = ResultRules(slots=(Slot("a"), Slot("b"), Slot("c")))
    return Pack("p", "p", quiz=Quiz(questions), result=rules, mappings=tuple(rows), products=products)


def answer_sets(many: int, seed: int = 4) -> list[Answers]:
    chance = random.Random(seed)
    return [{f"q{at}": f"o{chance.randrange(OPTIONS)}" for at in range(QUESTIONS)} for _ in range(many)]


def ours(engine: Engine) -> OurRunner:
    """Return a runner that does what the other engines do: match the rows and add up the score of each product."""
    return lambda answers: engine.rules.scores(engine.rules.walk(answers))


def whole(engine: Engine) -> OurRunner:
    """Return a runner that evaluates the whole result, with ranked products and tips; reported beside the scores."""
    return lambda answers: evaluate(engine.rules, engine.catalog, answers).scores


def named(engine: Engine, scores: Sequence[int]) -> Scores:
    """Return our scores in the format of the other engines: by SKU, without scores of 0."""
    skus = (product.sku for product in engine.rules.products)
    return {sku: score for sku, score in zip(skus, scores, strict=False) if score}


def _summed(pack: Pack, rows: Any) -> Scores:
    scores: Scores = {}
    for at in rows:
        row = pack.mappings[at]
        sku = row.target[0].values[0]
        scores[sku] = scores.get(sku, 0) + row.weight
    return scores


def _terms(row: Mapping) -> list[tuple[str, str]]:
    return [(term.field, term.values[0]) for term in row.when.clauses[0]]


def zen_table(pack: Pack) -> Runner:
    """Return a runner for zen-engine: one decision table that collects the matching rows."""
    names = [question.id for question in pack.quiz.questions]
    rules = []
    for at, row in enumerate(pack.mappings):
        cells = dict.fromkeys(names, "") | {name: json.dumps(value) for name, value in _terms(row)}
        rules.append({"_id": str(at), **cells, "row": str(at)})
    table = {
        "hitPolicy": "collect",
        "inputs": [{"id": name, "name": name, "type": "expression", "field": name} for name in names],
        "outputs": [{"id": "row", "name": "row", "type": "expression", "field": "row"}],
        "rules": rules,
    }
    nodes = [
        {"id": "in", "type": "inputNode", "name": "in", "position": {"x": 0, "y": 0}},
        {"id": "table", "type": "decisionTableNode", "name": "t", "content": table, "position": {"x": 1, "y": 0}},
        {"id": "out", "type": "outputNode", "name": "out", "position": {"x": 2, "y": 0}},
    ]
    edges = [
        {"id": "a", "type": "edge", "sourceId": "in", "targetId": "table"},
        {"id": "b", "type": "edge", "sourceId": "table", "targetId": "out"},
    ]
    decision = zen.ZenEngine().create_decision(json.dumps({"nodes": nodes, "edges": edges}))
    return lambda answers: _summed(pack, (int(item["row"]) for item in decision.evaluate(answers)["result"]))


def rule_engine_rules(pack: Pack) -> Runner:
    """Return a runner for rule-engine: one compiled rule per row."""
    rules = [
        rule_engine.Rule(" and ".join(f'{name} == "{value}"' for name, value in _terms(row))) for row in pack.mappings
    ]
    return lambda answers: _summed(pack, (at for at, rule in enumerate(rules) if rule.matches(answers)))


def json_logic_rules(pack: Pack) -> Runner:
    """Return a runner for json-logic-qubit: one expression per row."""
    rules = [{"and": [{"==": [{"var": name}, value]} for name, value in _terms(row)]} for row in pack.mappings]
    return lambda answers: _summed(pack, (at for at, rule in enumerate(rules) if jsonLogic(rule, answers)))


def business_rules_rules(pack: Pack) -> Runner:
    """Return a runner for business-rules: all rules in one run, each recording its row."""
    rules = [
        {
            "conditions": {
                "all": [{"name": name, "operator": "equal_to", "value": value} for name, value in _terms(row)]
            },
            "actions": [{"name": "note", "params": {"row": at}}],
        }
        for at, row in enumerate(pack.mappings)
    ]
    methods = {question.id: _variable(question.id) for question in pack.quiz.questions}
    variables = type("Variables", (BaseVariables,), {"__init__": _keep, **methods})

    class Actions(BaseActions):
        def __init__(self, noted: list[int]) -> None:
            self.noted = noted

        @rule_action(params={"row": FIELD_NUMERIC})
        def note(self, row: int) -> None:
            self.noted.append(row)

    def run(answers: Answers) -> Scores:
        noted: list[int] = []
        run_all(rules, variables(answers), Actions(noted), stop_on_first_trigger=False)
        return _summed(pack, noted)

    return run


def _keep(self: Any, answers: Answers) -> None:
    self.answers = answers


def _variable(name: str) -> Any:
    def read(self: Any) -> str:
        return str(self.answers[name])

    read.__name__ = name
    return string_rule_variable()(read)


OTHERS: dict[str, Callable[[Pack], Runner]] = {
    "zen-engine": zen_table,
    "rule-engine": rule_engine_rules,
    "json-logic-qubit": json_logic_rules,
    "business-rules": business_rules_rules,
}
