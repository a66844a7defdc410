"""How long supervision takes to say who is eligible, a million sanctions being stored."""

import statistics
import time
from datetime import UTC, date, datetime

import psycopg2
from sqlalchemy.engine import make_url
from sqlalchemy.orm import sessionmaker

from citybus import migrations
from citybus.cases import Actor
from citybus.clock import SystemClock
from citybus.database import engine
from citybus.freshness import note_heartbeat
from citybus.processes import migrations_of
from citybus.unit_of_work import Context, Units
from supervision.application.eligibility import check_many

PER_CADRE = 10
OFFICER = Actor("bench", frozenset({"ORG"}), units=None)
AS_OF = date(2024, 6, 1)

# Ten sanctions for each cadre, from 2012 on, of which one in ten may be running on the day; a bar for each.
_FILL = """
    INSERT INTO cadres (id, unit) SELECT 'cadre-' || n, 'U' || n %% 89 FROM generate_series(1, %(cadres)s) AS n;
    INSERT INTO sanctions (id, state, version, created_at, changed_at, correlation_id, cadre, unit, regime, kind, organ,
                           decision_no, legal_basis, decided_on, effective_on, end_on, offences, months, adds_up,
                           rule_pack, recorded_late, affects_use, revisions)
        SELECT gen_random_uuid(), 'IN_EFFECT', 1, now(), now(), '', 'cadre-' || n, 'U' || n %% 89,
               (ARRAY['PARTY', 'GOV', 'ORG'])[1 + k %% 3], 'WARNING', 'DISC', n || '/' || k, '', day, day,
               (day + interval '1 year')::date, 1, 12, true, '', false, false, '[]'
        FROM generate_series(1, %(cadres)s) AS n, generate_series(0, %(each)s - 1) AS k,
             LATERAL (SELECT date '2012-01-01' + (k * 400 + n %% 200)) AS begun (day);
    INSERT INTO bars (id, source, cadre, code, purposes, start_on, until)
        SELECT id, 'sanction/' || id, cadre, 'EFFECT_PERIOD_ACTIVE', '{PROMOTE,TRANSFER,AWARD,EXCELLENT}',
               effective_on, end_on
        FROM sanctions;
    ANALYZE
"""


def eligibility(dsn: str, sanctions: int, many: int, runs: int) -> tuple[float, float]:
    """Return ms for one cadre and s for `many` at once, with `sanctions` stored in the empty database `dsn`.

    Both are medians: of three hundred cadres asked about one by one, and of `runs` times the `many`.
    """
    url = dsn.replace("postgresql://", "postgresql+psycopg2://")
    migrations.upgrade(make_url(url), migrations_of("supervision"))
    cadres = max(sanctions // PER_CADRE, many)
    connection = psycopg2.connect(dsn)
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute(_FILL, {"cadres": cadres, "each": PER_CADRE})
    connection.close()
    made = engine(url, application="bench")
    units = Units(sessionmaker(made, expire_on_commit=False), "/city/420200/supervision", SystemClock())

    def ask(names: list[str]) -> float:
        began = time.perf_counter()
        with units(Context("bench", ("ORG",), "bench", "bench")) as uow:
            found = check_many(uow, OFFICER, names, "PROMOTE", AS_OF)
            uow.commit()
        took = time.perf_counter() - began
        if len(found) != len(names) or any(answer.verdict == "PENDING" for answer in found):
            raise RuntimeError("the answers are not those that were to be measured")
        return took

    with units(Context("bench", (), "bench", "bench")) as uow:
        note_heartbeat(uow.session, "assessment", datetime.now(UTC))
        uow.commit()
    one = [ask([f"cadre-{1 + number * 7919 % cadres}"]) * 1000 for number in range(300)]
    all_at_once = [ask([f"cadre-{number + 1}" for number in range(many)]) for _ in range(runs)]
    made.dispose()
    return statistics.median(one), statistics.median(all_at_once)
