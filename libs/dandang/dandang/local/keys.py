"""The key that signs tokens of the local city, and the public half that its services check them against."""

import json
import threading
from base64 import b64encode
from dataclasses import dataclass
from pathlib import Path
from secrets import token_bytes

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from joserfc.jwk import KeySet, OKPKey

from dandang.local.secrets import Secrets
from dandang.local.state import RunFolder

ISSUER = "dandang-local"


@dataclass(frozen=True, slots=True)
class LocalKeys:
    """The files of the local signing key (a private JWK) and of the public key set (a JWKS)."""

    signing_key_file: Path
    jwks_file: Path


def token_keys(run: RunFolder) -> LocalKeys:
    """Return the local city's token keys, made at first use."""
    signing = run.secrets.folder / "jwt-signing-key"
    if not signing.exists():
        made = OKPKey.generate_key("Ed25519", parameters={"use": "sig", "alg": "EdDSA"}, auto_kid=True)
        run.secrets.put(signing.name, json.dumps(made.as_dict(private=True)))
    key = OKPKey.import_key(json.loads(signing.read_text(encoding="utf-8")))
    public = run.root / "jwks.json"
    told = json.dumps(KeySet([key]).as_dict(private=False), indent=2) + "\n"
    if not public.exists() or public.read_text(encoding="utf-8") != told:
        # Every service reads it: it is there whole, or not at all.
        draft = public.with_name(f"{public.name}.{threading.get_ident()}")
        draft.write_text(told, encoding="utf-8")
        draft.replace(public)
    return LocalKeys(signing, public)


def audit_key(secrets: Secrets, service: str) -> Path:
    """Return the file of a service's Ed25519 key (PEM) that signs its audit checkpoints, made at first use."""
    path = secrets.folder / f"audit-{service}"
    if not path.exists():
        pem = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        secrets.put(path.name, pem.decode())
    return path


def field_keys(secrets: Secrets, service: str) -> Path:
    """Return the file of the keys that seal a service's fields and index them, made at first use.

    Without them nobody reads what they sealed: they are kept as long as the database, and saved apart from it.
    """
    path = secrets.folder / f"fields-{service}"
    if not path.exists():
        sealing, index = (b64encode(token_bytes(32)).decode() for _ in range(2))
        secrets.put(path.name, f"first aes-256-gcm {sealing}\nfind hmac-sha256 {index}\n")
    return path
