"""What may be typed into the editor of the weights."""

from typing import Any

from django import forms
from django.contrib.auth.models import User

from recommendations import weighing
from recommendations.models import Weights
from recommendations.scoring import COMPONENTS
from recommendations.weighing import LABELS, PEOPLE

HEAVIEST = 1000  # as in the settings


def weight(help_text: str) -> forms.FloatField:
    return forms.FloatField(min_value=0, max_value=HEAVIEST, help_text=help_text)


class Figures(forms.Form):
    """What a version says, and for whom to try it."""

    semantic = weight("How near the project's text is to what the person says and likes.")
    category = weight("The categories that both have; left out for people who chose none.")
    tech = weight("The stacks that both have; left out for people who chose none.")
    popularity = weight("The stars on GitHub.")
    popularity_threshold = forms.IntegerField(
        min_value=1, max_value=10**9, help_text="A project with so many stars or more has popularity 1."
    )
    popularity_scale = forms.ChoiceField(
        choices=Weights.Scale.choices, help_text="log: the first thousand stars tell more than the next."
    )
    min_similarity = forms.FloatField(
        min_value=0, max_value=1, help_text="From 0 to 1; what scores less is not recommended."
    )
    top_n = forms.IntegerField(min_value=1, max_value=50, help_text="From 1 to 50.")
    variety = forms.IntegerField(min_value=0, max_value=50, help_text="Among those shown; 0: as many as come.")
    people = forms.CharField(
        required=False,
        max_length=800,
        label="People to compare",
        help_text=f"User names with a comma between, at most {PEOPLE}; empty: the first three by name.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, label in LABELS.items():
            self.fields[name].label = label

    def clean_people(self) -> list[User]:
        names = names_in(self.cleaned_data["people"])
        if len(names) > PEOPLE:
            raise forms.ValidationError(f"{len(names)} people are named; at most {PEOPLE} can be compared.")
        found = weighing.chosen(names)
        unknown = sorted(set(names) - {user.username for user in found})
        if unknown:
            raise forms.ValidationError(f"Nobody with a profile has the name {', '.join(unknown)}.")
        return found

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if cleaned.get("semantic") == 0 and cleaned.get("popularity") == 0:
            raise forms.ValidationError(
                "Meaning and popularity are both 0; at least one must count, for people who say nothing else."
            )
        return cleaned

    @property
    def figures(self) -> dict[str, Any]:
        return {name: self.cleaned_data[name] for name in LABELS}

    @property
    def weights(self) -> list[forms.BoundField]:
        return [self[name] for name in COMPONENTS]

    @property
    def limits(self) -> list[forms.BoundField]:
        return [self[name] for name in LABELS if name not in COMPONENTS]


class Publication(Figures):
    """The same with what it takes to make it a version."""

    reason = forms.CharField(
        min_length=10,
        max_length=1000,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text="Why: at least 10 characters. Everybody who may see the history reads it.",
    )
    started_from = forms.IntegerField(min_value=1, max_value=2**31 - 1, widget=forms.HiddenInput)
    over = forms.IntegerField(required=False, min_value=1, max_value=2**31 - 1)

    @property
    def seen(self) -> int:
        """The newest version that the author knows of."""
        return int(self.cleaned_data["over"] or self.cleaned_data["started_from"])


class Return(forms.Form):
    """The newest version that was on the page when somebody asked to go back."""

    started_from = Publication.base_fields["started_from"]


def names_in(text: str) -> list[str]:
    """The user names in a text, each once."""
    return list(dict.fromkeys(text.replace(",", " ").split()))
