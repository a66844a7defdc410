"""Idempotency keys: a command's response is kept under its caller's key in the command's own commit."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from sqlalchemy import BigInteger, bindparam, func, literal_column, select, true
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from citybus.errors import Refusal
from citybus.tables import idempotency_keys as keys


@dataclass(frozen=True, slots=True)
class Reply:
    """A response as it is sent and kept: status, headers and the very bytes of the body."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    replayed: bool = False


def in_flight() -> Refusal:
    """Return the refusal for a key whose first request is still being worked on."""
    return Refusal(
        "IN_FLIGHT",
        status=409,
        zh="同一幂等键的请求正在处理，请稍后用同一键重试。",
        en="A request with this idempotency key is being worked on. Try again with the same key.",
    )


def key_reused() -> Refusal:
    """Return the refusal for a key that was used with another request."""
    return Refusal(
        "KEY_REUSED",
        status=422,
        zh="该幂等键已用于另一请求，请为新请求换用新键。",
        en="This idempotency key was used with another request. Use a new key for a new request.",
    )


def run(
    session: Session,
    caller: str,
    key: str,
    fingerprint: bytes,
    work: Callable[[], Reply],
    refused: Callable[[Refusal], Reply],
) -> Reply:
    """Do `work` once per caller and key, in the session's transaction, which the caller commits.

    The reply is kept under the key with the same commit, so a failed command leaves its key unused; a repeated request
    gets the kept reply, byte for byte. A `Refusal` that has a duty (`committed`) counts as done: `refused` makes the
    reply that is kept.

    Raises Refusal: `IN_FLIGHT` (409) while another transaction works under the key, `KEY_REUSED` (422) where the key
    was used with another fingerprint; and whatever `work` raises.
    """
    digest = hashlib.blake2b(f"{len(caller)}:{caller}{key}".encode(), digest_size=8).digest()
    row = session.execute(
        _CLAIM, {"lock": int.from_bytes(digest, signed=True), "of_caller": caller, "named": key}
    ).one()
    if not row.claimed:
        raise in_flight()
    if row.status is not None:
        if bytes(row.fingerprint) != fingerprint:
            raise key_reused()
        return Reply(row.status, bytes(row.body), row.headers, replayed=True)
    try:
        reply = work()
    except Refusal as refusal:
        if not refusal.committed:
            raise
        reply = refused(refusal)
    kept = session.execute(
        _KEEP,
        {
            "caller": caller,
            "key": key,
            "fingerprint": fingerprint,
            "status": reply.status,
            "headers": dict(reply.headers),
            "body": reply.body,
        },
    )
    # The claim's statement saw the table as it was before it got the lock: in between another transaction may have
    # kept its reply and let the lock go. Ours is then given up, and the next attempt gets that reply.
    if kept.first() is None:
        raise in_flight()
    return replace(reply, replayed=False)


_one = select(literal_column("1").label("one")).subquery("one")
_CLAIM = (
    select(
        func.pg_try_advisory_xact_lock(bindparam("lock", type_=BigInteger)).label("claimed"),
        keys.c.fingerprint,
        keys.c.status,
        keys.c.headers,
        keys.c.body,
    )
    .select_from(_one)
    .join(keys, true() & (keys.c.caller == bindparam("of_caller")) & (keys.c.key == bindparam("named")), isouter=True)
)
_KEEP = insert(keys).on_conflict_do_nothing().returning(keys.c.key)
