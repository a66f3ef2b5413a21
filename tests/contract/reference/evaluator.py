"""A plain, slow evaluator of packs, written from the description of the content format alone, without the engine.

A pack is a dict of plain values; conditions and targets are strings.
"""

import contextlib
import re
from decimal import Decimal


# ---------------------------------------------------------------- conditions
def parse_condition(text):
    """Return a list (or) of lists (and) of (negated, question, op, [values]); None means always."""
    if text is None or not text.strip():
        return None
    out = []
    for conj in re.split(r"\s+or\s+", text.strip()):
        terms = []
        for term in conj.split("&"):
            term = term.strip()
            neg = False
            if term.startswith("not "):
                neg, term = True, term[4:].strip()
            m = re.fullmatch(r"([a-z0-9-]+)\s+(=|!=|>=|<=|>|<)\s+(.+)", term)
            assert m, term
            q, op, vals = m.groups()
            terms.append((neg, q, op, [v.strip() for v in vals.split("|")]))
        out.append(terms)
    return out


def term_holds(term, state):
    neg, q, op, vals = term
    if q not in state:  # Not asked: every term is false, even with != or not.
        return False
    chosen = state[q]  # A list of ids, or ["skipped"].
    if op == "=":
        r = any(c in vals for c in chosen)
    elif op == "!=":
        r = not any(c in vals for c in chosen)
    elif chosen == ["skipped"]:
        r = False
    else:
        a, b = int(chosen[0]), int(vals[0])
        r = {">=": a >= b, "<=": a <= b, ">": a > b, "<": a < b}[op]
    return (not r) if neg else r


def holds(cond, state):
    if cond is None:
        return True
    return any(all(term_holds(t, state) for t in conj) for conj in cond)


# ------------------------------------------------------------------- targets
def split_outside_quotes(text, sep):
    parts, cur, inq = [], "", False
    for ch in text:
        if ch == '"':
            inq = not inq
        if ch == sep and not inq:
            parts.append(cur)
            cur = ""
        else:
            cur += ch
    parts.append(cur)
    return parts


def parse_targets(text):
    out = []  # A list of (kind, value).
    for part in split_outside_quotes(text, ";"):
        part = part.strip()
        if part == "all":
            out.append(("all", None))
            continue
        kind, rest = part.split(":", 1)
        for v in split_outside_quotes(rest, "|"):
            v = v.strip()
            if len(v) >= 2 and v[0] == '"' and v[-1] == '"':
                v = v[1:-1]
            out.append((kind.strip(), v))
    return out


def names_product(targets, p):
    for kind, v in targets:
        if kind == "all":
            return True
        if kind == "sku" and p["sku"] == v:
            return True
        if kind == "form" and p.get("form") == v:
            return True
        if kind == "tag" and v in (p.get("tags") or []):
            return True
        if kind == "collection" and v in (p.get("collections") or []):
            return True
        if kind == "contains" and v in (p.get("contains") or []):
            return True
        if kind == "lacks" and p.get(v) is None:
            return True
    return False


def names_tip(targets, tip):
    return any(k == "tip" and v == tip for k, v in targets)


# ------------------------------------------------------------------ the quiz
class Refuse(Exception):
    pass


def option_ids(q):
    if q["kind"] == "scale":
        return [str(n) for n in range(q["from"], q["to"] + 1)]
    return [o["id"] for o in q["options"]]


def only_ids(q):
    return [o["id"] for o in q.get("options") or [] if o.get("only")]


def check_asked(q, given):
    """Return the state value of an answer to a question that was asked. Raises Refuse."""
    if not given:
        if not q.get("optional"):
            raise Refuse("required " + q["id"])
        return ["skipped"]
    if q["kind"] in ("single", "scale"):
        if len(given) != 1:
            raise Refuse("one only")
        return list(given)
    only = [g for g in given if g in only_ids(q)]
    if only:
        if len(given) > 1:
            raise Refuse("only stands alone")
        return list(given)
    lo = q.get("min") or 1
    hi = q.get("max") or len(q["options"])
    if not lo <= len(given) <= hi:
        raise Refuse("min/max")
    return list(given)


