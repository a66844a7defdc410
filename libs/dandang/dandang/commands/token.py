"""`dandang token`: an access token for the city on this machine, for people and scripts that try it out."""

import json
import os
import time
from collections.abc import Sequence
from typing import Any

import click
from joserfc import jwt
from joserfc.jwk import OKPKey

from dandang.local import keys
from dandang.local.errors import LocalError
from dandang.local.state import RunFolder


def issue(
    run: RunFolder,
    subject: str,
    roles: Sequence[str],
    *,
    units: Sequence[str] | None = (),
    unit: str | None = None,
    person: str | None = None,
    seconds: int = 3600,
) -> str:
    """Return a token signed with the local city's key, valid from now on in real time.

    `units` is the data scope (None: every unit), `unit` the subject's own unit, `person` the subject's own id as a
    cadre. Raises LocalError unless `CITY_ENV` is `local`: a city in service has its own issuer.
    """
    if os.environ.get("CITY_ENV") != "local":
        raise LocalError(
            "只有 CITY_ENV=local 的城市可由本命令签发令牌 / tokens are issued here for CITY_ENV=local only; "
            "in service they come from the city's issuer"
        )
    private = json.loads(keys.token_keys(run).signing_key_file.read_text(encoding="utf-8"))
    # RFC 9864 names the algorithm Ed25519; the key may still say EdDSA.
    key = OKPKey.import_key({name: value for name, value in private.items() if name != "alg"})
    now = int(time.time())
    scope: dict[str, Any] = {"units": "*" if units is None else list(units), "unit": unit, "person": person}
    claims = {
        "iss": os.environ.get("CITY_JWT_ISSUER", keys.ISSUER),
        "aud": os.environ.get("CITY_JWT_AUDIENCE", "dandang"),
        "sub": subject,
        "iat": now,
        "exp": now + seconds,
        "roles": list(roles),
        "scope": {name: value for name, value in scope.items() if value is not None},
    }
    return jwt.encode({"alg": "Ed25519", "kid": key.kid, "typ": "at+jwt"}, claims, key, algorithms=["Ed25519"])


@click.command()
@click.option("--sub", "subject", required=True, help="主体 / who: a staff id.")
@click.option(
    "--role", "roles", multiple=True, required=True, help="角色，可多次 / a role such as ORG.assess; repeatable."
)
@click.option("--units", default="", help="数据范围 / data scope: unit codes with commas between, or * for every unit.")
@click.option("--unit", default=None, help="本人所在单位 / the code of the subject's own unit.")
@click.option("--cadre", "person", default=None, help="本人的干部编号 / the subject's own id as a cadre.")
@click.option(
    "--ttl", "minutes", type=click.IntRange(1, 24 * 60), default=60, show_default=True, help="分钟 / minutes."
)
def token(subject: str, roles: tuple[str, ...], units: str, unit: str | None, person: str | None, minutes: int) -> None:
    """签发本机令牌 / print an access token for the city on this machine (CITY_ENV=local only)."""
    codes = [code for code in (code.strip() for code in units.split(",")) if code]
    click.echo(
        issue(
            RunFolder(),
            subject,
            roles,
            units=None if codes == ["*"] else codes,
            unit=unit,
            person=person,
            seconds=minutes * 60,
        )
    )
