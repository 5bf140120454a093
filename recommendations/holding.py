"""The catalogue that this process holds, loaded anew when a generation is published."""

import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field

from django.conf import settings
from django.db import DatabaseError, connection

from engine.embeddings.reading import READER
from engine.models import EmbeddingModel
from engine.vectors import Matrix
from recommendations import scoring
from recommendations.catalogue import Loaded, load
from recommendations.models import Generation, Project, Weights
from recommendations.neighbours import with_company
from recommendations.scoring import Formula, Positions

STALE = 60.0  # seconds: how long a catalogue serves while nothing was ever published


@dataclass(frozen=True)
class Served:
    """The catalogue that this process holds. generation: the live one; one without id while none was published."""

    generation: Generation
    loaded: Loaded
    cold: Positions
    held_since: float
    _popular: dict[Formula, Matrix] = field(default_factory=dict)

    @property
    def model(self) -> EmbeddingModel:
        return self.generation.model

    @property
    def weights(self) -> Weights:
        return self.generation.weights

    def popular(self, formula: Formula) -> Matrix:
        """The popularity of every project, made once for each formula. (n,)."""
        if formula not in self._popular:
            if len(self._popular) > 20:  # an editor tries many
                self._popular.clear()
            self._popular[formula] = scoring.popular_of(self.loaded.catalogue, formula)
        return self._popular[formula]

    def serves(self, live: Generation | None) -> bool:
        """Whether it is still the catalogue to serve."""
        if live is None:
            return self.generation.pk is None and time.monotonic() - self.held_since < STALE
        return self.generation.pk == live.pk


class Holder:
    """The one catalogue of this process. While a newer one is loaded aside, the old one goes on serving."""

    def __init__(self) -> None:
        self._loading = threading.Lock()
        self.held: Served | None = None

    def get(self, live: Generation | None) -> Served | None:
        held = self.held
        if held and held.serves(live):
            return held
        if held and settings.SERVES_PAGES:
            if self._loading.acquire(blocking=False):
                threading.Thread(target=self._load_aside, args=[live], name="catalogue", daemon=True).start()
            return held
        with self._loading:
            if self.held is None or not self.held.serves(live):  # nobody was faster
                self.held = loaded_for(live)
            return self.held

    def _load_aside(self, live: Generation | None) -> None:
        try:
            if live and self.held:
                READER.follow(self.held.model, live.model)
            self.held = loaded_for(live) or self.held
        finally:
            connection.close()  # it was this thread's own
            self._loading.release()


HOLDER = Holder()


def catalogue() -> Served | None:
    """The catalogue to score over; None while there is no project or no model."""
    return HOLDER.get(Generation.objects.live())


def loaded_for(live: Generation | None) -> Served | None:
    model = live.model if live else EmbeddingModel.objects.filter(state=EmbeddingModel.State.LIVE).first()
    if model is None or not Project.objects.exists():
        return None
    loaded = with_company(load(model).centred(), model)
    loaded.by_owner  # noqa: B018  made now, not while somebody waits
    cold = scoring.cold_start(loaded.catalogue, loaded.created)
    generation = live or Generation(weights=Weights.objects.current(), model=model)
    return Served(generation, loaded, cold, time.monotonic())


def begin() -> None:
    """Load the catalogue in a thread, before anybody asks; while the database is away, the first who asks loads it."""

    def load() -> None:
        with suppress(DatabaseError):
            catalogue()
        connection.close()

    threading.Thread(target=load, name="catalogue", daemon=True).start()