def walk(o, answers):
    """Return (state, the triage row that ended the quiz or None). Raises Refuse."""
    qs = o.pack["questions"]
    known = {q["id"]: q for q in qs}
    for k, v in answers.items():
        if k not in known:
            raise Refuse("unknown question")
        if not isinstance(v, list):
            raise Refuse("no list")
        ids = option_ids(known[k])
        seen = []
        for x in v:
            if not isinstance(x, str) or x not in ids or x in seen:
                raise Refuse("unknown or repeated id")
            seen.append(x)
    state = {}
    for q in qs:
        if not holds(o.show[q["id"]], state):
            continue
        state[q["id"]] = check_asked(q, answers.get(q["id"], []))
        for row, cond in o.triage:
            if row["outcome"] in ("emergency", "see_doctor") and holds(cond, state):
                return state, row
    return state, None


def choices(q):
    """Return every valid answer to a question that was asked, as state values."""
    out = [["skipped"]] if q.get("optional") else []
    if q["kind"] in ("single", "scale"):
        return out + [[i] for i in option_ids(q)]
    ids = option_ids(q)
    for mask in range(1, 2 ** len(ids)):
        given = [x for i, x in enumerate(ids) if mask >> i & 1]
        with contextlib.suppress(Refuse):
            out.append(check_asked(q, given))
    return out


def all_paths(o, i=0, state=None):
    """Yield every answer path of the quiz, ignoring early ends."""
    state = state or {}
    qs = o.pack["questions"]
    if i == len(qs):
        yield state
        return
    q = qs[i]
    if not holds(o.show[q["id"]], state):
        yield from all_paths(o, i + 1, state)
        return
    for c in choices(q):
        yield from all_paths(o, i + 1, {**state, q["id"]: c})


