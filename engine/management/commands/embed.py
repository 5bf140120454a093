import os
import sys
from collections import Counter
from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.core.management.base import CommandParser

from engine import groups, owner
from engine.commands import DONE, INCOMPLETE, Refused, whole
from engine.commands import Command as BaseCommand
from engine.embeddings import filling, pausing, registering, watching
from engine.models import Embedding, EmbeddingModel

Tables = Sequence[type[Embedding]]


class Command(BaseCommand):
    help = "Make the vectors of all texts that wait for one."
    checks_database = True

    def add_arguments(self, parser: CommandParser) -> None:
        subjects = sorted(table.subject_name for table in filling.tables())
        parser.add_argument("--subject", action="append", choices=subjects, help="only these; may be repeated")
        parser.add_argument("--provider", metavar="P", help="only models of this provider (the live model)")
        parser.add_argument("--model", metavar="M", help="only the model of this name (the live model)")
        parser.add_argument("--batch-size", type=whole(1, 512), metavar="N", help="texts embedded and stored together")
        parser.add_argument("--limit", type=whole(1, 10**9), metavar="N", help="stop after so many")
        doing = parser.add_mutually_exclusive_group()
        doing.add_argument(
            "--watch", action="store_true", help="go on for ever, embedding whatever comes, for all models"
        )
        doing.add_argument("--pause", action="store_true", help="nobody embeds with the model until --resume")
        doing.add_argument("--resume", action="store_true", help="a paused model goes on")
        parser.add_argument("--again", action="store_true", help="quarantined texts get another chance")

    def run_from_argv(self, argv: list[str]) -> None:
        """Where a thread is still inside a model the interpreter cannot be taken down: that would abort it."""
        try:
            super().run_from_argv(argv)
        except SystemExit as ended:
            if watching.lingering():
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(ended.code if isinstance(ended.code, int) else INCOMPLETE)
            raise

    def handle(
        self,
        *,
        subject: list[str] | None,
        provider: str | None,
        model: str | None,
        batch_size: int | None,
        limit: int | None,
        watch: bool,
        pause: bool,
        resume: bool,
        again: bool,
        **_: Any,
    ) -> int:
        tables = [table for table in filling.tables() if not subject or table.subject_name in subject]
        batch = batch_size or settings.BATCH_SIZE
        if watch and limit:
            raise Refused("embed: --limit: not with --watch, which goes on for ever")
        only = {key: value for key, value in (("provider", provider), ("name", model)) if value}
        models = chosen(only)
        if pause or resume:
            return self.turn(models, pause)
        if again:
            filling.again(tables)
        if watch:
            registering.follow_settings()
            pulse = groups.pulse(settings.RUN_FOLDER, owner.group()) if owner.group() else None
            watching.watch(tables, batch, settings.TIMING.idle, pulse.touch if pulse else lambda: None, only)
        return max(self.fill(tables, each, batch, limit) for each in models)

    def turn(self, models: Sequence[EmbeddingModel], pause: bool) -> int:
        """Off or on; what is in flight ends by itself, and is shown so that one sees when a model is drained."""
        tables = filling.tables()
        for model in models:
            pausing.pause(model) if pause else pausing.resume(model)
            flying, waiting = pausing.in_flight(tables, model), filling.waiting(tables, model)
            state = "paused" if pause else "resumed"
            self.summary(state=state, model=model.name, provider=model.provider, in_flight=flying, waiting=waiting)
        return DONE

    def fill(self, tables: Tables, model: EmbeddingModel, batch: int, limit: int | None) -> int:
        if model.paused_at:
            raise Refused(f"embed: the model {model.name!a} is paused; to go on: embed --resume", INCOMPLETE)
        counts: Counter[str] = Counter(embedded=0, failed=0)
        with self.progress() as bars:
            task = bars.add_task("embedding", total=min(filling.waiting(tables, model), limit or 10**9))
            for done in filling.fill(tables, model, batch, limit):
                counts.update(done)
                bars.advance(task, filling.settled(done))
        state = "partly" if counts["failed"] else "done"
        self.summary(state=state, model=model.name, **counts, waiting=filling.waiting(tables, model))
        return DONE if state == "done" else INCOMPLETE


def chosen(only: dict[str, str]) -> list[EmbeddingModel]:
    """The live model, or those that are named. Raises Refused with what there is."""
    live = EmbeddingModel.objects.live()
    if not only:
        return [live]
    known = EmbeddingModel.objects.fresh()
    if not (found := list(known.filter(**only))):
        option, value = ("--model", only["name"]) if "name" in only else ("--provider", only["provider"])
        names = ", ".join(f"{model.name} ({model.provider}, {model.state})" for model in known)
        raise Refused(f"embed: {option}: {value!a} is no model that is live or filling; there are: {names}")
    return found
