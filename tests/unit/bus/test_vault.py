"""Sealed fields open only where they belong, under a known key, with either cipher."""

import base64

import pytest

from citybus.vault import KeysInvalid, Place, SealBroken, Vault
from tests.support.vault import key_file

HERE = Place("cadres", "id_no", "1")


def line(key_id: str, algorithm: str, size: int, fill: int = 1) -> str:
    return f"{key_id} {algorithm} {base64.b64encode(bytes([fill]) * size).decode()}"


AES, SM4 = line("a", "aes-256-gcm", 32), line("s", "sm4-gcm", 16)


@pytest.mark.parametrize("first", [AES, SM4])
def test_what_is_sealed_opens_and_two_seals_differ(first: str) -> None:
    vault = Vault.parse(key_file(first))
    one, two = vault.seal(HERE, b"420202"), vault.seal(HERE, b"420202")
    assert one != two
    assert b"420202" not in one
    assert vault.open(HERE, one) == vault.open(HERE, two) == b"420202"


@pytest.mark.parametrize("first", [AES, SM4])
@pytest.mark.parametrize(
    "elsewhere", [Place("cadres", "id_no", "2"), Place("cadres", "name", "1"), Place("units", "id_no", "1")]
)
def test_it_opens_nowhere_else(first: str, elsewhere: Place) -> None:
    vault = Vault.parse(key_file(first))
    with pytest.raises(SealBroken):
        vault.open(elsewhere, vault.seal(HERE, b"x"))


@pytest.mark.parametrize("first", [AES, SM4])
def test_no_byte_can_be_changed(first: str) -> None:
    vault = Vault.parse(key_file(first))
    sealed = vault.seal(HERE, b"x")
    for place in range(len(sealed)):
        changed = sealed[:place] + bytes([sealed[place] ^ 1]) + sealed[place + 1 :]
        with pytest.raises(SealBroken):
            vault.open(HERE, changed)
    with pytest.raises(SealBroken):
        vault.open(HERE, b"")


def test_an_old_key_still_opens_and_the_first_one_seals() -> None:
    old, new = Vault.parse(key_file(AES)), Vault.parse(key_file(SM4, AES))
    sealed = old.seal(HERE, b"x")
    assert new.open(HERE, sealed) == b"x"
    with pytest.raises(SealBroken, match="not at hand"):
        old.open(HERE, new.seal(HERE, b"x"))


def test_the_index_finds_the_same_value_of_the_same_column() -> None:
    vault = Vault.parse(key_file())
    assert vault.index("cadres.id_no", "1") == Vault.parse(key_file(SM4)).index("cadres.id_no", "1")
    assert vault.index("cadres.id_no", "1") != vault.index("cadres.id_no", "2")
    assert vault.index("cadres.id_no", "1") != vault.index("other", "1")
    other = Vault.parse("\n".join([AES, line("find", "hmac-sm3", 32)]))
    assert other.index("cadres.id_no", "1") != vault.index("cadres.id_no", "1")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "no sealing key"),
        (AES, "exactly one index key"),
        (key_file(line("i", "hmac-sm3", 32)), "exactly one index key"),
        (key_file(AES, AES), "there already"),
        (key_file("a aes-256-gcm"), "wants <id>"),
        (key_file("a/b aes-256-gcm AAAA"), "wants <id>"),
        (key_file("a des AAAA"), "the algorithm is none of"),
        (key_file("a aes-256-gcm ?"), "not base64"),
        (key_file(line("a", "aes-256-gcm", 16)), "wants 32 bytes"),
        (key_file(line("a", "sm4-gcm", 32)), "wants 16 bytes"),
    ],
)
def test_wrong_keys_are_told_by_line_and_never_shown(text: str, problem: str) -> None:
    with pytest.raises(KeysInvalid, match=problem) as error:
        Vault.parse(text)
    assert "AQEB" not in str(error.value)


def test_comments_and_empty_lines_are_passed_over() -> None:
    assert Vault.parse(key_file("# a comment", "")).seal(HERE, b"x")
