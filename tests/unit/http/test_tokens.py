"""Which access tokens are accepted."""

import base64
import hashlib
import hmac
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from joserfc.jwk import ECKey, OKPKey, RSAKey

from citybus.http.tokens import FileKeys, KeysAway, TokenRefused, Tokens, read_keys
from citybus.testing.keys import AUDIENCE, ISSUER, FakeIssuer


def encode(part: bytes) -> str:
    return base64.urlsafe_b64encode(part).rstrip(b"=").decode()


def tokens_of(issuer: FakeIssuer, **options: Any) -> Tokens:
    return Tokens(issuer, issuer=ISSUER, audience=AUDIENCE, **options)


@pytest.fixture
def issuer() -> FakeIssuer:
    return FakeIssuer()


@pytest.mark.parametrize("algorithm", ["Ed25519", "ES256"])
def test_a_token_of_the_issuer_is_accepted(issuer: FakeIssuer, algorithm: str) -> None:
    issuer.add("k", algorithm)
    assert tokens_of(issuer).claims(issuer.token(kid="k", sub="officer-7"))["sub"] == "officer-7"


def test_eddsa_by_its_old_name_is_accepted(issuer: FakeIssuer) -> None:
    head = encode(orjson.dumps({"alg": "EdDSA", "kid": "first"}))
    body = issuer.token().split(".")[1]
    key = issuer.keys["first"].private_key
    assert isinstance(key, Ed25519PrivateKey)
    signed = f"{head}.{body}"
    assert tokens_of(issuer).claims(f"{signed}.{encode(key.sign(signed.encode()))}")["sub"] == "officer-1"


WRONG: Mapping[str, Callable[[float], dict[str, Any]]] = {
    "another issuer": lambda now: {"iss": "https://elsewhere.test"},
    "no issuer": lambda now: {"iss": None},
    "another audience": lambda now: {"aud": "payroll"},
    "other audiences": lambda now: {"aud": ["payroll", "dandang2"]},
    "no audience": lambda now: {"aud": None},
    "no subject": lambda now: {"sub": None},
    "an empty subject": lambda now: {"sub": ""},
    "a subject that is no text": lambda now: {"sub": 7},
    "an endless subject": lambda now: {"sub": "x" * 201},
    "no expiry": lambda now: {"exp": None},
    "an expiry that is no number": lambda now: {"exp": "tomorrow"},
    "an expiry that is a truth": lambda now: {"exp": True},
    "no instant of issue": lambda now: {"iat": None},
    "issued in the future": lambda now: {"iat": now + 31},
    "not valid yet": lambda now: {"nbf": now + 31},
}


@pytest.mark.parametrize("name", WRONG)
def test_a_token_with_wrong_claims_is_refused(issuer: FakeIssuer, name: str) -> None:
    now = time.time()
    with pytest.raises(TokenRefused) as refused:
        tokens_of(issuer, now=lambda: now).claims(issuer.token(**WRONG[name](now)))
    assert refused.value.code == "TOKEN_INVALID"


def test_clocks_may_differ_by_half_a_minute(issuer: FakeIssuer) -> None:
    now = time.time()
    tokens = tokens_of(issuer, now=lambda: now)
    assert tokens.claims(issuer.token(iat=now + 29, nbf=now + 29, exp=now - 29))


def test_an_expired_token_is_refused_as_expired(issuer: FakeIssuer) -> None:
    now = time.time()
    with pytest.raises(TokenRefused) as refused:
        tokens_of(issuer, now=lambda: now).claims(issuer.token(exp=now - 30))
    assert refused.value.code == "TOKEN_EXPIRED"


def test_a_remembered_token_expires_as_well(issuer: FakeIssuer) -> None:
    present = [time.time()]
    tokens = tokens_of(issuer, now=lambda: present[0])
    token = issuer.token(exp=present[0] + 60)
    assert tokens.claims(token) is tokens.claims(token)
    present[0] += 90
    with pytest.raises(TokenRefused) as refused:
        tokens.claims(token)
    assert refused.value.code == "TOKEN_EXPIRED"


def test_a_remembered_token_is_refused_once_its_key_is_taken_away(issuer: FakeIssuer) -> None:
    tokens = tokens_of(issuer)
    issuer.add("second")
    token = issuer.token(kid="second")
    assert tokens.claims(token)
    issuer.remove("second")
    with pytest.raises(TokenRefused):
        tokens.claims(token)


def test_no_more_tokens_are_remembered_than_allowed(issuer: FakeIssuer) -> None:
    tokens = tokens_of(issuer, remember=2)
    first = issuer.token(sub="a")
    remembered = tokens.claims(first)
    for subject in ("b", "c"):
        tokens.claims(issuer.token(sub=subject))
    assert tokens.claims(first) == remembered
    assert tokens.claims(first) is not remembered


def forged_none(issuer: FakeIssuer) -> str:
    head = encode(orjson.dumps({"alg": "none", "kid": "first"}))
    return f"{head}.{issuer.token().split('.')[1]}."


