"""What the run folder remembers of the year: which one it is, how much of it is played, and whose story is told."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

from citybus.ids import new_id
from dandang.slice.cast import Person
from dandang.year.stage import Case, Protagonist


@dataclass(slots=True)
class Stored:
    """A year in a city. `share`: how much of the city's trouble is played, up to 1."""

    share: float = 1.0
    id: UUID = field(default_factory=lambda: UUID(new_id()))
    played: bool = False
    protagonists: list[Protagonist] = field(default_factory=list)

    @classmethod
    def read(cls, file: Path) -> "Stored | None":
        """Return what is remembered, None where nothing is."""
        if not file.exists():
            return None
        found = json.loads(file.read_text(encoding="utf-8"))
        return cls(found["share"], UUID(found["id"]), found["played"], [_protagonist(each) for each in found["told"]])

    def write(self, file: Path) -> None:
        """Remember this, at once or not at all."""
        told = [asdict(each) for each in self.protagonists]
        content = {"share": self.share, "id": str(self.id), "played": self.played, "told": told}
        draft = file.with_name(f"{file.name}.new")
        draft.write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
        draft.replace(file)


def _protagonist(found: dict[str, Any]) -> Protagonist:
    cases = tuple((Case(**case), _person(reader)) for case, reader in found["cases"])
    return Protagonist(found["name"], found["zh"], found["en"], cases)


def _person(found: dict[str, Any]) -> Person:
    return Person(**{**found, "roles": tuple(found["roles"]), "units": tuple(found["units"])})
