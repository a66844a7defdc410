"""Import a roster workbook (A1): every row is checked, then all of it is registered in one transaction, or none."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date
from typing import Any, Final

from sqlalchemy import Insert, insert, literal, select, text

from assessment.application.rulebook import Rulebook
from assessment.application.start_import import RECEIVED, place_of
from assessment.domain import roster
from assessment.domain.columns import CADRES, UNITS, SheetKind, Table
from assessment.domain.faults import Fault, fault
from assessment.domain.roster import Cadre, CadreState, Row, Unit
from assessment.persistence.models import CadreChangeRow, CadreRow, ImportRow, UnitRow
from assessment.schemas.published import cadre_registered, unit_registered
from assessment.workbooks.read import read_tables
from citybus.errors import Invalid, Refusal
from citybus.ids import new_id
from citybus.jobs import Run
from citybus.rulepack import Rules
from citybus.unit_of_work import UnitOfWork
from citybus.vault import Place, Vault

IMPORTED: Final = "IMPORTED"
REJECTED: Final = "REJECTED"
CHUNK: Final = 500
REGISTER: Final = "REGISTER"
HELD: Final = ("state", "unit", "post", "post_since", "rank", "manage_level", "categories", "effective_on")
"""What may change of a cadre, and is kept in the history."""
MOST_FAULTS: Final = 5_000
"""So many faults are listed; all are counted."""

# One import at a time looks at the roster and adds to it.
_ONE_AT_A_TIME: Final = text("SELECT pg_advisory_xact_lock(hashtextextended('assessment.roster', 0))")


@dataclass(slots=True)
class _Checked:
    """What the sheets hold: rows that are right in themselves, and all faults."""

    units: list[Row[Unit]] = field(default_factory=list)
    cadres: list[Row[Cadre]] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)


def id_index(vault: Vault, id_no: str) -> bytes:
    """Return the keyed hash by which an identity number is found."""
    return vault.index("cadres.id_no", id_no)


def id_place(cadre: str) -> Place:
    """Return where the identity number of a cadre is sealed."""
    return Place("cadres", "id_no", cadre)


def run_import(rulebook: Rulebook, vault: Vault, run: Run) -> Mapping[str, Any]:
    """Do the job of one import and return its outcome: its state, and how many were new.

    Rows are checked in steps that the job counts; what is wrong ends in the import's faults (`REJECTED`). Rows that are
    registered already, and alike, are passed over. Everything new is registered in the last step with its events: that
    one transaction, or none of it, however large the roster. Raises Invalid `WORKBOOK_FORGOTTEN`.
    """
    import_id: str = run.payload["import"]
    with run.step(steps=0) as uow:
        upload = uow.session.get_one(ImportRow, import_id)
        if upload.state != RECEIVED:
            return _outcome(upload)
        if upload.workbook is None:
            raise Invalid("WORKBOOK_FORGOTTEN", "it waited longer than it may be kept")
        content = vault.open(place_of(import_id), upload.workbook)
        today = uow.clock.today()
    rules = rulebook.on(today)
    tables, checked = _read(content)
    rows = sum(len(table.rows) for table in tables)
    if not checked.faults:
        if not rows:
            checked.faults.append(fault("NOTHING_TO_IMPORT", tables[0].sheet))
        for done in _check(tables, rules, today, checked):
            # A job that goes on after its process died checks again what was checked, and counts it once.
            if done > run.progress:
                with run.step(steps=done - run.progress, total=2 * rows) as uow:
                    uow.commit()
    with run.step(steps=2 * rows - run.progress, total=2 * rows) as uow:
        upload = uow.session.get_one(ImportRow, import_id)
        _finish(uow, upload, vault, {table.kind: table for table in tables}, checked, rules)
        outcome = _outcome(upload)
        uow.commit()
    return outcome


def _read(content: bytes) -> tuple[list[Table], _Checked]:
    try:
        tables, faults = read_tables(content)
    except Refusal as refusal:
        # It passed when it was uploaded: the library cannot read it all the same, or a newer version is stricter.
        return [], _Checked(faults=[Fault("", None, None, None, refusal.code, refusal.zh, refusal.en)])
    return tables, _Checked(faults=faults)


def _check(tables: Sequence[Table], rules: Rules, today: date, checked: _Checked) -> Iterator[int]:
    """Check all rows into `checked`; yield after each chunk how many were checked."""
    held_to = roster.standards(rules, today)
    done = 0
    for table in tables:
        for start in range(0, len(table.rows), CHUNK):
            chunk = table.rows[start : start + CHUNK]
            if table.kind is UNITS:
                units, faults = roster.check_units(table, chunk, held_to)
                checked.units += units
            else:
                cadres, faults = roster.check_cadres(table, chunk, held_to)
                checked.cadres += cadres
            checked.faults += faults
            done += len(chunk)
            yield done
        if table.kind is UNITS:
            checked.faults += roster.repeated(checked.units, "code", table.columns["code"])
        else:
            checked.faults += roster.repeated(checked.cadres, "id_no", table.columns["id_no"])


def _finish(
    uow: UnitOfWork, upload: ImportRow, vault: Vault, tables: Mapping[SheetKind, Table], checked: _Checked, rules: Rules
) -> None:
    """Compare with what is registered, then register all that is new, or reject the whole upload."""
    uow.session.execute(_ONE_AT_A_TIME)
    faults = checked.faults
    new_units: list[Unit] = []
    new_cadres: list[tuple[Cadre, bytes]] = []
    if tables:
        new_units, unit_faults = _compare_units(uow, tables, checked.units)
        new_cadres, cadre_faults = _compare_cadres(uow, vault, tables, checked)
        faults = [*faults, *unit_faults, *cadre_faults]
    upload.ended_at = uow.clock.now()
    upload.workbook = None
    upload.rule_pack = rules.cite("roster.ranks")
    upload.fault_count = len(faults)
    if faults:
        upload.state = REJECTED
        upload.faults = [asdict(each) for each in sorted(faults, key=_by_place)[:MOST_FAULTS]]
    else:
        upload.state = IMPORTED
        upload.units_new, upload.units_same = len(new_units), len(checked.units) - len(new_units)
        upload.cadres_new, upload.cadres_same = len(new_cadres), len(checked.cadres) - len(new_cadres)
        _register(uow, upload, vault, new_units, new_cadres)
    uow.audit("roster.import", f"roster-import/{upload.id}", written=_outcome(upload), result=upload.state)


def _compare_units(
    uow: UnitOfWork, tables: Mapping[SheetKind, Table], rows: Sequence[Row[Unit]]
) -> tuple[list[Unit], list[Fault]]:
    columns = (UnitRow.code, UnitRow.name, UnitRow.kind, UnitRow.sector)
    codes = [row.entry.code for row in rows]
    known = {
        found["code"]: dict(found)
        for found in uow.session.execute(select(*columns).where(UnitRow.code.in_(codes))).mappings()
    }
    new, faults = [], []
    for row in rows:
        if row.entry.code not in known:
            new.append(row.entry)
        elif differing := roster.difference(row.entry, known[row.entry.code]):
            faults.append(roster.already_registered(row, tables[UNITS], differing))
    return new, faults


def _compare_cadres(
    uow: UnitOfWork, vault: Vault, tables: Mapping[SheetKind, Table], checked: _Checked
) -> tuple[list[tuple[Cadre, bytes]], list[Fault]]:
    rows = checked.cadres
    if not rows:
        return [], []
    wanted = {row.entry.unit for row in rows} - {row.entry.code for row in checked.units}
    units = set(uow.session.scalars(select(UnitRow.code).where(UnitRow.code.in_(sorted(wanted)))))
    units.update(row.entry.code for row in checked.units)
    faults = roster.homeless(rows, units, tables[CADRES].columns["unit"])
    indexes = [id_index(vault, row.entry.id_no) for row in rows]
    known = {
        bytes(found["id_no_index"]): {**found, "categories": tuple(sorted(found["categories"]))}
        for found in uow.session.execute(
            select(CadreRow.id_no_index, *_COMPARED).where(CadreRow.id_no_index.in_(indexes))
        ).mappings()
    }
    new = []
    for row, index in zip(rows, indexes, strict=True):
        if index not in known:
            new.append((row.entry, index))
        elif differing := roster.difference(row.entry, known[index]):
            faults.append(roster.already_registered(row, tables[CADRES], differing))
    return new, faults


_COMPARED: Final = (
    CadreRow.name,
    CadreRow.birth,
    CadreRow.unit,
    CadreRow.post,
    CadreRow.post_since,
    CadreRow.rank,
    CadreRow.party_member,
    CadreRow.manage_level,
    CadreRow.categories,
)


def _register(
    uow: UnitOfWork, upload: ImportRow, vault: Vault, units: Sequence[Unit], cadres: Sequence[tuple[Cadre, bytes]]
) -> None:
    """Add units and cadres, and publish that they are registered."""
    now = uow.clock.now()
    same: dict[str, Any] = {"registered_at": now, "import_id": upload.id}
    case = {"version": 1, "created_at": now, "changed_at": now, "correlation_id": uow.context.correlation_id}
    if units:
        uow.session.execute(insert(UnitRow), [asdict(unit) | same for unit in units])
    for unit in units:
        uow.publish(unit_registered(unit, upload.rule_pack))
    rows = [_cadre_row(vault, cadre, index) | same | case for cadre, index in cadres]
    if rows:
        uow.session.execute(insert(CadreRow), rows)
        uow.session.execute(_first_changes(upload))
    for (cadre, _), row in zip(cadres, rows, strict=True):
        uow.publish(cadre_registered(row["id"], cadre, upload.rule_pack))


def _first_changes(upload: ImportRow) -> Insert:
    """Return what copies those whom `upload` registered into the history; the database does it, however many they are."""
    held = [getattr(CadreRow, name) for name in HELD]
    registered = select(
        CadreRow.id, CadreRow.version, literal(REGISTER), CadreRow.registered_at, literal(upload.uploaded_by), *held
    ).where(CadreRow.import_id == upload.id)
    return insert(CadreChangeRow).from_select(
        ["cadre", "number", "change", "recorded_at", "recorded_by", *HELD], registered
    )


def _cadre_row(vault: Vault, cadre: Cadre, index: bytes) -> dict[str, Any]:
    cadre_id = new_id()
    sealed = vault.seal(id_place(cadre_id), cadre.id_no.encode())
    return {
        **asdict(cadre),
        "id": cadre_id,
        "state": CadreState.ACTIVE,
        "id_no": sealed,
        "id_no_index": index,
        "categories": list(cadre.categories),
        "effective_on": cadre.post_since,
    }


def _by_place(each: Fault) -> tuple[str, int, str]:
    return each.sheet, each.row or 0, each.column or ""


def _outcome(upload: ImportRow) -> dict[str, Any]:
    return {
        "state": upload.state,
        "units_new": upload.units_new,
        "cadres_new": upload.cadres_new,
        "faults": upload.fault_count,
    }
