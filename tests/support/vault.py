"""Keys of fields for tests, always the same."""

import base64
from functools import cache

from citybus.vault import Vault


def key_file(*lines: str) -> str:
    """Return the text of a key file with a sealing key and an index key, after `lines`."""
    made = [f"test aes-256-gcm {base64.b64encode(bytes(32)).decode()}"]
    return "\n".join([*lines, *made, f"find hmac-sha256 {base64.b64encode(bytes(range(32))).decode()}"])


@cache
def vault() -> Vault:
    return Vault.parse(key_file())
