from typing import Any

from django.core.management.base import CommandParser
from rich.console import Console
from rich.markup import escape

from engine.commands import Command as BaseCommand
from engine.commands import whole
from recommendations import moving
from recommendations.moving import Moved


class Command(BaseCommand):
    help = "Show whose list moved most by what they wrote in conversations: without their words, with them, and why."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--top", type=whole(1, 50), default=5, metavar="N", help="of how many projects (5)")
        parser.add_argument("--json", action="store_true", help="print both lists as JSON")

    def handle(self, *, top: int, json: bool, **_: Any) -> int:
        moved = moving.most_moved(top)
        if json:
            self.write_json(facts(moved) if moved else None)
        elif moved:
            show(self.console(), moved)
        else:
            self.console().print("Nobody's list moved: nobody wrote anything that counts yet.")
        return 0


def facts(moved: Moved) -> dict[str, Any]:
    return {"user_id": moved.username, "before": moved.before, "after": moved.after, "why": moved.why}


def show(console: Console, moved: Moved) -> None:
    console.print(f"What {escape(moved.username)} wrote moved their list", style="bold")
    console.print(escape(f"without  {', '.join(moved.before) or 'nothing'}"))
    console.print(escape(f"with     {', '.join(moved.after)}"))
    console.print(escape(f"{moved.came[0]}: {moved.why}"), soft_wrap=True)
