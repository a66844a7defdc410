"""Access tokens: a JWT signed with EdDSA or ES256 by a key of the city, checked in real time."""

import math
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

import orjson
import requests
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey
from joserfc.jws import JWSRegistry, extract_compact
from joserfc.registry import Header

from citybus.errors import Transient
from citybus.settings import ApiSettings
from citybus.telemetry import logs

LEEWAY_SECONDS: Final = 30
MAX_TOKEN_BYTES: Final = 8192
MAX_KEYS_BYTES: Final = 1 << 20

SigningKey = OKPKey | ECKey

_log = logs.get(__name__)


class TokenRefused(Exception):
    """A token that is not accepted. `code` is `TOKEN_INVALID` or `TOKEN_EXPIRED`; the text is for the log alone."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


class KeysAway(Transient):
    """The city's public keys cannot be read, so nobody can be let in (503)."""


class Keys(Protocol):
    """Where the public keys of those who may issue tokens come from."""

    def find(self, kid: str) -> SigningKey | None:
        """Return the key `kid`, None where the issuer has none. Raises KeysAway where that cannot be known."""
        ...

    def generation(self) -> object:
        """Return a mark of the present keys; it changes when a key was taken away. Raises KeysAway. Cheap."""
        ...


def read_keys(document: bytes) -> dict[str, SigningKey]:
    """Return the signing keys of a JWKS by their `kid`.

    Keys that could not have signed a token of ours (shared secrets, RSA, other curves, for encryption, without `kid`)
    are left out: a public key must never come to be used as a shared secret. Raises ValueError where it is no JWKS.
    """
    try:
        entries = orjson.loads(document)["keys"]
        keys: dict[str, SigningKey] = {}
        for entry in entries:
            if entry.get("use", "sig") != "sig" or not isinstance(entry.get("kid"), str):
                continue
            # The public part is enough, and no more is kept, should a file hold the private part by mistake. What the
            # key says of its algorithm is checked here: it may write `EdDSA` where a token writes `Ed25519`.
            public = {name: value for name, value in entry.items() if name not in ("d", "alg")}
            match entry.get("kty"), entry.get("crv"), entry.get("alg"):
                case "OKP", "Ed25519", None | "EdDSA" | "Ed25519":
                    keys[entry["kid"]] = OKPKey.import_key(public)
                case "EC", "P-256", None | "ES256":
                    keys[entry["kid"]] = ECKey.import_key(public)
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError, JoseError, ValueError) as error:
        raise ValueError(f"not a JWKS: {type(error).__name__}") from None
    return keys


