"""Answers of models and extracts: what each said, what it cost, and two ways to ask once more."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html_join

from engine import jobs
from engine.admin.base import note
from issues import relabelling
from issues.admin.lists import Rows, claims_of, counted, lines, list_link, moment, plain, shown, those_chosen
from issues.models import Label

AT_ONCE = 900  # answers that are asked for anew at once
MOST_TRIED = 10_000  # failures that are tried at once; a second or two of writing


class StateFilter(admin.SimpleListFilter):
    title = parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [*Label.State.choices, ("anew", "asked for anew")]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        if self.value() == "anew":
            return queryset.exclude(state=Label.State.LABELLED).exclude(title="")
        return queryset.filter(state=self.value()) if self.value() in Label.State.values else queryset


@admin.register(Label)
class LabelAdmin(Rows):
    list_display = ("says", "is_now", "maker", "attempts", "next_try", "made")
    list_filter = (StateFilter, "source", "category", "impact", ("made_at", admin.DateFieldListFilter))
    search_help_text = "a label's number; or words of its title or reason, among the newest 100,000"
    texts = ("title", "reason")
    fields = readonly_fields = (
        "says", "told", "category", "impact", "would_pay", "quoted", "condition", "why_none", "next_try",
        "attempts", "source", "maker", "cost_of_it", "made", "posts_of", "fingerprint", "prompt_hash", "used",
    )  # fmt: skip
    actions = ("make_again", "try_now")
    why_none, maker, posts_of = shown("reason", "why"), shown("model"), shown("sources", "posts from")

    @admin.display(description="title")
    def says(self, label: Label) -> str:
        return plain(label.title or label.reason) or f"label {label.pk}"

    @admin.display(description="description")
    def told(self, label: Label) -> str:
        return lines(label.description)

    @admin.display(description="rests on")
    def quoted(self, label: Label) -> str:
        return claims_of(label)

    @admin.display(description="state")
    def is_now(self, label: Label) -> str:
        return f"{label.get_state_display().lower()}{', serves' if serves_meanwhile(label) else ''}"

    @admin.display(description="next try")
    def next_try(self, label: Label) -> str:
        return moment(label.next_attempt_at)

    @admin.display(description="made")
    def made(self, label: Label) -> str:
        return moment(label.made_at)

    @admin.display(description="state")
    def condition(self, label: Label) -> str:
        meanwhile = ", this answer serves meanwhile" if serves_meanwhile(label) else ""
        return f"{label.get_state_display()}{meanwhile}"

    @admin.display(description="cost")
    def cost_of_it(self, label: Label) -> str:
        tokens = f"{label.prompt_tokens:,} tokens asked and {label.answer_tokens:,} answered"
        return f"{counted(label.calls, 'call')}, {tokens}, {label.cost:.4f} US dollars"

    @admin.display(description="used by")
    def used(self, label: Label) -> str:
        links = ((list_link(table, f"{table}s", label=label.pk),) for table in ("cluster", "issue"))
        return format_html_join(" · ", "{}", links)

    def has_again_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("issues.change_label")

    @admin.action(description="Make again (until then the answer that is there serves)", permissions=["again"])
    def make_again(self, request: HttpRequest, queryset: QuerySet[Label]) -> None:
        chosen = those_chosen(self, request, queryset, AT_ONCE)
        if not chosen:
            return
        try:
            asked = relabelling.ask_anew(chosen, request.user.get_username())
        except relabelling.NoModel as refusal:
            self.message_user(request, f"Nothing was done: {refusal}.", messages.ERROR)
            return
        note(request, "make labels again", counted(asked, "label"), " ".join(map(str, chosen)))
        told = f"{counted(asked, 'label')} asked for anew; the next run of a day that has them asks."
        self.message_user(request, told, messages.SUCCESS if asked else messages.WARNING)

    @admin.action(description="Try failed and deferred ones now", permissions=["again"])
    def try_now(self, request: HttpRequest, queryset: QuerySet[Label]) -> None:
        """The queue asks, and the daily limit of calls holds."""
        chosen = those_chosen(self, request, queryset, MOST_TRIED)
        if not chosen:
            return
        due = relabelling.try_now(chosen)
        if not due:
            self.message_user(request, "None was tried: none that was chosen failed or was deferred.", messages.WARNING)
            return
        note(request, "try labels now", counted(due, "label"))
        rung = jobs.send("engine.jobs.start", "issues", name="issues")
        when = "at once" if rung else "with the next hourly run, for the queue is away"
        self.message_user(request, f"{counted(due, 'label')} will be tried {when}.", messages.SUCCESS)


def serves_meanwhile(label: Label) -> bool:
    """Whether there is an answer although another was asked for."""
    return label.state != Label.State.LABELLED and bool(label.title)
