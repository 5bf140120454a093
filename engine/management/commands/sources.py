from typing import Any

from django.core.management.base import CommandParser

from engine import sources
from engine.commands import DONE, Refused
from engine.commands import Command as BaseCommand
from engine.ledger import operator
from engine.models import Audit, Source
from engine.runs import get_pipeline


class Command(BaseCommand):
    help = "Show where is collected from, and switch sources on and off. Nothing goes out before one is on."
    checks_database = True

    def add_arguments(self, parser: CommandParser) -> None:
        for word in ("on", "off"):
            parser.add_argument(
                f"--{word}", nargs="+", default=[], metavar="NAME", help=f"switch {word}: github, or issues/github"
            )
        parser.add_argument("--json", action="store_true", help="print them as JSON")

    def handle(self, *, on: list[str], off: list[str], json: bool, **options: Any) -> int:
        rows = sources.known()
        for word, names in (("on", on), ("off", off)):
            for name in names:
                self.switch(word, name, rows)
        usable = {pipeline: get_pipeline(pipeline).sources() for pipeline in {row.pipeline for row in rows}}
        told = [
            {
                "source": f"{row.pipeline}/{row.name}",
                "on": row.on,
                "usable": not row.on or row.name in usable[row.pipeline],
            }
            for row in rows
        ]
        if json:
            self.write_json(told)
        else:
            for each in told:
                state = "off" if not each["on"] else "on" if each["usable"] else "on, but without credentials"
                self.stdout.write(f"{each['source']:<24} {state}")
        return DONE

    def switch(self, word: str, name: str, rows: list[Source]) -> None:
        found = sources.named(name, rows)
        if not found:
            allowed = ", ".join(f"{row.pipeline}/{row.name}" for row in rows)
            raise Refused(f"sources: --{word}: {name!a}; allowed: {allowed}")
        for row in found:
            if row.on != (word == "on"):
                row.on = word == "on"
                row.save(update_fields=["on", "changed_at"])
                Audit.objects.create(actor=operator(), action=f"switch {word}", subject=str(row)[:150])
