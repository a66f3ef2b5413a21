"""Random small packs that use every feature of the content format, with valid and invalid answer sets."""

import csv
import io
import itertools
import json
import shutil
from pathlib import Path

from tests.contract.reference.evaluator import choices, only_ids, option_ids

MAX_PATHS = 800
QIDS = ["area", "q1", "not-x", "or-2", "no", "yes", "007", "null", "skipped-q", "a"]
OIDS = ["a", "b", "c", "no", "0", "00", "none", "or-1", "not-a", "null", "1", "x-y"]
SKUS = [
    "A",
    "B",
    "a",
    "00123",
    "123",
    "no",
    "null",
    "A|B",
    "C;D",
    "E & F",
    "1e3",
    "é",
    "e\u0301",
    "\uffee",
    "\U0001f600",
    "Z-9",
    "A:B",
    "A, B",
    "true",
    "1.0",
    "~",
]
FORMS = ["cream", "roll-on", "no", "null", "01", "spray"]
TAGS = ["menthol", "Menthol", "no", "null", "1.0", "camphor"]
CONT = ["arnica", "cbd", "menthol", "no"]
COLL = ["sport", "home"]
TIPS = ["t1", "t2", "t10", "no", "0", "t-a", "a"]


def gen_questions(chance):
    n = chance.choice([2, 3, 3, 4, 4, 5])
    ids = chance.sample(QIDS, n)
    qs = []
    for i in range(n):
        kind = chance.choice(["single", "multi", "multi", "scale"])
        q = {"id": ids[i], "kind": kind}
        if chance.random() < 0.4:
            q["optional"] = True
        if kind == "scale":
            q["from"] = chance.choice([0, 0, 1, 2, 8])
            q["to"] = q["from"] + chance.choice([1, 2, 3])
        else:
            k = chance.choice([2, 2, 3, 3, 4] if kind == "multi" else [1, 2, 3, 3])
            q["options"] = [{"id": o} for o in chance.sample(OIDS, k)]
            if kind == "multi":
                if chance.random() < 0.45:
                    for o in chance.sample(q["options"], chance.choice([1, 1, 2]) if k > 2 else 1):
                        o["only"] = True
                free = k - len(only_ids(q))
                if chance.random() < 0.35:
                    q["min"] = chance.randint(1, free)
                if chance.random() < 0.35:
                    q["max"] = chance.randint(q.get("min") or 1, free)
        if i and chance.random() < 0.4:
            q["show_if"] = gen_cond(chance, qs)
        qs.append(q)
    return qs


def gen_term(chance, qs):
    q = chance.choice(qs)
    neg = "not " if chance.random() < 0.2 else ""
    if q["kind"] == "scale" and chance.random() < 0.6:
        return f"{neg}{q['id']} {chance.choice(['>=', '<=', '>', '<'])} {chance.randint(max(0, q['from'] - 1), q['to'] + 1)}"
    vals = option_ids(q) + (["skipped"] if q.get("optional") else [])
    vs = chance.sample(vals, min(len(vals), chance.choice([1, 1, 1, 2, 3])))
    return f"{neg}{q['id']} {chance.choice(['=', '=', '!='])} " + chance.choice(["|", "|", " | "]).join(vs)


def gen_cond(chance, qs, many=True):
    return " or ".join(
        " & ".join(gen_term(chance, qs) for _ in range(chance.choice([1, 1, 1, 2, 2, 3])))
        for _ in range(chance.choice([1, 1, 1, 2, 3]) if many else 1)
    )


def qv(v, chance):
    if any(c in v for c in "|;&"):
        return f'"{v}"'
    return v


def gen_targets(chance, pack, all_ok=True):
    skus = [p["sku"] for p in pack["products"]]
    parts = []
    for _ in range(chance.choice([1, 1, 1, 2])):
        kind = chance.choice(["sku", "sku", "form", "form", "tag", "contains", "collection", "lacks", "all"])
        if kind == "all":
            if all_ok and chance.random() < 0.5:
                parts.append("all")
                continue
            kind = "sku"
        pool = {
            "sku": skus,
            "form": FORMS,
            "tag": TAGS,
            "contains": CONT,
            "collection": COLL,
            "lacks": ["contains", "allergens"],
        }[kind]
        vs = chance.sample(pool, min(len(pool), chance.choice([1, 1, 2, 3])))
        parts.append(kind + ":" + "|".join(qv(v, chance) for v in vs))
    return chance.choice(["; ", ";"]).join(parts)


