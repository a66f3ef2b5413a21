"""The baseline of the benchmark: bare Flask routes that parse the same JSON and return the same bytes."""

from __future__ import annotations

import os
from pathlib import Path

from flask import Flask, Response, request

app = Flask(__name__)
FOLDER = Path(os.environ.get("BENCH_FOLDER", "."))
BODIES = {path.name: path.read_bytes() for path in FOLDER.glob("*.body")}


@app.post("/post")
def post() -> Response:
    request.get_json()
    return Response(BODIES["post.body"], status=201, mimetype="application/json")


@app.get("/<name>")
def get(name: str) -> Response:
    return Response(BODIES[f"{name}.body"], mimetype="application/json")
