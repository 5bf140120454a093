"""What is asked for, and what is kept of it: words, and where posts are read."""

from __future__ import annotations

import re
import unicodedata

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models.functions import Lower

from engine.text import printable, squeeze

NAMES = {
    "stackoverflow": (re.compile(r"[a-z0-9#+.-]{1,35}"), "A tag has letters, digits and # + . -, such as c# or csv."),
    "reddit": (re.compile(r"\w{2,50}", re.ASCII), "A subreddit is named without r/, such as smallbusiness."),
    "hackernews": (re.compile(r"[a-z_]{1,30}"), "A tag is one of Hacker News', such as story or ask_hn."),
}


class KeywordManager(models.Manager["Keyword"]):
    def get_by_natural_key(self, text: str) -> Keyword:
        return self.get(text__iexact=text)


class Keyword(models.Model):
    """A word or phrase by which a post is known to be about a problem of somebody's. weight: 1 is enough by itself."""

    class Group(models.TextChoices):
        SWITCHING = "switching", "buying and switching"
        PRICING = "pricing"
        PAIN = "pain"
        WORKFLOW = "workflow", "how work is done"
        BUSINESS = "business", "what kind of business"

    text = models.CharField(max_length=60, help_text="found as whole words, in any case")
    group = models.CharField(max_length=10, choices=Group.choices)
    weight = models.FloatField(
        default=1.0,
        validators=[MinValueValidator(-10), MaxValueValidator(10)],
        help_text="a post is kept whose weights make 1; less than nothing speaks against it",
    )
    on = models.BooleanField(default=True)

    objects = KeywordManager()

    class Meta:
        ordering = ("group", "text")
        constraints = [
            models.UniqueConstraint(
                Lower("text"), name="keyword_once", violation_error_message="There is this keyword already."
            )
        ]

    def __str__(self) -> str:
        return printable(self.text)

    def natural_key(self) -> tuple[str]:
        return (self.text,)

    def clean(self) -> None:
        self.text = squeeze(self.text)
        if not any(unicodedata.category(each)[0] in "LN" for each in self.text):
            raise ValidationError({"text": "A keyword has a letter or a digit."})
        if '"' in self.text or not self.text.isprintable():
            raise ValidationError({"text": "A keyword has no quotes, and nothing that cannot be seen."})


class FeedManager(models.Manager["Feed"]):
    def get_by_natural_key(self, source: str, name: str) -> Feed:
        return self.get(source=source, name__iexact=name)


class Feed(models.Model):
    """Where in a source posts are read. gated: only those with a keyword are kept."""

    class Source(models.TextChoices):
        STACKOVERFLOW = "stackoverflow", "Stack Overflow, a tag"
        REDDIT = "reddit", "Reddit, a subreddit"
        HACKERNEWS = "hackernews", "Hacker News, a tag"

    source = models.CharField(max_length=40, choices=Source.choices)
    name = models.CharField(max_length=50)
    gated = models.BooleanField(default=True, help_text="keep only posts that keywords speak for")
    on = models.BooleanField(default=True)

    objects = FeedManager()

    class Meta:
        ordering = ("source", "name")
        constraints = [
            models.UniqueConstraint(
                "source", Lower("name"), name="feed_once", violation_error_message="There is this feed already."
            )
        ]

    def __str__(self) -> str:
        return f"{self.source} {printable(self.name)}"

    def natural_key(self) -> tuple[str, str]:
        return self.source, self.name

    def clean(self) -> None:
        pattern, reason = NAMES.get(self.source, (None, ""))
        if pattern and not pattern.fullmatch(self.name):
            raise ValidationError({"name": reason})