def tip_targets(chance, tips):
    if chance.random() < 0.25:
        return ";".join("tip:" + t for t in chance.sample(tips, min(2, len(tips))))
    return "tip:" + "|".join(chance.sample(tips, min(len(tips), chance.choice([1, 1, 2]))))


def gen_pack(chance):
    pack = {
        "questions": gen_questions(chance),
        "tips": chance.sample(TIPS, chance.choice([1, 2, 3, 4])),
        "products": [],
    }
    qs = pack["questions"]
    gids = [None, None, "g1", "007", "7"]
    for sku in chance.sample(SKUS, chance.choice([2, 3, 4, 5, 6])):
        p = {"sku": sku, "form": chance.choice(FORMS)}
        if chance.random() < 0.7:
            p["tags"] = chance.sample(TAGS, chance.choice([0, 1, 2]))
        if chance.random() < 0.4:
            p["collections"] = chance.sample(COLL, 1)
        if chance.random() < 0.75:
            p["contains"] = chance.sample(CONT, chance.choice([0, 1, 1, 2]))
        if chance.random() < 0.6:
            p["allergens"] = chance.sample(["nut", "asteraceae"], chance.choice([0, 1]))
        if chance.random() < 0.7:
            p["stock"] = chance.choice([0, 0, 1, 5, 9])
        if chance.random() < 0.08:
            p["active"] = False
        elif chance.random() < 0.1:
            p["active"] = True
        if chance.random() < 0.4:
            p["priority"] = chance.choice([-5, -1, 0, 1, 2, 10])
        if chance.random() < 0.4:
            p["certificate"] = chance.choice(
                [
                    {"total_thc_mg": "0.4"},
                    {"total_thc_mg": "0.40"},
                    {"total_thc_mg": "0.41"},
                    {"total_thc_mg": "0"},
                    {"issued": "2020-01-01"},
                    {"issued": "2020-01-01", "total_thc_mg": "0.2"},
                    {"total_thc_mg": "1"},
                ]
            )
        g = chance.choice(gids)
        if g:
            p["product_id"] = g
        pack["products"].append(p)
    skus = [p["sku"] for p in pack["products"]]
    # Mappings.
    rows = []
    for i in range(chance.choice([1, 2, 4, 6, 8, 10])):
        eff = chance.choice(["boost"] * 6 + ["require", "exclude", "pin", "pin"])
        row = {"id": f"r{i}", "effect": eff, "when": "" if chance.random() < 0.25 else gen_cond(chance, qs)}
        if eff in ("boost", "exclude") and chance.random() < 0.3:
            row["target"] = tip_targets(chance, pack["tips"])
        elif eff == "boost":
            row["target"] = gen_targets(chance, pack)
        elif eff == "require":
            row["target"] = gen_targets(chance, pack) + chance.choice(["", ";form:cream|spray"])
        else:
            row["target"] = gen_targets(chance, pack, chance.random() < 0.2)
        if eff == "boost":
            row["weight"] = chance.choice([1, 2, 5, 5, 10, 10, 30, 100, -1, -5, -10, -100, 7, 3])
        if eff in ("boost", "pin") and chance.random() < 0.8:
            row["reason"] = f'Reason {chance.choice("abcde")}, "q"'
        rows.append(row)
    pack["mappings"] = rows
    safe = [q for q in qs if not q.get("optional") and not q.get("show_if")]
    pack["triage"], pack["exclusions"] = [], []
    if safe:
        for i in range(chance.choice([0, 0, 1, 1, 2, 3])):
            pack["triage"].append(
                {
                    "id": f"tr{i}",
                    "when": gen_cond(chance, safe, chance.random() < 0.3),
                    "outcome": chance.choice(["emergency", "see_doctor", "tips_only"]),
                    "advice": {"title": f"T{i}", "body": "B."},
                }
            )
    # A safety question that its show_if hides only on paths that an earlier triage row ends.
    if safe and chance.random() < 0.25:
        q0 = chance.choice(safe)
        later = qs[qs.index(q0) + 1 :]
        cand = [q for q in later if not q.get("optional")]
        if cand:
            q1 = chance.choice(cand)
            ids = option_ids(q0)
            x = chance.choice(ids)
            pack["triage"].insert(
                chance.randint(0, len(pack["triage"])),
                {
                    "id": "early",
                    "when": f"{q0['id']} = {x}",
                    "outcome": chance.choice(["emergency", "see_doctor"]),
                    "advice": {"title": "Early", "body": "B."},
                },
            )
            q1["show_if"] = chance.choice(
                [f"{q0['id']} != {x}", f"{q0['id']} = " + "|".join(ids), f"not {q0['id']} = {x}"]
            )
            pack["triage"].append(
                {
                    "id": "late",
                    "when": gen_cond(chance, [q1] + [q for q in safe if q is not q1]),
                    "outcome": chance.choice(["emergency", "see_doctor", "tips_only"]),
                    "advice": {"title": "Late", "body": "B."},
                }
            )
            safe = [q for q in safe if q is not q1] + [q1]
    for i in range(chance.choice([0, 1, 1, 2])):
        e = {"id": f"ex{i}"}
        if safe and chance.random() < 0.9:
            e["when"] = gen_cond(chance, safe)
        elif chance.random() < 0.8:
            continue
        x = chance.random()
        e["exclude"] = (
            tip_targets(chance, pack["tips"])
            if x < 0.25
            else "contains:" + "|".join(chance.sample(CONT, chance.choice([1, 2])))
            if x < 0.6
            else gen_targets(chance, pack, False)
        )
        pack["exclusions"].append(e)
    res = {"slots": []}
    for i in range(chance.choice([1, 1, 2, 3])):
        s = {"id": ["best", "no", "more"][i]}
        if chance.random() < 0.5:
            s["take"] = chance.choice([1, 2, 3])
        if chance.random() < 0.5:
            s["from"] = gen_targets(chance, pack)
        res["slots"].append(s)
    if chance.random() < 0.5:
        res["min_score"] = chance.choice([0, 1, 2, 5, 10, 20, -3])
    if chance.random() < 0.6:
        res["stock"] = chance.choice(["hide", "demote", "demote"])
    if chance.random() < 0.75:
        res["fallback"] = [chance.choice(skus) for _ in range(chance.choice([1, 2, 3, 4]))]
    if res.get("fallback") and chance.random() < 0.6:
        res["fallback_reason"] = "Our usual choice"
    if chance.random() < 0.7:
        res["max_tips"] = chance.choice([1, 2, 3])
    if chance.random() < 0.7:
        res["fallback_tips"] = [chance.choice(pack["tips"]) for _ in range(chance.choice([1, 2, 3]))]
    if chance.random() < 0.3:
        res["certificate_for"] = chance.sample(CONT, chance.choice([1, 2]))
    if chance.random() < 0.15:
        res["certificate_max_thc_mg"] = chance.choice(["0.2", "0.41", "1", "0"])
    pack["result"] = res
    return pack


