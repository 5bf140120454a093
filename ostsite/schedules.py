"""The whole day's work on one page. Times are UTC; a run that finds nothing to do writes nothing."""

from engine.jobs import Planned

SCHEDULES = (
    Planned("recommendations", "5 * * * *", "start", ("recommendations",)),
    Planned("issues", "20 * * * *", "start", ("issues",)),
    Planned("prune", "40 3 * * *", "prune"),
)
