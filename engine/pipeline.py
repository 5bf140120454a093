"""What a pipeline is: stages in a row, each a generator over what is waiting.

A *row stage* commits rows that are each whole by themselves. A *set stage* fills a draft that no reader sees
and returns the function that publishes it; engine.runs calls that function under the run's lock.
"""

from collections import Counter
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

Publish = Callable[[], None]
Work = Generator[Counter[str], None, Publish | None]


class StageError(Exception):
    """A stage cannot go on and knows why: its input is unfit, its model cannot be loaded. What is served stays."""


class Later(StageError):
    """A stage cannot go on before then, through no fault: a server wants to be left alone. The run waits."""

    def __init__(self, until: datetime, reason: str) -> None:
        super().__init__(reason)
        self.until = until


class Terminated(SystemExit):
    """The process was told to end: a run hands its claim back. Any other SystemExit in a stage is a fault."""


class UnknownStage(ValueError):
    """A stage was named that the pipeline does not have; the message lists those it has."""


@dataclass(frozen=True)
class Scope:
    """What one run covers, and which claim of it this is.

    day, source: the partition; a pipeline without days has None. force: work even where nothing waits.
    fence: the number of the claim, greater with each; a draft takes blocks from its newest claim only.
    """

    day: date | None = None
    source: str = ""
    force: bool = False
    fence: int = 0


@dataclass(frozen=True)
class Stage:
    """name, the work as a generator of counts, and how many units wait for it.

    units: the counts that are such units; all of them when none is named. figures: the counts say what there is,
    not what was done, so they make no units and do not add up over the claims of a run. came: the counts of what came
    in, `things`; a day that brings far more or less of them than usual is noticed.
    """

    name: str
    work: Callable[[Scope], Work]
    waiting: Callable[[Scope], int]
    units: tuple[str, ...] = ()
    figures: bool = False
    came: tuple[str, ...] = ()
    things: str = "records"

    def done(self, counts: Counter[str]) -> int:
        """How many units those counts make."""
        if self.figures:
            return 0
        return sum(counts[unit] for unit in self.units or counts)


@dataclass(frozen=True)
class Asset:
    """What a stage makes, by the name that people know it by. after: assets that it is made from."""

    name: str
    stage: str
    after: tuple[str, ...] = ()
    group: str = ""


@dataclass(frozen=True)
class Pipeline:
    """Stages in order. assets: what is made, each after those that it comes from; job: the name people know all of it
    by. A stage is known by its assets' names too, and by aliases, name -> stage.

    days: of a pipeline that goes by days, those that have something to work on, the earliest first. A run of a source
    goes through `collecting` and through nothing else. known: the sources there are; sources: those that are on.
    """

    name: str
    stages: tuple[Stage, ...]
    by_day: bool = False
    days: Callable[[], Sequence[date]] = tuple
    aliases: Mapping[str, str] = field(default_factory=dict)
    collecting: tuple[Stage, ...] = ()
    known: tuple[str, ...] = ()
    sources: Callable[[], Sequence[str]] = tuple
    assets: tuple[Asset, ...] = ()
    job: str = ""

    @property
    def graph(self) -> tuple[Asset, ...]:
        """Its assets; of a pipeline that names none a row of its stages, each once."""
        if self.assets:
            return self.assets
        names = list(dict.fromkeys(stage.name for stage in (*self.collecting, *self.stages)))
        return tuple(Asset(name, name, tuple(names[max(at - 1, 0) : at])) for at, name in enumerate(names))

    def of(self, source: str) -> tuple[Stage, ...]:
        """What a run of that source goes through; "" is none in particular."""
        return self.collecting if source and self.collecting else self.stages

    def chosen(self, names: Sequence[str] = (), source: str = "") -> tuple[Stage, ...]:
        """The stages of those names in the pipeline's order; all of them when none is named."""
        stages = self.of(source)
        known = {stage.name for stage in stages}
        others = {**{asset.name: asset.stage for asset in self.assets}, **self.aliases}
        wanted = {name if name in known else others.get(name, name) for name in names}
        if wanted - known:
            aliases = sorted(alias for alias, name in others.items() if name in known - {alias})
            raise UnknownStage(
                f"unknown stage {min(wanted - known)!a}; allowed: {', '.join(stage.name for stage in stages)}"
                + (f", or {', '.join(aliases)}" if aliases else "")
            )
        return tuple(stage for stage in stages if not wanted or stage.name in wanted)
