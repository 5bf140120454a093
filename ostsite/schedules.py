"""The whole day's work on one page. Times are UTC; a run that finds nothing to do writes nothing."""

from django.conf import settings

from engine.jobs import Planned

LIVE_STORE = (
    Planned("live store", "* * * * *", "chore", ("publish",)),
    Planned("live store, compared", "10 4 * * *", "chore", ("resync",)),
)
SCHEDULES = (
    Planned("repositories", "50 * * * *", "collect", ("recommendations",)),
    Planned("recommendations", "5 * * * *", "start", ("recommendations",)),
    Planned("issues", "20 * * * *", "start", ("issues",)),
    Planned("conversations", "*/5 * * * *", "start", ("conversations",)),
    Planned("proposed intents", "50 4 * * *", "chore", ("intents",)),
    Planned("stars of people", "*/5 * * * *", "chore", ("stars",)),
    Planned("what vanished", "35 * * * *", "chore", ("purge",)),
    Planned("snapshot", "0 * * * *", "chore", ("snapshot",)),
    Planned("prune", "40 3 * * *", "prune"),
    Planned("indexes", "25 * * * *", "chore", ("indexes",)),
    Planned("agreement of models", "10 5 * * *", "chore", ("agreement",)),
    Planned("anomalies", "45 * * * *", "chore", ("anomalies",)),
    *(LIVE_STORE if settings.POCKETBASE_URL else ()),
)