# -------------------------------------------------------------------- oracle
class Oracle:
    def __init__(self, pack):
        self.pack = pack
        self.show = {q["id"]: parse_condition(q.get("show_if")) for q in pack["questions"]}
        self.triage = [(r, parse_condition(r["when"])) for r in pack["triage"]]
        self.exclusions = [(r, parse_condition(r.get("when")), parse_targets(r["exclude"])) for r in pack["exclusions"]]
        self.rows = [(r, parse_condition(r.get("when")), parse_targets(r["target"])) for r in pack["mappings"]]
        self.slots = [(s, parse_targets(s.get("from") or "all")) for s in pack["result"]["slots"]]
        self.best = {}
        boosts = [(r, c, t) for r, c, t in self.rows if r["effect"] == "boost"]
        named = {p["sku"]: [i for i, (_, _, t) in enumerate(boosts) if names_product(t, p)] for p in pack["products"]}
        for state in all_paths(self):
            m = [holds(c, state) for _, c, _ in boosts]
            for sku, idx in named.items():
                s = sum(boosts[i][0]["weight"] for i in idx if m[i])
                if sku not in self.best or s > self.best[sku]:
                    self.best[sku] = s

    def score(self, state, p):
        return sum(
            r["weight"] for r, c, t in self.rows if r["effect"] == "boost" and holds(c, state) and names_product(t, p)
        )

    def certified(self, p):
        res = self.pack["result"]
        need = res.get("certificate_for") or []
        if not need:
            return True
        contains = p.get("contains")
        if contains is not None and not any(x in need for x in contains):
            return True
        cert = p.get("certificate")
        if not cert or cert.get("total_thc_mg") is None:
            return False
        limit = res.get("certificate_max_thc_mg")
        limit = "0.4" if limit is None else limit
        return Decimal(str(cert["total_thc_mg"])) <= Decimal(str(limit))

    def candidate(self, state, p):
        if p.get("active") is False:
            return False
        if not self.certified(p):
            return False
        for r, c, t in self.exclusions:
            if holds(c, state):
                if names_product(t, p):
                    return False
                if any(k == "contains" for k, _ in t) and p.get("contains") is None:
                    return False
        for r, c, t in self.rows:
            if r["effect"] == "exclude" and holds(c, state) and names_product(t, p):
                return False
            if r["effect"] == "require" and holds(c, state) and not names_product(t, p):
                return False
        return True

    @staticmethod
    def in_stock(p):
        return p.get("stock") is None or p["stock"] > 0

    def reasons(self, state, names, pins=True):
        """Return up to three reasons. ``names``: whether the given targets name the product or tip."""
        out = []
        matched = [(r, t) for r, c, t in self.rows if holds(c, state) and names(t)]
        if pins:
            out += [r.get("reason") for r, t in matched if r["effect"] == "pin"]
        boosts = [r for r, t in matched if r["effect"] == "boost" and r["weight"] > 0]
        out += [r.get("reason") for r in sorted(boosts, key=lambda r: -r["weight"])]
        uniq = []
        for x in out:
            if x and x not in uniq:
                uniq.append(x)
        return uniq[:3]

    def tips(self, state):
        res = self.pack["result"]
        n = 3 if res.get("max_tips") is None else res["max_tips"]

        def excluded(tip):
            return any(holds(c, state) and names_tip(t, tip) for r, c, t in self.exclusions) or any(
                r["effect"] == "exclude" and holds(c, state) and names_tip(t, tip) for r, c, t in self.rows
            )

        scored = []
        for tip in self.pack["tips"]:
            s = sum(
                r["weight"] for r, c, t in self.rows if r["effect"] == "boost" and holds(c, state) and names_tip(t, tip)
            )
            if s > 0 and not excluded(tip):
                scored.append((-s, tip))
        if scored:
            ids = [t for _, t in sorted(scored)][:n]
            return ids, {t: self.reasons(state, lambda g, t=t: names_tip(g, t)) for t in ids}
        ids = []
        for t in res.get("fallback_tips") or []:
            if t not in ids and not excluded(t):
                ids.append(t)
        ids = ids[:n]
        return ids, {t: [] for t in ids}  # The format description says nothing about reasons of fallback tips.

    def products(self, state):
        res = self.pack["result"]
        demote = res.get("stock") == "demote"
        min_score = 1 if res.get("min_score") is None else res["min_score"]
        cands = [p for p in self.pack["products"] if self.candidate(state, p)]
        if not demote:
            cands = [p for p in cands if self.in_stock(p)]
        pin_rows = [t for r, c, t in self.rows if r["effect"] == "pin" and holds(c, state)]
        ranked = []
        for p in cands:
            s = self.score(state, p)
            pin = None
            if self.in_stock(p):
                for i, t in enumerate(pin_rows):
                    if names_product(t, p):
                        pin = i
                        break
            if s < min_score and pin is None:
                continue
            key = (
                0 if self.in_stock(p) else 1,
                len(pin_rows) if pin is None else pin,
                -s,
                -(p.get("priority") or 0),
                p["sku"],
            )
            ranked.append((key, p, s, pin))
        ranked.sort(key=lambda x: x[0])
        shown, taken, groups = [], [], []
        for slot, from_ in self.slots:
            count = 0
            for _, p, s, pin in ranked:
                if count == (slot.get("take") or 1):
                    break
                if p["sku"] in taken or not names_product(from_, p):
                    continue
                g = p.get("product_id")
                if g is not None and g in groups:
                    continue
                taken.append(p["sku"])
                if g is not None:
                    groups.append(g)
                count += 1
                best = self.best[p["sku"]]
                if best <= 0 or (pin is not None and s < min_score):
                    match = None
                else:
                    match = max(0, min(100, (200 * s + best) // (2 * best)))
                shown.append(
                    {
                        "sku": p["sku"],
                        "slot": slot["id"],
                        "match": match,
                        "why": self.reasons(state, lambda t, p=p: names_product(t, p), pins=self.in_stock(p)),
                    }
                )
        if shown:
            return shown
        room = sum(s.get("take") or 1 for s, _ in self.slots)
        by = {p["sku"]: p for p in self.pack["products"]}
        order = [by[s] for s in res.get("fallback") or []]
        order = [p for p in order if self.candidate(state, p)]
        order = [p for p in order if self.in_stock(p)] + ([p for p in order if not self.in_stock(p)] if demote else [])
        reason = res.get("fallback_reason")
        for p in order:
            if len(shown) == room:
                break
            g = p.get("product_id")
            if p["sku"] in taken or (g is not None and g in groups):
                continue
            taken.append(p["sku"])
            if g is not None:
                groups.append(g)
            shown.append({"sku": p["sku"], "slot": "fallback", "match": None, "why": [reason] if reason else []})
        return shown

    def recommend(self, answers):
        try:
            state, end = walk(self, answers)
        except Refuse:
            return {"refused": True}
        if end:
            return {
                "outcome": end["outcome"],
                "products": [],
                "tips": [],
                "tip_why": {},
                "advice": end["advice"]["title"],
            }
        row = next((r for r, c in self.triage if r["outcome"] == "tips_only" and holds(c, state)), None)
        products = [] if row else self.products(state)
        tips, why = self.tips(state)
        return {
            "outcome": "products" if products else "tips_only",
            "products": products,
            "tips": tips,
            "tip_why": why,
            "advice": row["advice"]["title"] if row else None,
        }
