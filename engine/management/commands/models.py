from typing import Any

from django.conf import settings
from django.core.management.base import CommandParser
from rich.markup import escape
from rich.table import Table

from engine.commands import Command as BaseCommand
from engine.commands import Refused, whole
from engine.embeddings import changing, comparing, indexes, registering
from engine.embeddings.comparing import Progress
from engine.embeddings.known import full_name
from engine.ledger import NotAllowed, operator
from engine.models import EmbeddingModel


class Command(BaseCommand):
    help = "The embedding models with their progress; register one, compare it, put it live, go back, retire it."
    checks_database = True

    def add_arguments(self, parser: CommandParser) -> None:
        do = parser.add_mutually_exclusive_group()
        do.add_argument("--register", metavar="NAME", help="keep a model fresh beside the live one")
        do.add_argument(
            "--compare", metavar="MODEL", help="measure how far it agrees with the live one; a name or an id"
        )
        do.add_argument("--live", metavar="MODEL", help="put it live, once it is full")
        do.add_argument("--back", action="store_true", help="put the model live that was so before")
        do.add_argument("--retire", metavar="MODEL", help="keep it fresh no longer; prune deletes its vectors")
        do.add_argument("--index", action="store_true", help="make the indexes of large tables that are missing")
        parser.add_argument("--provider", choices=sorted(settings.EMBEDDING_PROVIDERS), help="with --register")
        parser.add_argument("--dimensions", type=whole(1, 2_000), metavar="N", help="with --register: of its vectors")
        parser.add_argument(
            "--force", action="store_true", help="with --live: also where texts would lose their vector"
        )
        parser.add_argument("--json", action="store_true", help="print the models as JSON")

    def handle(self, *, json: bool, **options: Any) -> None:
        registering.describe()
        self.refuse_strays(options)
        self.do(options)
        shown = [facts(model, progress) for model, progress in models()]
        if json:
            self.write_json(shown)
        elif shown:
            self.console().print(table(shown))
        else:
            self.stdout.write("No model yet: the first text makes that of the settings live.")

    def refuse_strays(self, options: dict[str, Any]) -> None:
        for name, of in (("provider", "register"), ("dimensions", "register"), ("force", "live")):
            if options[name] and not options[of]:
                raise Refused(f"models: --{name}: only with --{of}")

    def do(self, options: dict[str, Any]) -> None:
        """What was asked for, said in the summary line."""
        by = operator()
        if options["register"]:
            model = self.register(options, by)
            self.summary(state="done", model=model.pk, registered=model.name, dimensions=model.dimensions)
        elif options["back"]:
            self.summary(state="done", live=changing.roll_back(by).name)
        elif options["index"]:
            self.summary(state="done", **indexes.keep())
        elif options["compare"]:
            self.compare(chosen("compare", options["compare"]))
        elif options["live"]:
            model = chosen("live", options["live"])
            self.summary(state="done", live=changing.put_live(model, by, options["force"]).name)
        elif options["retire"]:
            model = chosen("retire", options["retire"])
            changing.retire(model, by)
            self.summary(state="done", retired=model.name)

    def register(self, options: dict[str, Any], by: str) -> EmbeddingModel:
        try:
            wanted = registering.named(options["register"], options["provider"] or "", options["dimensions"])
        except ValueError as error:
            raise Refused(f"models: --register: {error}") from error
        return registering.register(wanted, by)

    def compare(self, model: EmbeddingModel) -> None:
        live = EmbeddingModel.objects.live()
        if model.pk == live.pk:
            raise NotAllowed(f"{model} is the live model itself")
        found = comparing.compare(model, live)["subjects"]
        self.summary(state="done", compared=model.name, **{name: each["share"] for name, each in found.items()})


def chosen(option: str, said: str) -> EmbeddingModel:
    """The model of that id or name."""
    found = list(EmbeddingModel.objects.filter(pk=int(said)) if said.isdecimal() and len(said) < 10 else named(said))
    if len(found) == 1:
        return found[0]
    known = ", ".join(f"{pk} ({name})" for pk, name in EmbeddingModel.objects.order_by("pk").values_list("pk", "name"))
    many = "there are several of that name" if found else "there is no such model"
    raise Refused(f"models: --{option}: {said[:80]!a}: {many}; allowed: {known or 'none is registered'}")


def named(said: str) -> Any:
    return EmbeddingModel.objects.filter(name=full_name(said))


def models() -> list[tuple[EmbeddingModel, list[Progress]]]:
    progress = comparing.progress()
    return [(model, list(progress.get(model.pk, ()))) for model in EmbeddingModel.objects.order_by("pk")]


def facts(model: EmbeddingModel, progress: list[Progress]) -> dict[str, Any]:
    return {
        "id": model.pk,
        "name": model.name,
        "provider": model.provider,
        "dimensions": model.dimensions,
        "state": model.state,
        "paused": model.paused_at is not None,
        "live_since": model.live_since and model.live_since.isoformat(),
        "put_live_by": model.put_live_by,
        "checksum": model.checksum,
        "parameters": model.parameters,
        "agreement": model.figures.get("agreement"),
        "subjects": {
            each.subject: {
                "texts": each.texts,
                "vectors": each.vectors,
                "waiting": each.waiting,
                "quarantined": each.quarantined,
                "oldest": each.since and each.since.isoformat(),
            }
            for each in progress
        },
    }


def table(shown: list[dict[str, Any]]) -> Table:
    """A row a model and subject, the model's facts before its first."""
    columns = ("id", "model", "provider", "width", "state", "texts of", "all", "waiting", "quarantined", "agrees")
    made = Table(*columns, box=None, pad_edge=False)
    for each in shown:
        state = f"{each['state']}{', paused' if each['paused'] else ''}"
        head = [str(each["id"]), escape(each["name"]), each["provider"], str(each["dimensions"]), state]
        agreed = (each["agreement"] or {}).get("subjects", {})
        for subject, found in each["subjects"].items() or [("", {})]:
            figures = [str(found.get(name, "")) for name in ("texts", "waiting", "quarantined")]
            made.add_row(*head, subject, *figures, f"{agreed[subject]['share']:.0%}" if subject in agreed else "")
            head = [""] * len(head)
    return made
