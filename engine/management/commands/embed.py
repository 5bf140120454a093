from collections import Counter
from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.core.management.base import CommandParser

from engine import groups, owner
from engine.commands import DONE, INCOMPLETE, Refused, whole
from engine.commands import Command as BaseCommand
from engine.embeddings import filling
from engine.models import Embedding, EmbeddingModel


class Command(BaseCommand):
    help = "Make the vectors of all texts that wait for one."
    checks_database = True

    def add_arguments(self, parser: CommandParser) -> None:
        subjects = sorted(table.subject_name for table in filling.tables())
        parser.add_argument("--subject", action="append", choices=subjects, help="only these; may be repeated")
        parser.add_argument("--batch-size", type=whole(1, 512), metavar="N", help="texts embedded and stored together")
        parser.add_argument("--limit", type=whole(1, 10**9), metavar="N", help="stop after so many")
        parser.add_argument("--watch", action="store_true", help="go on for ever, embedding whatever comes")
        parser.add_argument("--again", action="store_true", help="quarantined texts get another chance")

    def handle(
        self,
        *,
        subject: list[str] | None,
        batch_size: int | None,
        limit: int | None,
        watch: bool,
        again: bool,
        **_: Any,
    ) -> int:
        tables = [table for table in filling.tables() if not subject or table.subject_name in subject]
        batch = batch_size or settings.BATCH_SIZE
        if watch and limit:
            raise Refused("embed: --limit: not with --watch, which goes on for ever")
        if again:
            filling.again(tables)
        if watch:
            pulse = groups.pulse(settings.RUN_FOLDER, owner.group()) if owner.group() else None
            filling.watch(tables, batch, settings.TIMING.idle, pulse.touch if pulse else lambda: None)
        return self.fill(tables, batch, limit)

    def fill(self, tables: Sequence[type[Embedding]], batch: int, limit: int | None) -> int:
        model = EmbeddingModel.objects.live()
        counts: Counter[str] = Counter(embedded=0, failed=0)
        with self.progress() as bars:
            task = bars.add_task("embedding", total=min(filling.waiting(tables, model), limit or 10**9))
            for done in filling.fill(tables, model, batch, limit):
                counts.update(done)
                bars.advance(task, filling.settled(done))
        state = "partly" if counts["failed"] else "done"
        self.summary(state=state, model=model.name, **counts, waiting=filling.waiting(tables, model))
        return DONE if state == "done" else INCOMPLETE
