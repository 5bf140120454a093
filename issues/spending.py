"""What labels cost, for the operator's page of calls."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.db.models import Count, F, Q, QuerySet, Sum
from django.db.models.functions import Now

from engine.versions import Cell, Versions
from issues.models import Label

COLUMNS = ("By", "Answered", "Failed", "Deferred", "Calls", "Tokens asked", "Tokens answered", "US dollars")
REUSED, ASKED = "ost_label_reuse_total", "ost_llm_questions_total"


def language_models(days: int, counted: Mapping[str, float]) -> Versions:
    """Labels of the last days by who made them, in one query. counted: what the figures of /metrics grew by."""
    rows = [[Cell(text) for text in told(row)] for row in made(days)]
    note = f"{reuse(counted)} Calls and cost are those of all attempts, by the day of the last one."
    return Versions("Labels by language models", note, COLUMNS, rows)


def reuse(counted: Mapping[str, float]) -> str:
    """What part took a label that was there, or that this is not known."""
    if ASKED not in counted:
        return "How many clusters took a label that was there is known from two snapshots on."
    asked, reused = counted[ASKED], counted.get(REUSED, 0)
    share = f"{reused / (asked + reused):.0%} of {asked + reused:,.0f} clusters" if asked + reused else "No cluster"
    return f"{share} took a label that was there, so that nobody was asked."


def made(days: int) -> QuerySet[Label, Any]:
    states = {state: Count("pk", filter=Q(state=state)) for state in Label.State.values}
    sums = {f"all_{name}": Sum(name) for name in ("calls", "prompt_tokens", "answer_tokens", "cost")}
    recent = Label.objects.filter(made_at__gte=Now() - timedelta(days=days)).values("source", by=F("model"))
    return recent.annotate(**states, **sums).order_by("source", "by")


def told(row: Mapping[str, Any]) -> list[str]:
    by = row["by"] or ("no model, from the posts themselves" if row["source"] == Label.Source.EXTRACT else "no model")
    counts = [*(row[state] for state in Label.State.values), row["all_calls"], row["all_prompt_tokens"]]
    return [by, *(f"{count:,}" for count in [*counts, row["all_answer_tokens"]]), f"{row['all_cost']:,.4f}"]