def forged_with_public_key(issuer: FakeIssuer) -> str:
    head = encode(orjson.dumps({"alg": "HS256", "kid": "first"}))
    signed = f"{head}.{issuer.token().split('.')[1]}"
    secret = issuer.keys["first"].as_pem(private=False)
    return f"{signed}.{encode(hmac.new(secret, signed.encode(), hashlib.sha256).digest())}"


def signed_by_a_stranger(issuer: FakeIssuer) -> str:
    return FakeIssuer().token()


def of_an_unknown_key(issuer: FakeIssuer) -> str:
    return issuer.token(header={"kid": "unknown"})


def without_key_id(issuer: FakeIssuer) -> str:
    head = encode(orjson.dumps({"alg": "Ed25519"}))
    return ".".join([head, *issuer.token().split(".")[1:]])


def altered(issuer: FakeIssuer) -> str:
    head, _, signature = issuer.token().split(".")
    claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": "mayor", "iat": 0, "exp": 1e12}
    return f"{head}.{encode(orjson.dumps(claims))}.{signature}"


def an_id_token(issuer: FakeIssuer) -> str:
    return issuer.token(header={"typ": "id+jwt"})


def named_with_the_wrong_algorithm(issuer: FakeIssuer) -> str:
    issuer.add("ec", "ES256")
    return issuer.token(header={"kid": "ec"})


def with_an_unknown_critical_header(issuer: FakeIssuer) -> str:
    head = encode(orjson.dumps({"alg": "Ed25519", "kid": "first", "crit": ["x"], "x": 1}))
    return ".".join([head, *issuer.token().split(".")[1:]])


FORGERIES = [
    forged_none,
    forged_with_public_key,
    signed_by_a_stranger,
    of_an_unknown_key,
    without_key_id,
    altered,
    an_id_token,
    named_with_the_wrong_algorithm,
    with_an_unknown_critical_header,
    lambda _: "",
    lambda _: "a.b",
    lambda _: "a.b.c",
    lambda _: "口令.口令.口令",
    lambda _: "x" * 9000,
    lambda _: f"{encode(b'[]')}.{encode(b'{}')}.x",
    lambda _: f"{encode(orjson.dumps({'alg': 'Ed25519', 'kid': ['first']}))}.{encode(b'{}')}.x",
]


@pytest.mark.parametrize("forge", FORGERIES)
def test_a_forged_token_is_refused(issuer: FakeIssuer, forge: Callable[[FakeIssuer], str]) -> None:
    with pytest.raises(TokenRefused) as refused:
        tokens_of(issuer).claims(forge(issuer))
    assert refused.value.code == "TOKEN_INVALID"


def test_nobody_is_let_in_while_the_keys_are_away(issuer: FakeIssuer) -> None:
    tokens = tokens_of(issuer)
    token = issuer.token()
    tokens.claims(token)
    issuer.away = True
    with pytest.raises(KeysAway):
        tokens.claims(token)


@pytest.mark.parametrize("algorithm", [None, "EdDSA", "Ed25519"])
def test_a_key_may_name_its_algorithm_in_the_old_or_the_new_way(issuer: FakeIssuer, algorithm: str | None) -> None:
    entry = issuer.keys["first"].as_dict(private=False) | ({"alg": algorithm} if algorithm else {})
    token = issuer.token()
    issuer.keys = read_keys(orjson.dumps({"keys": [entry]}))
    assert tokens_of(issuer).claims(token)


def test_only_keys_that_may_sign_are_read() -> None:
    good = OKPKey.generate_key("Ed25519", {"kid": "good"})
    entries = [
        good.as_dict(private=True),
        {"kty": "oct", "k": "c2VjcmV0", "kid": "shared"},
        RSAKey.generate_key(2048, {"kid": "rsa"}).as_dict(private=False),
        ECKey.generate_key("P-384", {"kid": "p384"}).as_dict(private=False),
        OKPKey.generate_key("X25519", {"kid": "x"}).as_dict(private=False),
        OKPKey.generate_key("Ed25519", {"kid": "enc", "use": "enc"}).as_dict(private=False),
        OKPKey.generate_key("Ed25519").as_dict(private=False) | {"kid": None},
        OKPKey.generate_key("Ed25519", {"kid": "odd"}).as_dict(private=False) | {"alg": "HS256"},
    ]
    keys = read_keys(orjson.dumps({"keys": entries}))
    assert list(keys) == ["good"]
    assert not keys["good"].is_private


@pytest.mark.parametrize(
    "document",
    [b"", b"[]", b"{}", b'{"keys": 7}', b'{"keys": [7]}', b'{"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "a"}]}'],
)
def test_what_is_no_jwks_is_refused(document: bytes) -> None:
    with pytest.raises(ValueError, match="not a JWKS"):
        read_keys(document)


def test_a_file_of_keys_that_is_missing_or_broken_lets_nobody_in(tmp_path: Path, issuer: FakeIssuer) -> None:
    path = tmp_path / "jwks.json"
    keys = FileKeys(path)
    with pytest.raises(KeysAway):
        keys.find("first")
    path.write_bytes(issuer.jwks())
    assert keys.find("first") is not None
    path.write_bytes(b"{")
    with pytest.raises(KeysAway):
        keys.find("first")
