"""Hostile values in every field of every route get 4xx or an ordinary response, never 500, on both databases."""

from __future__ import annotations

import inspect
import os
import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from werkzeug.routing import IntegerConverter, Rule

from tests.support.console import PASSWORD, SignedInUser, form_token
from tests.support.packs import ROOT
from tests.support.services import client_of
from widget.actions.accounts.add_user import add_user
from widget.app import create_app
from widget.services import Services

HOSTILE = (
    "\x00",
    "a\x00b",
    "²",
    "٣",
    "9" * 30,
    "2147483648",
    "9223372036854775808",
    "-1",
    "1e400",
    "a\r\nSet-Cookie: b=c",
    "\ud800".encode("utf-8", "surrogatepass").decode("utf-8", "replace"),
    "x" * 5000,
    "%00",
    "[" * 500,
    "{{7*7}}",
    "' OR 1=1 --",
    "../../etc/passwd",
    "2026-13-45T99:99",
    "=cmd()",
)
WORST = ("\x00", "9" * 30, "²")
_FIELD = re.compile(r"""(?:form|args|values)(?:\.get(?:list)?\(|\[)\s*f?["']([a-z_]+)["']|name="([a-z_]+)\"""")
REQUESTS = int(os.environ.get("FUZZ_REQUESTS", "1500"))
"""Number of requests, of some 20,000: those that have failed most often come first, and routes take turns."""
SEED = 7


def fields_in_source() -> list[str]:
    """Return every field name that a view reads or a form sends."""
    found: set[str] = {"o", "draft", "question", "do", "sure", "seen", "revision"}
    for path in [*ROOT.glob("widget/web/**/*.py"), *ROOT.glob("widget/web/**/*.html")]:
        found |= {one or other for one, other in _FIELD.findall(path.read_text())}
    return sorted(found - {"csrf_token", ""})


def fields_of(view: Any, everything: list[str]) -> list[str]:
    """Return the field names that occur in the view's module, or the first 20 of all names if none do."""
    module = inspect.getmodule(inspect.unwrap(view))
    source = Path(module.__file__).read_text() if module and module.__file__ else ""
    named = {one or other for one, other in _FIELD.findall(source)} | set(re.findall(r'"([a-z_]{2,20})"', source))
    return sorted(named & set(everything)) or everything[:20]


def built(rule: Rule, values: dict[str, str]) -> str:
    """Return the rule's path with these values percent-encoded, even values that a converter would reject."""
    from urllib.parse import quote

    path = rule.rule
    for name in rule._converters:
        path = re.sub(rf"<(?:[a-z]+:)?{name}>", quote(values[name], safe=""), path)
    return path


Asked = tuple[str, str, str, dict[str, str], dict[str, str]]


def by_turns(wanted: Iterator[Asked], rng: random.Random) -> list[Asked]:
    """Interleave routes, so that none waits until the end; within a route, shuffle and sort by ``_turn``."""
    routes: dict[str, list[Asked]] = {}
    for item in wanted:
        routes.setdefault(item[0], []).append(item)
    for listed in routes.values():
        rng.shuffle(listed)
        listed.sort(key=_turn)
    longest = max(map(len, routes.values()))
    return [listed[turn] for turn in range(longest) for listed in routes.values() if turn < len(listed)]


def _turn(asked: Asked) -> int:
    """Return a sort key: first what has revealed most failures, all fields of a form at once with the worst values."""
    _, _, _, query, form = asked
    values = set(form.values() or query.values())
    worst = next((place for place, value in enumerate(WORST) if values == {value}), len(WORST))
    return 2 * worst + (not form) if worst < len(WORST) and len(form or query) > 1 else 2 * len(WORST)


def requests_of(services: Services, rng: random.Random) -> Iterator[Asked]:
    """Yield (route, method, path, query, form) for each path variable, each field alone, and all fields at once."""
    app, everything = create_app(services), fields_in_source()
    known = {"shop": "demo", "quiz": "leg-day", "token": "none", "code": "none", "sku": "CREAM-60"}
    for rule in app.url_map.iter_rules():
        names = fields_of(app.view_functions[rule.endpoint], everything)
        usual = {
            name: known.get(name, "1" if isinstance(converter, IntegerConverter) else "x")
            for name, converter in rule._converters.items()
        }
        for method in sorted((rule.methods or set()) & {"GET", "POST"}):
            route = f"{method} {rule.rule}"
            for name in usual:
                for value in HOSTILE:
                    yield route, method, built(rule, {**usual, name: value}), {}, {}
            path = built(rule, usual)
            for value in HOSTILE:
                yield route, method, path, dict.fromkeys(names, value), {}
                if method == "POST":
                    yield route, method, path, {}, dict.fromkeys(names, value)
            for name in names:
                for value in (HOSTILE[0], *rng.sample(HOSTILE[1:], 2)):
                    yield route, method, path, {name: value}, {name: value} if method == "POST" else {}


def owner(services: Services) -> SignedInUser:
    """Return a signed-in owner of the demo shop."""
    _, link = add_user(services, shop="demo", email="owner@team.example", role="owner")
    client = client_of(services)
    page = client.get(f"/console/set-password/{link}")
    data = {"csrf_token": form_token(page), "name": "The owner", "password": PASSWORD}
    assert client.post(f"/console/set-password/{link}", data=data).status_code == 303
    return SignedInUser(services, client)


@pytest.mark.timeout(300)
def test_hostile_field_values_never_cause_a_server_error(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("widget.web.limits.limiter.enabled", False)
    somebody = owner(services)
    somebody.post("/console/account", {"do": "none"})
    asked, failed = 0, []
    wanted = by_turns(requests_of(services, random.Random(SEED)), random.Random(SEED))
    routes: set[str] = set()
    for route, method, path, query, form in wanted:
        if asked == REQUESTS:
            break
        if path.startswith("/console/sign-out") or (form.get("do") == "end"):
            continue
        asked += 1
        routes.add(route)
        data = {"csrf_token": somebody.token, **form} if method == "POST" else None
        answer = somebody.client.open(path, method=method, query_string=query, data=data)
        if answer.status_code >= 500:
            failed.append((answer.status_code, method, path[:80], query and sorted(query)[:3], list(form)[:3]))
        answer.close()

    assert not failed, f"{len(failed)} of {asked}: {failed[:40]}"
    assert asked > 5 * len(routes)
    assert len(routes) > 100
    assert somebody.get("/console/account").status_code == 200
