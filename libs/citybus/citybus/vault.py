"""Sealing of fields that must not lie open in the database, and keyed hashes to find them by.

The key file has a line for each key: `<id> <algorithm> <key in base64>`; lines that begin with # are passed over. The
first sealing key seals, all of them open, so that keys can be changed one after the other. Exactly one line is the key
of the index (HMAC), which must stay: a new one would find nothing.

    2026a  aes-256-gcm  …     a sealing key of 32 bytes, or sm4-gcm with 16 (GB/T 39786)
    find   hmac-sha256  …     the index key of 32 bytes, or hmac-sm3
"""

import base64
import binascii
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hmac import HMAC

from citybus.errors import CityError

_NONCE: Final = 12
_TAG: Final = 16
_ID: Final = re.compile(r"[0-9A-Za-z._-]{1,32}")


class KeysInvalid(CityError):
    """Keys that cannot be used. The text names lines, never keys."""


class SealBroken(CityError):
    """What is stored was not sealed by a known key for this very place: it was changed, moved, or the key is gone."""


class Aead(Protocol):
    """An authenticated cipher over one key."""

    def encrypt(self, nonce: bytes, data: bytes, associated_data: bytes) -> bytes:
        """Return the ciphertext with its tag."""
        ...

    def decrypt(self, nonce: bytes, data: bytes, associated_data: bytes) -> bytes:
        """Return the plain text. Raises InvalidTag."""
        ...


class Sm4Gcm:
    """SM4 in Galois counter mode (GB/T 32907), as the cipher of a city that is held to the national algorithms."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def encrypt(self, nonce: bytes, data: bytes, associated_data: bytes) -> bytes:
        sealing = Cipher(algorithms.SM4(self._key), modes.GCM(nonce)).encryptor()
        sealing.authenticate_additional_data(associated_data)
        return sealing.update(data) + sealing.finalize() + sealing.tag

    def decrypt(self, nonce: bytes, data: bytes, associated_data: bytes) -> bytes:
        opening = Cipher(algorithms.SM4(self._key), modes.GCM(nonce, data[-_TAG:])).decryptor()
        opening.authenticate_additional_data(associated_data)
        return opening.update(data[:-_TAG]) + opening.finalize()


_CIPHERS: Final[Mapping[str, tuple[int, Callable[[bytes], Aead]]]] = {
    "aes-256-gcm": (32, AESGCM),
    "sm4-gcm": (16, Sm4Gcm),
}
_INDEXES: Final[Mapping[str, tuple[int, Callable[[], hashes.HashAlgorithm]]]] = {
    "hmac-sha256": (32, hashes.SHA256),
    "hmac-sm3": (32, hashes.SM3),
}


@dataclass(frozen=True, slots=True)
class Place:
    """Where a sealed value belongs: it opens nowhere else."""

    table: str
    column: str
    row: str

    def to_bytes(self) -> bytes:
        """Return what the seal is bound to."""
        return f"{self.table}/{self.column}/{self.row}".encode()


class Vault:
    """Seals and opens values, and makes their index. Its `repr` shows no key."""

    def __init__(self, ciphers: Mapping[str, Aead], index_key: bytes, index_hash: Callable[[], hashes.HashAlgorithm]):
        self._ciphers = dict(ciphers)
        self._present = next(iter(self._ciphers))
        self._index_key = index_key
        self._index_hash = index_hash

    @classmethod
    def parse(cls, text: str) -> "Vault":
        """Read the key file. Raises KeysInvalid with all that is wrong."""
        ciphers: dict[str, Aead] = {}
        indexes: list[tuple[bytes, Callable[[], hashes.HashAlgorithm]]] = []
        problems = []
        for number, line in enumerate(text.splitlines(), start=1):
            if not line.strip() or line.lstrip().startswith("#"):
                continue
            try:
                key_id, algorithm, key = _line(line)
            except ValueError as error:
                problems.append(f"第 {number} 行 / line {number}: {error}")
                continue
            if algorithm in _INDEXES:
                indexes.append((key, _INDEXES[algorithm][1]))
            elif key_id in ciphers:
                problems.append(f"第 {number} 行 / line {number}: the id is there already")
            else:
                ciphers[key_id] = _CIPHERS[algorithm][1](key)
        if not ciphers:
            problems.append("缺少加密密钥 / there is no sealing key")
        if len(indexes) != 1:
            problems.append("须有且仅有一个索引密钥 / exactly one index key is wanted")
        if problems:
            raise KeysInvalid("; ".join(problems))
        return cls(ciphers, *indexes[0])

    def seal(self, place: Place, value: bytes) -> bytes:
        """Return `value` sealed for `place`: length and id of the key, nonce, ciphertext with tag."""
        key_id, nonce = self._present.encode(), os.urandom(_NONCE)
        head = bytes([len(key_id)]) + key_id
        return head + nonce + self._ciphers[self._present].encrypt(nonce, value, head + place.to_bytes())

    def open(self, place: Place, sealed: bytes) -> bytes:
        """Return what was sealed for `place`. Raises SealBroken."""
        split = 1 + (sealed[0] if sealed else 0)
        head, nonce, rest = sealed[:split], sealed[split : split + _NONCE], sealed[split + _NONCE :]
        cipher = self._ciphers.get(head[1:].decode("ascii", "replace"))
        if cipher is None or len(rest) < _TAG:
            raise SealBroken(f"{place.table}.{place.column}: sealed by a key that is not at hand")
        try:
            return cipher.decrypt(nonce, rest, head + place.to_bytes())
        except InvalidTag:
            raise SealBroken(f"{place.table}.{place.column}: not what was sealed there") from None

    def index(self, column: str, value: str) -> bytes:
        """Return the keyed hash by which `value` of a column is found."""
        code = HMAC(self._index_key, self._index_hash())
        code.update(f"{column}/{value}".encode())
        return code.finalize()


def _line(line: str) -> tuple[str, str, bytes]:
    parts = line.split()
    if len(parts) != 3 or not _ID.fullmatch(parts[0]):
        raise ValueError("wants <id> <algorithm> <key in base64>")
    key_id, algorithm, encoded = parts
    known = {**_CIPHERS, **_INDEXES}
    if algorithm not in known:
        raise ValueError(f"the algorithm is none of {', '.join(known)}")
    try:
        key = base64.b64decode(encoded, validate=True)
    except binascii.Error:
        raise ValueError("the key is not base64") from None
    if len(key) != known[algorithm][0]:
        raise ValueError(f"{algorithm} wants {known[algorithm][0]} bytes")
    return key_id, algorithm, key
