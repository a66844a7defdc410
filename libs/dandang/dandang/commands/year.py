"""`dandang year`: one year of Huangshi in the running city, played once, told as often as wanted."""

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import date

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from citybus.topology import files
from dandang.local.errors import LocalError
from dandang.local.state import PROJECT, RunFolder
from dandang.quiet import Quiet, connections
from dandang.slice import cast, department
from dandang.slice.api import Api
from dandang.slice.story import Story
from dandang.year import calendar, report
from dandang.year.people import load
from dandang.year.play import Play, Told
from dandang.year.report import Outcome, Report
from dandang.year.stage import Stage
from dandang.year.stored import Stored


@click.command("year")
@click.option(
    "--share",
    type=click.FloatRange(0.01, 1),
    default=1.0,
    show_default=True,
    help="演多少 / how much of the city's year is played.",
)
@click.option("--json", "as_json", is_flag=True, help="机器可读 / for scripts.")
def play_year(share: float, as_json: bool) -> None:
    """演一年:承诺、检查、曝光、召回、容错、考核、选用 / play one year of the city, or tell it where it was played.

    A year that was interrupted goes on where it was.
    """
    run = RunFolder()
    if not run.is_held():
        raise LocalError("城市没有运行,请先运行 / the city is not up; first run:  make up")
    console = Console(stderr=as_json)
    api = Api(run)
    story = Story(run, api)
    stored = Stored.read(run.root / "year.json")
    if stored is None or not (stored.played and story.is_played()):
        stored = stored if stored is not None and story.has_begun() else Stored(share=share)
        begun = time.monotonic()
        _play(run, api, story, stored, console)
        took = time.monotonic() - begun
        console.print(f"演完,用时 {took:.0f} 秒 / played in {took:.0f} s", highlight=False)
    else:
        console.print("演示过了,以下是经过 / it was played before; this is how it went")
    told = Report(api, load(api, cast.city(), stored.share), calendar.YEAR)
    outcome = Outcome(
        [told.story(each) for each in stored.protagonists], told.pools(), department.received_by_departments(run)
    )
    if as_json:
        click.echo(json.dumps(asdict(outcome), ensure_ascii=False, indent=2))
    else:
        report.show(outcome, console)


def _play(run: RunFolder, api: Api, story: Story, stored: Stored, console: Console) -> None:
    file = run.root / "year.json"
    stored.write(file)
    story.prepare(calendar.BEGIN)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress, _quiet() as quiet:
        rows = progress.add_task("名册 roster", total=None)
        story.tell_import = lambda done, total: progress.update(rows, completed=done, total=total)
        story.import_roster()
        stage = Stage(run, run.root / "year.jsonl", stored.id)
        lines = calendar.lines(stage, load(api, cast.city(), stored.share), story, stored.share)
        acts = progress.add_task("一年 the year", total=len(lines))

        def tell(told: Told) -> None:
            progress.update(acts, completed=len(lines) - told.left, description=f"{told.at:%Y-%m-%d %H:%M}")
            progress.console.print(f"  {told.at:%Y-%m-%d %H:%M}  {_named(told)}", soft_wrap=True, highlight=False)

        Play(story.clock, quiet, tell).run(lines)
    stored.protagonists = [stage.protagonists[key] for key in sorted(stage.protagonists)]
    stored.played = True
    stored.write(file)


def _named(told: Told) -> str:
    shown = "、".join(told.acting[:3])
    return shown if len(told.acting) <= 3 else f"{shown} …({len(told.acting)})"


@contextmanager
def _quiet() -> Iterator[Quiet]:
    topology = files.load(PROJECT / "deploy" / "rabbitmq", date.today())  # noqa: DTZ011  # rights end by the day
    with connections(os.environ["CITY_DATABASE_URL"]) as opened:
        yield Quiet(topology, opened)