# --------------------------------------------------------------- the writer
def quoted(chance, s):
    import re

    if s == "~" or re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9.-]*", s):
        return s if chance.random() < 0.7 else json.dumps(s)
    return json.dumps(s, ensure_ascii=False)


def listed(chance, xs):
    return "[" + ", ".join(quoted(chance, x) for x in xs) + "]"


def nul(chance, d, key, out, p=0.12):
    if key not in d and chance.random() < p:
        out.append(f"{key}: " + chance.choice(["null", "~", ""]))


def flow(services):
    return "{" + ", ".join(services) + "}"


def write(pack, folder, chance):
    folder = Path(folder)
    if folder.exists():
        shutil.rmtree(folder)
    (folder / "tips").mkdir(parents=True)
    r = pack["result"]
    o = [
        f"id: {folder.name}",
        "title: T",
        "market: us",
        "default_locale: en",
        "locales: [en]",
        "currency: USD",
        "result:",
    ]
    o.append("  slots:")
    for s in r["slots"]:
        parts = ["id: " + quoted(chance, s["id"])]
        if "take" in s:
            parts.append(f"take: {s['take']}")
        else:
            nul(chance, s, "take", parts)
        if "from" in s:
            parts.append("from: " + (json.dumps(s["from"], ensure_ascii=False)))
        else:
            nul(chance, s, "from", parts)
        o.append("    - " + flow(parts))
    for k in ("min_score", "stock", "max_tips", "certificate_max_thc_mg"):
        if k in r:
            o.append(f"  {k}: {r[k]}")
        else:
            x = []
            nul(chance, r, k, x, 0.05)
            o += ["  " + y for y in x]
    for k in ("fallback", "fallback_tips", "certificate_for"):
        if k in r:
            o.append(f"  {k}: " + listed(chance, r[k]))
        else:
            x = []
            nul(chance, r, k, x, 0.05)
            o += ["  " + y for y in x]
    if "fallback_reason" in r:
        o.append("  fallback_reason: " + r["fallback_reason"])
    (folder / "pack.yaml").write_text("\n".join(o) + "\n", "utf-8")
    o = ["questions:"]
    for q in pack["questions"]:
        o += ["  - id: " + quoted(chance, q["id"]), "    kind: " + q["kind"], "    text: Question?"]
        if q.get("optional"):
            o.append("    optional: true")
        elif chance.random() < 0.1:
            o.append("    optional: " + chance.choice(["false", "null"]))
        for k in ("min", "max", "from", "to"):
            if k in q:
                o.append(f"    {k}: {q[k]}")
        if "show_if" in q:
            o.append("    show_if: " + chance.choice([q["show_if"], json.dumps(q["show_if"])]))
        elif chance.random() < 0.1:
            o.append("    show_if: " + chance.choice(["null", "~", ""]))
        if q["kind"] != "scale":
            o.append("    options:")
            for x in q["options"]:
                parts = ["id: " + quoted(chance, x["id"]), "text: Option"]
                if x.get("only"):
                    parts.append("only: true")
                elif q["kind"] == "multi" and chance.random() < 0.1:
                    parts.append("only: false")
                o.append("      - " + flow(parts))
    (folder / "quiz.yaml").write_text("\n".join(o) + "\n", "utf-8")
    o = []
    if pack["triage"]:
        o.append("triage:")
        for t in pack["triage"]:
            o += [
                "  - id: " + t["id"],
                "    when: " + t["when"],
                "    outcome: " + t["outcome"],
                "    advice: {{title: {}, body: {}}}".format(t["advice"]["title"], t["advice"]["body"]),
            ]
    else:
        o.append("triage: []")
    if pack["exclusions"]:
        o.append("exclusions:")
        for e in pack["exclusions"]:
            o.append("  - id: " + e["id"])
            if "when" in e:
                o.append("    when: " + e["when"])
            o.append("    exclude: " + json.dumps(e["exclude"], ensure_ascii=False))
    else:
        o.append("exclusions: []")
    (folder / "safety.yaml").write_text("\n".join(o) + "\n", "utf-8")
    f = io.StringIO()
    w = csv.writer(f, lineterminator="\n")
    w.writerow(["id", "when", "effect", "target", "weight", "reason", "note"])
    for m in pack["mappings"]:
        w.writerow([m["id"], m.get("when", ""), m["effect"], m["target"], m.get("weight", ""), m.get("reason", ""), ""])
    (folder / "mappings.csv").write_text(f.getvalue(), "utf-8")
    o = []
    for i, p in enumerate(pack["products"]):
        parts = ["sku: " + quoted(chance, p["sku"]), f"name: Product {i}", "form: " + quoted(chance, p["form"])]
        for k in ("tags", "collections", "contains", "allergens"):
            if k in p:
                parts.append(f"{k}: " + listed(chance, p[k]))
            else:
                nul(chance, p, k, parts)
        for k in ("stock", "active", "priority"):
            if k in p:
                parts.append(f"{k}: {json.dumps(p[k])}")
            else:
                nul(chance, p, k, parts)
        if "product_id" in p:
            parts.append("product_id: " + quoted(chance, p["product_id"]))
        else:
            nul(chance, p, "product_id", parts, 0.4)
        if "certificate" in p:
            parts.append("certificate: " + flow([f"{k}: {v}" for k, v in p["certificate"].items()]))
        if chance.random() < 0.8:
            parts.append("price: 1999")
        chance.shuffle(parts)
        o.append("- " + flow(parts))
    (folder / "products.yaml").write_text("\n".join(o) + "\n", "utf-8")
    for t in pack["tips"]:
        (folder / "tips" / f"{t}.md").write_text(
            '---\ntitle: tip\nevidence:\n  - {claim: Example, citation: "Ex 2020", year: 2020, strength: small study, review_by: 2030-01-01}\n---\nText.\n',
            "utf-8",
        )


