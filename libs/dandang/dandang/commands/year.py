"""`dandang year`: one year of Huangshi in the running city, played once, told as often as wanted."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import date
from pathlib import Path
from uuid import UUID

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from citybus.ids import new_id
from citybus.topology import files
from dandang.local.errors import LocalError
from dandang.local.state import PROJECT, RunFolder
from dandang.quiet import Quiet, connections
from dandang.slice import cast
from dandang.slice.api import Api
from dandang.slice.story import Story
from dandang.year import calendar
from dandang.year.people import load
from dandang.year.play import Play, Told
from dandang.year.stage import Stage


@dataclass(slots=True)
class Stored:
    """What the run folder remembers of the year: its id, how much of it is played, and whether it is."""

    id: str = field(default_factory=new_id)
    share: float = 1.0
    played: bool = False


@click.command("year")
@click.option(
    "--share",
    type=click.FloatRange(0.01, 1),
    default=1.0,
    show_default=True,
    help="演多少 / how much of the city's year is played.",
)
def play_year(share: float) -> None:
    """演一年:承诺、检查、曝光、召回、容错、考核、选用 / play one year of the city, or tell it where it was played."""
    run = RunFolder()
    if not run.is_held():
        raise LocalError("城市没有运行,请先运行 / the city is not up; first run:  make up")
    console = Console()
    api = Api(run)
    story = Story(run, api)
    file = run.root / "year.json"
    stored = _read(file) or Stored(share=share)
    if not stored.played:
        _write(file, stored)
        _play(run, api, story, stored, console)
        stored.played = True
        _write(file, stored)


def _play(run: RunFolder, api: Api, story: Story, stored: Stored, console: Console) -> None:
    story.prepare(calendar.BEGIN)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress, _quiet() as quiet:
        rows = progress.add_task("名册 roster", total=None)
        story.tell_import = lambda done, total: progress.update(rows, completed=done, total=total)
        story.import_roster()
        stage = Stage(run, run.root / "year.jsonl", UUID(stored.id))
        everybody = load(api, cast.city())
        lines = calendar.lines(stage, everybody, story, stored.share)
        acts = progress.add_task("一年 the year", total=len(lines))

        def tell(told: Told) -> None:
            progress.update(acts, completed=len(lines) - told.left, description=f"{told.at:%Y-%m-%d %H:%M}")
            progress.console.print(f"  {told.at:%Y-%m-%d %H:%M}  {_named(told)}", soft_wrap=True, highlight=False)

        Play(story.clock, quiet, tell).run(lines)


def _named(told: Told) -> str:
    shown = "、".join(told.acting[:3])
    return shown if len(told.acting) <= 3 else f"{shown} …({len(told.acting)})"


@contextmanager
def _quiet() -> Iterator[Quiet]:
    topology = files.load(PROJECT / "deploy" / "rabbitmq", date.today())  # noqa: DTZ011  # rights end by the day
    with connections(os.environ["CITY_DATABASE_URL"]) as opened:
        yield Quiet(topology, opened)


def _read(file: Path) -> Stored | None:
    return Stored(**json.loads(file.read_text(encoding="utf-8"))) if file.exists() else None


def _write(file: Path, stored: Stored) -> None:
    draft = file.with_name(f"{file.name}.new")
    draft.write_text(json.dumps(asdict(stored), indent=2) + "\n", encoding="utf-8")
    draft.replace(file)
