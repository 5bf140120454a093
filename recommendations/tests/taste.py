"""Messages and facts made by hand, for tests."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from django.contrib.auth.models import User

from recommendations import facts
from recommendations.models import Category, Fact, Intent, Message, Project, TechStack
from recommendations.tests.factories import give_vector

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)


def wants(name: str = "looking for a project", counts: bool = True) -> Intent:
    return Intent.objects.get_or_create(name=name, defaults={"prototype": "I am looking for", "counts": counts})[0]


def say(user: User, text: str, vector: Sequence[float] | None = None, intent: Intent | None = None) -> Message:
    """One message of theirs, after those before it."""
    number = Message.objects.count()
    when = BEGAN + timedelta(minutes=number)
    made = Message.objects.create(user=user, message_id=f"m{number}", text=text, said_at=when, intent=intent)
    if vector is not None:
        give_vector(made, vector, text=text)
    return made


def hear(message: Message, *terms: Category | TechStack | Project | str, **given: Any) -> list[Fact]:
    """The facts of a message, as they come when it is read."""
    kinds = {Category: "category", TechStack: "stack", Project: "project", str: "interest"}
    told = {"message": message, "sentence": message.text, "confidence": 0.9, "said_at": message.said_at, **given}
    made = [Fact.objects.create(user=message.user, **{kinds[type(term)]: term}, **told) for term in terms]
    for fact in made:
        fact.sayings.create(message=message, sentence=fact.sentence, confidence=fact.confidence)
    facts.changed([message.user_id])
    return made
