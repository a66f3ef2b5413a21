"""An OpenID Connect provider on loopback for tests: discovery, keys, authorize (with PKCE), and token endpoints."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import RSAKey

CLIENT_ID, CLIENT_SECRET = "recovery-quiz", "a-secret-of-the-provider"


class FakeProvider:
    """A provider whose responses a test can change.

    ``claims`` overrides claims of the ID token (None omits one). ``status`` is the status of every response; 0 closes
    the connection without one.
    """

    def __init__(self, server: ThreadingHTTPServer) -> None:
        self.issuer = f"http://127.0.0.1:{server.server_port}"
        self.key = RSAKey.generate_key(2048, {"kid": "one"})
        self.signs_with, self.algorithm = self.key, "RS256"
        self.claims: dict[str, Any] = {"email": "owner@team.example", "email_verified": True}
        self.userinfo: dict[str, Any] = {}
        self.status = 200
        self.calls: list[str] = []
        self._codes: dict[str, dict[str, str]] = {}

    def authorize(self, address: str, **more: str) -> str:
        """Return the path that a browser following this address is redirected to."""
        asked = dict(parse_qsl(urlsplit(address).query))
        assert asked["client_id"] == CLIENT_ID
        assert asked["response_type"] == "code"
        assert set(asked["scope"].split()) == {"openid", "email"}
        assert asked["code_challenge_method"] == "S256"
        code = secrets.token_urlsafe(16)
        self._codes[code] = asked
        back = urlsplit(asked["redirect_uri"])
        return f"{back.path}?{urlencode({'code': code, 'state': asked['state'], **more})}"

    def token(self, form: dict[str, str], authorization: str) -> tuple[int, Any]:
        given = base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()
        asked = self._codes.pop(form.get("code", ""), None)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(form.get("code_verifier", "").encode()).digest())
        if authorization != f"Basic {given}":
            return 401, {"error": "invalid_client"}
        if asked is None or asked["redirect_uri"] != form["redirect_uri"]:
            return 400, {"error": "invalid_grant", "error_description": "<b>this code is used up</b>"}
        if challenge.decode().rstrip("=") != asked["code_challenge"]:
            return 400, {"error": "invalid_grant"}
        now = int(time.time())
        claims = {"iss": self.issuer, "sub": "7", "aud": CLIENT_ID, "iat": now, "exp": now + 300}
        claims |= {"nonce": asked["nonce"], **self.claims}
        data = {name: value for name, value in claims.items() if value is not None}
        return 200, {"access_token": "opener", "token_type": "Bearer", "id_token": self._signed(data)}

    def _signed(self, claims: dict[str, Any]) -> str:
        header = {"alg": self.algorithm, "kid": self.signs_with.kid}
        if self.algorithm == "none":
            pieces = [base64.urlsafe_b64encode(json.dumps(item).encode()).decode() for item in (header, claims)]
            return ".".join(piece.rstrip("=") for piece in pieces) + "."
        return jwt.encode(header, claims, self.signs_with)

    def document(self, path: str) -> Any:
        if path == "/.well-known/openid-configuration":
            places = {"authorization_endpoint": "authorize", "token_endpoint": "token", "jwks_uri": "keys"}
            more = {"userinfo_endpoint": f"{self.issuer}/userinfo"} if self.userinfo else {}
            return {"issuer": self.issuer, **{name: f"{self.issuer}/{at}" for name, at in places.items()}, **more}
        return {"keys": [self.key.as_dict(private=False)]} if path == "/keys" else self.userinfo


class _Handler(BaseHTTPRequestHandler):
    provider: FakeProvider

    def do_GET(self) -> None:
        self.provider.calls.append(self.path)
        self._answer(200, self.provider.document(self.path))

    def do_POST(self) -> None:
        self.provider.calls.append(self.path)
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self._answer(*self.provider.token(dict(parse_qsl(body)), self.headers.get("Authorization", "")))

    def _answer(self, status: int, data: Any) -> None:
        if self.provider.status == 0:
            self.close_connection = True
            return
        body = json.dumps(data).encode() if self.provider.status == 200 else b"<h1>Out of order</h1>"
        self.send_response(status if self.provider.status == 200 else self.provider.status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Do not log."""


@contextmanager
def running_provider() -> Iterator[FakeProvider]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    provider = FakeProvider(server)
    server.RequestHandlerClass = type("Handler", (_Handler,), {"provider": provider})
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield provider
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
