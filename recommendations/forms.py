"""What people say in the try-it form and at the welcome: a few chips, a few words."""

import re
from dataclasses import dataclass
from typing import Any, cast

from django import forms
from django.core.exceptions import ValidationError

from recommendations.models import Category, TechStack
from recommendations.profile_forms import (
    BIO_AT_MOST,
    CATEGORIES_AT_MOST,
    INTERESTS_AT_MOST,
    STACKS_AT_MOST,
    PlainText,
)

TEXT_AT_MOST = 1_000  # characters of a sentence that is tried
INTEREST_AT_MOST = 60
GROUPS = {"LANGUAGE": "Languages", "TECH": "Frameworks and tools"}  # kind of a stack -> title

Pairs = list[tuple[int, str]]


@dataclass(frozen=True)
class Group:
    """Chips that stand together: (id, name, on)."""

    title: str
    chips: list[tuple[int, str, bool]]

    @property
    def on(self) -> int:
        return sum(chosen for *_, chosen in self.chips)


class Chips(forms.TypedMultipleChoiceField):
    """A few of many, by their ids, each drawn as a chip."""

    widget = forms.CheckboxSelectMultiple

    def __init__(self, *, noun: str, most: int, **kwargs: Any) -> None:
        super().__init__(coerce=int, **kwargs)
        self.noun, self.most = noun, most

    def validate(self, value: Any) -> None:
        if len(set(value)) > self.most:
            raise ValidationError(f"You chose {len(set(value))} {self.noun}; choose at most {self.most}.")
        if self.required and not value:
            raise ValidationError(self.error_messages["required"], code="required")
        if not all(map(self.valid_value, value)):
            raise ValidationError(f"One of the {self.noun} is not on the list. Choose again.")


class TermsForm(forms.Form):
    """Stacks and categories as chips; all of them are read by one query each."""

    stacks = Chips(noun="stacks", most=STACKS_AT_MOST, required=False)
    categories = Chips(noun="categories", most=CATEGORIES_AT_MOST, required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        by_kind: dict[str, Pairs] = {kind: [] for kind in GROUPS}
        for pk, name, kind in TechStack.objects.values_list("pk", "name", "kind"):
            by_kind[kind].append((pk, name))
        self.pairs = {"stacks": by_kind, "categories": {"": list(Category.objects.values_list("pk", "name"))}}
        for name, groups in self.pairs.items():
            field = cast(Chips, self.fields[name])
            field.choices = [pair for pairs in groups.values() for pair in pairs]

    def groups(self, name: str) -> list[Group]:
        """The chips of a field with what is on, a group a kind."""
        on = {str(pk) for pk in self[name].value() or ()}
        return [
            Group(GROUPS.get(kind, ""), [(pk, term, str(pk) in on) for pk, term in pairs])
            for kind, pairs in self.pairs[name].items()
        ]

    @property
    def stack_groups(self) -> list[Group]:
        return self.groups("stacks")

    @property
    def category_groups(self) -> list[Group]:
        return self.groups("categories")


class TryForm(TermsForm):
    """What a stranger says to see a list. Nothing of it is kept."""

    text = PlainText(
        label="What would you like to work on?",
        max_length=TEXT_AT_MOST,
        required=False,
        widget=forms.Textarea(attrs={"rows": 3, "placeholder": "A fast search engine that runs on small machines"}),
        help_text=f"One sentence is enough, at most {TEXT_AT_MOST:,} characters. It is neither stored nor logged.",
    )

    @property
    def says_something(self) -> bool:
        return any(self.cleaned_data.values())


class WelcomeForm(TermsForm):
    """What somebody new says of themselves, on one screen."""

    interests = PlainText(
        max_length=INTERESTS_AT_MOST * (INTEREST_AT_MOST + 2),
        required=False,
        help_text=f"Words with commas between them: search, compilers, maps. At most {INTERESTS_AT_MOST}.",
    )
    bio = PlainText(
        label="About you",
        max_length=BIO_AT_MOST,
        required=False,
        widget=forms.Textarea(attrs={"rows": 4}),
        help_text=f"What you work on and what you would like to do. At most {BIO_AT_MOST:,} characters.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in ("stacks", "categories"):
            self.fields[name].required = True
            self.fields[name].error_messages["required"] = f"Choose at least one of the {name}, or skip this."

    def clean_interests(self) -> list[str]:
        words = [" ".join(word.split()) for word in re.split(r"[,\n]", self.cleaned_data["interests"])]
        found = list({word.lower(): word for word in words if word}.values())
        if len(found) > INTERESTS_AT_MOST:
            raise ValidationError(f"You gave {len(found)} interests; at most {INTERESTS_AT_MOST} are kept.")
        if any(len(word) > INTEREST_AT_MOST for word in found):
            raise ValidationError(f"An interest has at most {INTEREST_AT_MOST} characters.")
        return found