# --------------------------------------------------------------- answer sets
def raw_choices(q):
    cs = [c for c in choices(q) if c != ["skipped"]]
    return [*cs, []]


def answer_sets(chance, pack, cap):
    qs = pack["questions"]
    per = [raw_choices(q) for q in qs]
    total = 1
    for c in per:
        total *= len(c)
    if total <= cap:
        combos = list(itertools.product(*per))
    else:
        combos = []
        for _ in range(cap):
            combos.append(
                [
                    [] if (chance.random() < 0.05) else chance.choice(c[:-1] if not q.get("optional") else c)
                    for c, q in zip(per, qs, strict=False)
                ]
            )
    out = []
    for combo in combos:
        a = {}
        for q, c in zip(qs, combo, strict=False):
            if not c and chance.random() < 0.5:
                continue
            c = list(c)
            chance.shuffle(c)
            a[q["id"]] = c
        items = list(a.items())
        chance.shuffle(items)
        out.append(dict(items))
    bad = []
    for a in chance.sample(out, min(len(out), 60)):
        a = {k: list(v) for k, v in a.items()}
        q = chance.choice(qs)
        ids = option_ids(q)
        k = q["id"]
        m = chance.randrange(13)
        if m == 0:
            a.pop(k, None)
        elif m == 1:
            a[k] = [chance.choice(ids), "zzz"]
        elif m == 2:
            a[k] = ids
        elif m == 3:
            x = chance.choice(ids)
            a[k] = [x, x]
        elif m == 4:
            a[k] = None
        elif m == 5:
            a[k] = chance.choice(ids)
        elif m == 6:
            a["unknown-q"] = chance.choice([[], ["a"]])
        elif m == 7:
            a[k] = [chance.choice([1, None, True, 0, ["a"], {"a": 1}, 1.0])]
        elif m == 8:
            a[k] = chance.choice([{}, 0, "", True, False, {"a": 1}, 5])
        elif m == 9:
            a[k] = ["skipped"]
        elif m == 10:
            a[k] = chance.sample(ids, chance.randint(0, len(ids)))
        elif m == 11:
            a[k] = [
                chance.choice(
                    ["", " " + ids[0], ids[0].upper() + "X", "00" + ids[0], "-1", "99", "+" + ids[0], ids[0] + ".0"]
                )
            ]
        elif m == 12:
            for q2 in qs:
                a[q2["id"]] = chance.sample(option_ids(q2), chance.randint(0, len(option_ids(q2))))
        bad.append(a)
    return out + bad


def count_paths(pack):
    paths = 1
    for question in pack["questions"]:
        paths *= len(choices(question))
    return paths


def small_pack(chance):
    """Return a random pack whose paths are few enough to enumerate."""
    pack = gen_pack(chance)
    while count_paths(pack) > MAX_PATHS:
        pack = gen_pack(chance)
    return pack
