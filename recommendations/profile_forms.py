"""What a person may say on their profile, and how much of it."""

import unicodedata
from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from recommendations.models import Profile

BIO_AT_MOST = 2_000  # characters
INTERESTS_AT_MOST = 20
STACKS_AT_MOST = 10
CATEGORIES_AT_MOST = 6
TURNING = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"


class PlainText(forms.CharField):
    """Text that steers nothing; a browser's line end counts as the one character that it looks like."""

    def to_python(self, value: Any) -> str:
        text = (super().to_python(value) or "").replace("\r\n", "\n")
        if any(steers(each) for each in text):
            raise ValidationError("It holds control characters; type it anew.")
        return text


def steers(character: str) -> bool:
    """Whether a character controls a terminal, or turns the direction of what stands behind it."""
    return character in TURNING or (unicodedata.category(character) in ("Cc", "Cs") and character not in "\n\t")


class WordsForm(forms.Form):
    """What a person says of themselves in their own words."""

    job_title = PlainText(label="Job title", max_length=200, required=False)
    location = PlainText(max_length=200, required=False)
    company = PlainText(max_length=200, required=False)
    bio = PlainText(
        label="About you",
        max_length=BIO_AT_MOST,
        required=False,
        widget=forms.Textarea(attrs={"rows": 6}),
        help_text=f"What you work on and what you would like to do. At most {BIO_AT_MOST:,} characters.",
    )


class InterestForm(forms.Form):
    """One more interest."""

    most = INTERESTS_AT_MOST

    interest = PlainText(
        label="", max_length=60, widget=forms.TextInput({"aria-label": "Add an interest", "placeholder": "Add one …"})
    )

    def __init__(self, *args: Any, profile: Profile, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.interests = profile.interests

    def clean_interest(self) -> str:
        interest = " ".join(self.cleaned_data["interest"].split())
        if interest.lower() in (each.lower() for each in self.interests):
            raise ValidationError("It is on your list already.")
        if len(self.interests) >= INTERESTS_AT_MOST:
            raise ValidationError(f"You have {len(self.interests)}; at most {INTERESTS_AT_MOST} are kept.")
        return interest


class StarsForm(forms.Form):
    """Whose stars on GitHub are read; recommendations/stars.py says what is a name there."""

    login = forms.CharField(
        label="",
        max_length=100,
        widget=forms.TextInput(
            {
                "aria-label": "Your name on GitHub",
                "placeholder": "Your name on GitHub",
                "autocomplete": "off",
                "autocapitalize": "none",
                "spellcheck": "false",
            }
        ),
    )


def words_of(profile: Profile) -> dict[str, str]:
    """What the form begins with."""
    return {name: getattr(profile, name) for name in WordsForm.base_fields}
