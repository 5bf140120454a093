"""New and growing problems as feeds: Atom (RFC 4287) and JSON Feed 1.1.

An entry is a problem, known by its address for good; it changes when the problem is seen anew, and stays one entry.
What posts say is plain text in both.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.cache import get_conditional_response, set_response_etag
from django.utils.feedgenerator import Atom1Feed
from django.utils.html import format_html
from django.views.decorators.http import require_safe

from engine.pages import said
from issues import searching
from issues.models import Clustering, Issue
from issues.pages.exports import refused
from issues.pages.listing import UNORDERED, Question, address, question_of
from issues.pages.rows import Row, address_of, rows_of

MOST = 50  # entries
FRESH = (Issue.State.NEW, Issue.State.GROWING)
TITLE = "Problems people report: new and growing"
AUTHOR = "OST Engine"
LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)  # of a feed without entries; the present time would change it each time


@dataclass(frozen=True)
class Entry:
    row: Row
    published: datetime
    updated: datetime

    @property
    def url(self) -> str:
        return address_of(self.row.issue)

    @property
    def tags(self) -> list[str]:
        issue = self.row.issue
        paid = ["would pay"] if issue.would_pay else []
        return [issue.category, issue.state, f"{issue.impact} impact", *paid]

    @property
    def counts(self) -> str:
        counted = self.row.counted
        people = f", {counted.people} people" if counted.people > 1 else ""
        return f"{counted.posts} posts{people}: {', '.join(counted.source_names)}"


@require_safe
def atom(request: HttpRequest) -> HttpResponse:
    return fed(request, "issues_atom", as_atom, "application/atom+xml; charset=utf-8")


@require_safe
def json_feed(request: HttpRequest) -> HttpResponse:
    return fed(request, "issues_feed", as_json, "application/feed+json")


def fed(request: HttpRequest, name: str, written: Any, kind: str) -> HttpResponse:
    """The feed, or 304 for who has it already, by its ETag."""
    question = question_of(said(request.GET), others=())
    if question.asked.order:
        question.wrong["order"] = "A feed is ordered by time."
    if question.wrong:
        return refused(question)
    home, own = (settings.SITE_URL + address(question.asked, page, UNORDERED) for page in ("issues", name))
    answer = HttpResponse(written(entries(question), home, own), content_type=kind)
    set_response_etag(answer)
    return get_conditional_response(request, etag=answer["ETag"], response=answer) or answer


def entries(question: Question) -> list[Entry]:
    """The new and the growing ones among what is asked for, those of one state where it names one."""
    _, found = searching.found(replace(question.asked, order="recency"), question.last)
    assert not isinstance(found, list)  # it is one where the order is relevance
    issues = list((found if question.asked.state else found.filter(state__in=FRESH))[:MOST])
    at = published({issue.last_seen for issue in issues})
    return [
        Entry(row, row.issue.created_at, max(at.get(row.issue.last_seen, row.issue.created_at), row.issue.created_at))
        for row in rows_of(issues, question.last, solved=False)
    ]


def published(days: set[date]) -> dict[date, datetime]:
    """When each of those days became what it is; its beginning, where nobody knows."""
    live = Clustering.objects.filter(state=Clustering.State.LIVE, day__in=days).values_list("day", "published_at")
    return {day: at or datetime.combine(day, time(), UTC) for day, at in live}


class Atom(Atom1Feed):
    def latest_post_date(self) -> datetime:
        return max((item["updateddate"] for item in self.items), default=LONG_AGO)


def as_atom(found: Sequence[Entry], home: str, own: str) -> str:
    feed = Atom(title=TITLE, link=home, description="", feed_url=own, feed_guid=own, language="en", author_name=AUTHOR)
    for entry in found:
        feed.add_item(
            title=entry.row.title,
            link=entry.url,
            unique_id=entry.url,
            description=html_of(entry),
            pubdate=entry.published,
            updateddate=entry.updated,
            categories=entry.tags,
        )
    return str(feed.writeString("utf-8"))


def html_of(entry: Entry) -> str:
    """What a reader shows; the words of strangers are escaped, so none of them is markup."""
    quote = format_html("<blockquote>{}</blockquote>", entry.row.quote) if entry.row.quote else ""
    return format_html("<p>{}</p>{}<p>{}</p>", entry.row.sentence, quote, entry.counts)


def as_json(found: Sequence[Entry], home: str, own: str) -> str:
    feed = {
        "version": "https://jsonfeed.org/version/1.1",
        "title": TITLE,
        "home_page_url": home,
        "feed_url": own,
        "language": "en",
        "authors": [{"name": AUTHOR}],
        "items": [item_of(entry) for entry in found],
    }
    return json.dumps(feed, ensure_ascii=False)


def item_of(entry: Entry) -> dict[str, Any]:
    row = entry.row
    quote = f"“{row.quote}”" if row.quote else ""
    return {
        "id": entry.url,
        "url": entry.url,
        "title": row.title,
        "content_text": "\n\n".join(filter(None, [row.sentence, quote, entry.counts])),
        "summary": row.sentence,
        "date_published": entry.published.isoformat(),
        "date_modified": entry.updated.isoformat(),
        "tags": entry.tags,
    }
