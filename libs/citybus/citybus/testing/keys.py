"""An issuer of access tokens for tests: its keys are the fake of the port `Keys`."""

import itertools
import time
from collections.abc import Mapping
from typing import Any

import orjson
from joserfc import jwt
from joserfc.jwk import ECKey, OKPKey

from citybus.http.tokens import KeysAway, SigningKey

ISSUER = "https://issuer.test"
AUDIENCE = "dandang"


class FakeIssuer:
    """Issues tokens, and publishes its public keys without a file or a network. With `away` set, it publishes none."""

    def __init__(self) -> None:
        self.keys: dict[str, SigningKey] = {}
        self.away = False
        self._generation = itertools.count()
        self._present = next(self._generation)
        self.add("first")

    def add(self, kid: str, algorithm: str = "Ed25519") -> None:
        """Make a new key; `algorithm` is Ed25519 or ES256."""
        kinds: Mapping[str, Any] = {"Ed25519": (OKPKey, "Ed25519"), "ES256": (ECKey, "P-256")}
        kind, curve = kinds[algorithm]
        self.keys[kid] = kind.generate_key(curve, {"kid": kid})

    def remove(self, kid: str) -> None:
        """Take a key away: its tokens must not be accepted any more."""
        del self.keys[kid]
        self._present = next(self._generation)

    def jwks(self) -> bytes:
        """Return the public keys as a JWKS."""
        return orjson.dumps({"keys": [key.as_dict(private=False) for key in self.keys.values()]})

    def token(self, *, kid: str = "first", header: Mapping[str, Any] | None = None, **claims: Any) -> str:
        """Return a token valid for an hour, but for what `header` and `claims` say otherwise (None: left out)."""
        key = self.keys[kid]
        now = int(time.time())
        algorithm = "Ed25519" if isinstance(key, OKPKey) else "ES256"
        said = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": "officer-1",
            "iat": now,
            "exp": now + 3600,
            "roles": [],
            **claims,
        }
        head = {"alg": algorithm, "kid": kid, "typ": "at+jwt", **(header or {})}
        kept = {name: value for name, value in said.items() if value is not None}
        return jwt.encode(head, kept, key, algorithms=[algorithm])

    def find(self, kid: str) -> SigningKey | None:
        self._ask()
        return self.keys.get(kid)

    def generation(self) -> object:
        self._ask()
        return self._present

    def _ask(self) -> None:
        if self.away:
            raise KeysAway("the fake issuer is away")
