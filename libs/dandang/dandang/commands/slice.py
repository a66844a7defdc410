"""`dandang slice`: one case through all four services of the running city, played once, told as often as wanted."""

import json

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from dandang.local.errors import LocalError
from dandang.local.state import RunFolder
from dandang.slice import department, timeline
from dandang.slice.api import Api
from dandang.slice.story import Act, Story


@click.command("slice")
@click.option("--json", "as_json", is_flag=True, help="机器可读 / for scripts.")
def play_slice(as_json: bool) -> None:
    """演示一件事走完四个服务 / play one case through all four services, or show it where it was played before."""
    run = RunFolder()
    if not run.is_held():
        raise LocalError("城市没有运行,请先运行 / the city is not up; first run:  make up")
    console = Console(stderr=as_json)
    story = Story(run, Api(run))
    if story.is_played():
        console.print("演示过了,以下是经过 / it was played before; this is how it went")
    else:
        _play(story, console)
    told = timeline.tell(story)
    received = department.receive(run, len(told["delivered"]))
    if as_json:
        click.echo(json.dumps({**told, "received": received}, ensure_ascii=False, indent=2))
    else:
        timeline.show(told, received, console)


def _play(story: Story, console: Console) -> None:
    story.prepare()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        acts = progress.add_task("演示 the slice", total=len(story.acts()))
        rows = progress.add_task("名册 roster", total=None, visible=False)
        begun = 0

        def tell(act: Act) -> None:
            nonlocal begun
            progress.update(acts, completed=begun, description=f"{act.zh} {act.en}")
            begun += 1
            day = f"{act.at:%Y-%m-%d}" if act.at else " " * 10
            progress.console.print(f"  {day}  {act.zh}  [dim]{act.en}[/dim]", soft_wrap=True)

        def tell_import(done: int, total: int) -> None:
            progress.update(rows, completed=done, total=total, visible=done < total)

        story.tell_import = tell_import
        story.play(tell)
        progress.update(acts, completed=begun)
