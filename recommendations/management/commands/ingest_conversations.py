import sys
from typing import Any

from django.core.management.base import CommandParser

from engine.commands import DONE, INCOMPLETE, Refused, StageBars
from engine.commands import Command as BaseCommand
from engine.importing import FAULTS_SHOWN
from engine.text import printable
from recommendations.conversations import run_pipeline


class Command(BaseCommand):
    help = (
        "Take in conversations and understand them: what people say becomes facts and intents."
        " A second time changes no row. Users who are not here are made, without a password."
    )
    checks_database = True

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "file",
            metavar="FILE",
            help='a JSON array, JSON Lines or {"conversations": […]}, also gzipped; - is standard input',
        )
        parser.add_argument("--json", action="store_true", help="print the summary as JSON")

    def handle(self, *, file: str, json: bool, **options: Any) -> int:
        with self.progress() as bars:
            told = run_pipeline(file, StageBars(bars))
        counts = {name: stage["counts"] for name, stage in told["stages"].items()}
        if not counts.get("ingest", {}).get("records") and "error" not in told:
            raise Refused(f"{file} holds no records")
        self.name_faults(file, told.get("refused", {"count": 0, "first": []}))
        if json:
            self.write_json(told)
        else:
            flat = {f"{name}.{key}": value for name in counts for key, value in sorted(counts[name].items())}
            self.summary(state=told["status"], run=told["run_id"], **flat)
        if "error" in told:
            self.say(told["error"], INCOMPLETE)
        return DONE if told["status"] == "done" else INCOMPLETE

    def name_faults(self, file: str, refused: dict[str, Any]) -> None:
        for each in refused["first"][:FAULTS_SHOWN]:
            sys.stderr.write(printable(f"{file}: record {each['record']}: {each['reason']}") + "\n")
        if refused["count"] > FAULTS_SHOWN:
            sys.stderr.write(f"… and {refused['count'] - FAULTS_SHOWN} more records\n")
