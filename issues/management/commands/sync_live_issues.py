from collections import Counter
from typing import Any

from django.conf import settings
from django.core.management.base import CommandParser

from engine.commands import DONE, INCOMPLETE, Refused
from engine.commands import Command as BaseCommand
from engine.ledger import operator
from engine.models import Audit
from issues import publishing, relaying
from issues.models import LiveIssue
from issues.pocketbase import StoreAway


class Command(BaseCommand):
    help = "Send what waits to the live store, a PocketBase, so that it shows the visible issues."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--watch", action="store_true", help="go on for ever, sending whatever comes")
        parser.add_argument("--resync", action="store_true", help="compare with what the store holds, and mend that")
        parser.add_argument("--again", action="store_true", help="what was refused for good gets another chance")
        parser.add_argument("--make-collections", action="store_true", help="first add what the store lacks of them")

    def handle(self, *, watch: bool, resync: bool, again: bool, make_collections: bool, **_: Any) -> int:
        if not settings.POCKETBASE_URL:
            raise Refused("sync_live_issues: POCKETBASE_URL is not set; allowed: the address of a PocketBase")
        counts: Counter[str] = Counter()
        try:
            if make_collections:
                counts["collections"] = self.make_collections()
            if again:
                counts["again"] = self.again()
            if resync:
                counts += relaying.resync()
            if watch:
                relaying.watch(settings.TIMING.idle)
            counts += relaying.relay()
        except StoreAway as away:
            raise Refused(f"sync_live_issues: {away}", INCOMPLETE) from None
        standing = publishing.standing()
        partly = counts["refused"] or standing["dead"]
        self.summary(
            state="partly" if partly else "done", **+counts, waiting=standing["waiting"], dead=standing["dead"]
        )
        return INCOMPLETE if partly else DONE

    def make_collections(self) -> int:
        with relaying.store() as store:
            return store.make_collections()

    def again(self) -> int:
        freed = LiveIssue.objects.again()
        if freed:
            Audit.objects.create(actor=operator(), action="send again", subject=f"{freed} live records")
        return freed
