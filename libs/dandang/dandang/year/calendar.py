"""What happens in the year: all lines, in their order."""

from dandang.slice.story import Story
from dandang.year.lines import (
    adjustments,
    annual,
    batches,
    bulletins,
    case_holds,
    departments,
    duty,
    inspections,
    measures,
    recalls,
    sanctions,
    signals,
    tolerances,
)
from dandang.year.people import People
from dandang.year.play import Days, on
from dandang.year.stage import Stage

YEAR = 2024
BEGIN = on(YEAR, 1, 2)
"""When the roster is imported, and the year begins."""


def lines(stage: Stage, everybody: People, story: Story, share: float) -> list[tuple[str, Days]]:
    """Return every line of the year. `share` says how much of the city's trouble is played: 1 is all of it."""
    inspected = inspections.visits(everybody, share)
    spring = [visit for name, visit in inspected.items() if name.startswith("spring")]
    punished, held = sanctions.call(everybody, share), case_holds.call(everybody)
    return [
        ("slice", the_slice(story)),
        *inspections.lines(stage, everybody, inspected),
        *bulletins.lines(stage, spring, share),
        *duty.lines(stage, everybody, share),
        *departments.lines(stage),
        *recalls.lines(stage, everybody, share),
        *measures.lines(stage, everybody, share),
        *adjustments.lines(stage, everybody, share),
        *sanctions.lines(stage, punished),
        *case_holds.lines(stage, held),
        *tolerances.lines(stage, everybody, share),
        *signals.lines(stage, signals.call(everybody)),
        *annual.lines(stage, everybody, share),
        *batches.lines(stage, everybody, share),
    ]


def the_slice(story: Story) -> Days:
    """Play the case that goes through all four services."""
    for act in story.acts():
        if act.at is not None:
            yield act.at
        act.do()
    story.end()