class FileKeys:
    """The keys of a JWKS file, read again when it was replaced. A file that cannot be read lets nobody in."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read: tuple[object, dict[str, SigningKey]] | None = None

    def find(self, kid: str) -> SigningKey | None:
        return self._keys()[1].get(kid)

    def generation(self) -> object:
        return self._keys()[0]

    def _keys(self) -> tuple[object, dict[str, SigningKey]]:
        try:
            stamp = self._path.stat()
            mark = (stamp.st_mtime_ns, stamp.st_ino, stamp.st_size)
            read = self._read
            if read is None or read[0] != mark:
                self._read = read = (mark, read_keys(self._path.read_bytes()))
        except (OSError, ValueError) as error:
            raise KeysAway(f"the file of public keys cannot be read: {error}") from None
        return read


class IssuerKeys:
    """The keys of an OpenID Connect issuer, found by discovery.

    They are fetched again when they are `max_age` seconds old, and when a token names a key that is not among them,
    but then no oftener than each `floor` seconds, so that forged tokens cannot make us flood the issuer. While the
    issuer is away the keys are used until they are `max_stale` seconds old; then nobody is let in.
    """

    def __init__(
        self,
        issuer: str,
        *,
        max_age: float = 600,
        max_stale: float = 3600,
        floor: float = 30,
        timeout: float = 5,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._issuer = issuer
        self._max_age = max_age
        self._max_stale = max_stale
        self._floor = floor
        self._timeout = timeout
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._keys: dict[str, SigningKey] = {}
        self._generation = 0
        self._fetched = -math.inf
        self._tried = -math.inf

    def find(self, kid: str) -> SigningKey | None:
        self.generation()
        if kid not in self._keys:
            self._refresh(self._floor)
        return self._keys.get(kid)

    def generation(self) -> object:
        if self._monotonic() - self._fetched >= self._max_age:
            self._refresh(self._floor if self._keys else 0)
            if self._monotonic() - self._fetched >= self._max_stale:
                raise KeysAway("the issuer's public keys cannot be fetched")
        return self._generation

    def _refresh(self, floor: float) -> None:
        """Fetch the keys unless another thread just did, or tried to less than `floor` seconds ago."""
        asked = self._monotonic()
        with self._lock:
            if self._tried >= asked or self._monotonic() - self._tried < floor:
                return
            try:
                keys = self._fetch()
            except (requests.RequestException, ValueError) as error:
                _log.warning("public keys not fetched", error=type(error).__qualname__)
                return
            finally:
                self._tried = self._monotonic()
            if any(key.as_dict() != keys[kid].as_dict() if kid in keys else True for kid, key in self._keys.items()):
                self._generation += 1
            self._keys = keys
            self._fetched = self._tried

    def _fetch(self) -> dict[str, SigningKey]:
        found = orjson.loads(self._get(f"{self._issuer.rstrip('/')}/.well-known/openid-configuration"))
        if not isinstance(found, dict) or found.get("issuer") != self._issuer:
            raise ValueError("the discovery document is another issuer's")
        location = str(found.get("jwks_uri"))
        if urlsplit(location).scheme != "https" and urlsplit(self._issuer).scheme == "https":
            raise ValueError("an issuer on https must keep its keys on https")
        return read_keys(self._get(location))

    def _get(self, url: str) -> bytes:
        with requests.get(url, timeout=self._timeout, allow_redirects=False, stream=True) as answer:
            if answer.status_code != 200:
                raise ValueError(f"the issuer answered {answer.status_code}")
            body: bytes = answer.raw.read(MAX_KEYS_BYTES + 1, decode_content=True)
        if len(body) > MAX_KEYS_BYTES:
            raise ValueError("the issuer's answer is too large")
        return body


@dataclass(frozen=True, slots=True)
class _Verified:
    claims: Mapping[str, Any]
    expires: float
    generation: object


class Tokens:
    """Checks access tokens, and remembers those that it checked until they expire or a key is taken away.

    Accepted is: signed with EdDSA (Ed25519) or ES256 by a key of `keys` that fits the algorithm; of type `JWT` or
    `at+jwt`; `iss` is `issuer`; `aud` holds `audience`; `exp`, `iat` and, if there, `nbf` hold now, with a leeway of
    30 s; `sub` is a text. Time is real time, never domain time.
    """

    def __init__(
        self,
        keys: Keys,
        *,
        issuer: str,
        audience: str,
        now: Callable[[], float] = time.time,
        remember: int = 10_000,
    ) -> None:
        self._keys = keys
        self._issuer = issuer
        self._audience = audience
        self._now = now
        self._remember = remember
        self._verified: dict[str, _Verified] = {}

    def claims(self, token: str) -> Mapping[str, Any]:
        """Return the claims of `token`. The same object is returned while the token is remembered.

        Raises TokenRefused, and KeysAway where the keys cannot be read.
        """
        generation = self._keys.generation()
        known = self._verified.get(token)
        if known is not None and known.generation == generation:
            if self._now() >= known.expires + LEEWAY_SECONDS:
                raise TokenRefused("TOKEN_EXPIRED", "expired")
            return known.claims
        claims = self._check(token)
        while len(self._verified) >= self._remember:
            # The oldest goes. Another thread may have been quicker to take it away.
            self._verified.pop(next(iter(self._verified), ""), None)
        self._verified[token] = _Verified(claims, claims["exp"], generation)
        return claims

    def _check(self, token: str) -> Mapping[str, Any]:
        if len(token) > MAX_TOKEN_BYTES:
            raise TokenRefused("TOKEN_INVALID", "too long")
        try:
            header = extract_compact(token.encode("ascii")).headers()
            kid = header.get("kid")
            key = self._keys.find(kid) if isinstance(kid, str) else None
            if key is None:
                raise TokenRefused("TOKEN_INVALID", "signed by an unknown key")
            read = jwt.decode(token, key, registry=_REGISTRY)
        except (JoseError, ValueError) as error:
            raise TokenRefused("TOKEN_INVALID", type(error).__name__) from None
        self._check_claims(read.header, read.claims)
        return read.claims

    def _check_claims(self, header: Header, claims: Mapping[str, Any]) -> None:
        now = self._now()
        audience = claims.get("aud")
        if str(header.get("typ", "JWT")).lower().removeprefix("application/") not in ("jwt", "at+jwt"):
            raise TokenRefused("TOKEN_INVALID", "not an access token")
        if claims.get("iss") != self._issuer:
            raise TokenRefused("TOKEN_INVALID", "issued by another")
        if self._audience not in (audience if isinstance(audience, list) else [audience]):
            raise TokenRefused("TOKEN_INVALID", "meant for another")
        if not isinstance(claims.get("sub"), str) or not 0 < len(claims["sub"]) <= 200:
            raise TokenRefused("TOKEN_INVALID", "without a subject")
        if _instant(claims, "iat") > now + LEEWAY_SECONDS:
            raise TokenRefused("TOKEN_INVALID", "issued in the future")
        if "nbf" in claims and _instant(claims, "nbf") > now + LEEWAY_SECONDS:
            raise TokenRefused("TOKEN_INVALID", "not valid yet")
        if _instant(claims, "exp") + LEEWAY_SECONDS <= now:
            raise TokenRefused("TOKEN_EXPIRED", "expired")


def tokens_of(settings: ApiSettings) -> Tokens:
    """Return the check of tokens that `settings` ask for: keys from a file, or from the city's issuer."""
    keys = FileKeys(settings.jwks_file) if settings.jwks_file else IssuerKeys(str(settings.oidc_issuer))
    return Tokens(keys, issuer=settings.jwt_issuer, audience=settings.jwt_audience)


class _Registry(JWSRegistry):
    """The two algorithms that are accepted. RFC 9864 names the first `Ed25519`; most issuers still write `EdDSA`."""

    def get_alg(self, name: str) -> Any:
        return super().get_alg("Ed25519" if name == "EdDSA" else name)


# Other headers than the registered ones do no harm; those in `crit` that we do not know are refused all the same.
_REGISTRY: Final = _Registry(algorithms=("Ed25519", "ES256"), strict_check_header=False)


def _instant(claims: Mapping[str, Any], name: str) -> float:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise TokenRefused("TOKEN_INVALID", f"{name} is no instant")
    return value
