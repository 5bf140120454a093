from typing import Any

from engine import reconciling
from engine.commands import Command as BaseCommand


class Command(BaseCommand):
    help = "Put the ledger in order now, as every worker does each minute: free, make up for missing days, ring."

    def handle(self, **_: Any) -> None:
        self.summary(state="done", **vars(reconciling.reconcile(everything=True)))
