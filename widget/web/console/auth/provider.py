"""Client of the OpenID Connect provider: its metadata, its keys, and the exchange of a code for an identity.

Authlib is an extra of this package. It is imported on first use, so that the service starts without it.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from widget.cache.local import LocalCache
from widget.settings import Settings
from widget.settings_checks import safe_address

BACK = "/console/oidc/back"
SECONDS = 5
"""Timeout of each call, in seconds."""
KEPT_SECONDS = 3600.0
FRESH_KEYS_SECONDS = 60.0
"""Minimum time between fetches of the keys if none of them matches a signature: providers rotate keys."""
LEEWAY = 60
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512")
"""Only signatures by a private key: our client secret must never be able to sign a token, and the algorithm ``none``
is no signature."""
_ENDPOINTS = ("authorization_endpoint", "token_endpoint", "jwks_uri")


class ProviderTrouble(Exception):
    """The provider is unreachable, or its response is unusable. The message is our own and meant for the log."""


class Untrusted(Exception):
    """A token that does not prove an identity. The message is our own and meant for the log."""


@dataclass(frozen=True, slots=True)
class Started:
    """A started sign-in: the URL to redirect to, and the values to keep in the session until the callback."""

    address: str
    state: str
    nonce: str
    verifier: str


@dataclass(frozen=True, slots=True)
class Claimed:
    """The identity that the provider asserts."""

    subject: str
    email: str
    verified: bool


class Provider:
    """The provider, one instance per process. Metadata and keys are cached for an hour."""

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.monotonic) -> None:
        self.issuer, self.local = settings.oidc_issuer, settings.local
        self._id, self._secret = settings.oidc_client_id, settings.oidc_client_secret
        self._back = settings.public_url + BACK
        self._known: LocalCache[dict[str, Any]] = LocalCache(size=4, seconds=KEPT_SECONDS, clock=clock)
        self._recent: LocalCache[bool] = LocalCache(size=4, seconds=FRESH_KEYS_SECONDS, clock=clock)

    def start(self) -> Started:
        """Start a sign-in (PKCE with S256, RFC 7636). Raises ProviderTrouble."""
        discovered = self._discovered()
        state, nonce, verifier = (secrets.token_urlsafe(48) for _ in range(3))
        with self._client(discovered) as client:
            address, _ = client.create_authorization_url(
                discovered["authorization_endpoint"], state=state, code_verifier=verifier, nonce=nonce
            )
        return Started(address, state, nonce, verifier)

    def finish(self, *, code: str, nonce: str, verifier: str) -> Claimed:
        """Exchange the code for an identity. Raises ProviderTrouble, Untrusted."""
        from authlib.common.errors import AuthlibBaseError
        from requests import RequestException

        discovered = self._discovered()
        with self._client(discovered) as client:
            try:
                token = client.fetch_token(
                    discovered["token_endpoint"],
                    grant_type="authorization_code",
                    code=code,
                    code_verifier=verifier,
                    allow_redirects=False,
                )
            except AuthlibBaseError as error:
                raise Untrusted("the provider rejected the code") from error
            except (RequestException, ValueError) as error:
                raise ProviderTrouble("the token endpoint sent no token") from error
            claims = self._claims(discovered, token, nonce)
            if "email" not in claims and discovered.get("userinfo_endpoint"):
                claims = self._user_info(client, discovered["userinfo_endpoint"], claims["sub"])
        subject = f"{self.issuer} {claims['sub']}"
        return Claimed(subject, str(claims.get("email") or ""), claims.get("email_verified") is True)

    def _client(self, discovered: dict[str, Any]) -> Any:
        from authlib.integrations.requests_client import OAuth2Session

        offered = discovered.get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
        method = "client_secret_basic" if "client_secret_basic" in offered else "client_secret_post"
        return OAuth2Session(
            self._id,
            self._secret,
            token_endpoint_auth_method=method,
            scope="openid email",
            redirect_uri=self._back,
            code_challenge_method="S256",
            default_timeout=SECONDS,
        )

    def _claims(self, discovered: dict[str, Any], token: dict[str, Any], nonce: str) -> dict[str, Any]:
        """Return the verified claims of the ID token (OpenID Connect Core, 3.1.3.7).

        Verified are the signature, iss, aud, exp, and nonce.
        """
        from authlib.oidc.core import CodeIDToken
        from joserfc.errors import JoseError

        header, found = self._opened(discovered, str(token.get("id_token") or ""))
        options = {
            "iss": {"essential": True, "value": self.issuer},
            "aud": {"essential": True, "value": self._id},
            "nonce": {"essential": True, "value": nonce},
        }
        params = {"nonce": nonce, "client_id": self._id, "access_token": token.get("access_token")}
        claims = CodeIDToken(found, header, options, params)
        try:
            claims.validate(leeway=LEEWAY)
        except (JoseError, ValueError, TypeError) as error:
            raise Untrusted(f"invalid claim: {type(error).__name__}") from error
        return claims  # type: ignore[no-any-return]

    def _opened(self, discovered: dict[str, Any], text: str) -> tuple[Any, dict[str, Any]]:
        """Return (header, claims) of a token signed by the provider. Before refusing it, fetch the keys again."""
        from joserfc import jwt
        from joserfc.errors import JoseError
        from joserfc.jwk import KeySet

        address = discovered["jwks_uri"]
        for fresh in (False, True):
            if fresh and self._recent.get(address):
                break
            data = self._fetched(address, fresh=fresh)
            try:
                opened = jwt.decode(text, KeySet.import_key_set(data), algorithms=ALGORITHMS)  # type: ignore[arg-type]
                return opened.header, opened.claims
            except (JoseError, ValueError, TypeError, KeyError, AttributeError):
                continue
        raise Untrusted("the signature does not match the provider's keys")

    def _user_info(self, client: Any, address: str, subject: str) -> dict[str, Any]:
        """Return the userinfo claims of the ID token's subject, for a token without an email address (Core, 5.3)."""
        if not safe_address(address, local=self.local):
            raise ProviderTrouble("the userinfo endpoint is not a safe URL")
        found = _json(lambda: client.get(address, allow_redirects=False))
        if found.get("sub") != subject:
            raise Untrusted("the userinfo is about another user")
        return found

    def _discovered(self) -> dict[str, Any]:
        """Return the provider's metadata (OpenID Connect Discovery, 4). Raises ProviderTrouble."""
        found = self._fetched(self.issuer.rstrip("/") + "/.well-known/openid-configuration")
        if found.get("issuer") != self.issuer:
            raise ProviderTrouble("the issuer differs from OIDC_ISSUER")
        if not all(safe_address(str(found.get(name) or ""), local=self.local) for name in _ENDPOINTS):
            raise ProviderTrouble("an endpoint URL is missing or not safe")
        return found

    def _fetched(self, address: str, *, fresh: bool = False) -> dict[str, Any]:
        """Return a JSON document, cached for KEPT_SECONDS. Failures are not cached. Raises ProviderTrouble."""
        import requests

        found = None if fresh else self._known.get(address)
        if found is None:
            found = _json(lambda: requests.get(address, timeout=SECONDS, allow_redirects=False))
            self._known.put(address, found)
            self._recent.put(address, True)
        return found


def _json(call: Callable[[], Any]) -> dict[str, Any]:
    from requests import RequestException

    try:
        response = call()
        found = response.json() if response.status_code == 200 else None
    except (RequestException, ValueError) as error:
        raise ProviderTrouble("no response, or not valid JSON") from error
    if not isinstance(found, dict):
        raise ProviderTrouble(f"unexpected response with status {response.status_code}")
    return found
