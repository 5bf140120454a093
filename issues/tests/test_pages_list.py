"""The list of problems: what it shows, filters, searches and orders, and what one row says."""

import re
from html import unescape
from typing import NamedTuple

import pytest
from django.db import connection
from django.template.loader import render_to_string
from django.test.utils import CaptureQueriesContext

from issues.models import Issue
from issues.pages import rows
from issues.pages.rows import DRAWN, Trend, rows_of
from issues.searching import newest
from issues.tests.factories import DAY, NEXT, THIRD
from issues.tests.listed import direction, make_day, make_issue, make_post, read_texts

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}


def shown(answer):
    return [row.issue.title for row in answer.context["rows"]]


def listed(client, q="", **asked):
    return shown(client.get("/issues/", {**({"q": q} if q else {}), **asked}, follow=True))


def text(answer):
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", answer.content.decode())).split())


# Who is listed


@pytest.mark.parametrize("facts", [{"hidden": True}, {"label_state": "deferred"}, {"state": "gone"}])
def test_what_readers_should_not_see_is_not_listed(client, facts):
    make_issue("Seen"), make_issue("Unseen", **facts)
    assert listed(client) == ["Seen"]


@pytest.mark.parametrize("facts", [{}, {"hidden": True}, {"label_state": "deferred"}, {"state": "gone"}])
def test_an_issue_and_the_list_agree_on_whether_readers_see_it(facts):
    issue = make_issue("One", **facts)
    assert issue.is_visible == Issue.objects.visible().filter(pk=issue.pk).exists()


def test_nothing_yet_names_the_commands(client):
    assert "import_items FILE && ./ost manage run_pipeline issues" in client.get("/issues/").content.decode()


def test_the_head_line_tells_of_the_newest_day(client):
    make_issue("Old", {DAY: 9})
    make_issue("One", {DAY: 1, NEXT: 3}, sources=["github", "reddit"])
    make_issue("Hidden", {NEXT: 2}, hidden=True)
    make_day(NEXT).__class__.objects.filter(day=NEXT).update(outlier_ratio=0.083)
    assert "2 September 2026 · 5 posts from 2 sources → 1 problem, 8% unclustered" in text(client.get("/issues/"))


def test_the_newest_day_knows_every_source_that_problems_were_found_in():
    make_issue("a", {DAY: 2}, sources=["reddit", "github"]), make_issue("b", {NEXT: 1}, sources=["hackernews"])
    found = newest()
    assert found
    assert list(found.known) == ["github", "hackernews", "reddit"]


# Filters


@pytest.mark.parametrize(
    "asked",
    [
        {"category": "finance"}, {"impact": "high"}, {"pay": "yes"}, {"source": "reddit"}, {"state": "growing"},
        {"days": "1"}, {"q": "invoices"}, {"q": "source:reddit impact:high category:finance pay:yes state:growing"},
        {"q": "invoices days:1", "source": "reddit"},
    ],
)  # fmt: skip
def test_a_filter_leaves_what_fits(client, asked):
    fits = {"category": "finance", "impact": "high", "would_pay": True, "state": "growing"}
    make_issue("Invoices differ", {NEXT: 2}, sources=["reddit"], **fits)
    make_issue("Exports stop", {DAY: 2})
    assert listed(client, **asked) == ["Invoices differ"]


def test_pay_no_is_what_nobody_would_pay_for(client):
    make_issue("Paid", would_pay=True), make_issue("Free")
    assert listed(client, pay="no") == ["Free"]


def test_tokens_become_parameters_of_the_address(client):
    make_issue()
    answer = client.get("/issues/", {"q": "impact:high  jobs", "category": "", "page": ""})
    assert (answer.status_code, answer["Location"]) == (302, "/issues/?q=jobs&impact=high")


def test_an_address_of_its_own_is_not_led_elsewhere(client):
    make_issue(impact="high")
    assert client.get("/issues/?impact=high&q=exports").status_code == 200


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"q": "colour:red"}, "is no filter; allowed: category:, impact:"),
        ({"impact": "huge"}, "allowed: high, medium, low"),
        ({"source": "usenet"}, "allowed: github"),
        ({"colour": "red"}, "Allowed: q, category"),
        ({"q": "x" * 201}, "allowed: at most 200"),
    ],
)
def test_what_is_not_there_is_told_with_what_is_allowed(client, asked, told):
    make_issue()
    answer = client.get("/issues/", asked)
    assert (answer.status_code, told in text(answer)) == (400, True)


def test_a_wrong_search_text_stays_in_the_box(client):
    assert 'value="colour:red"' in client.get("/issues/?q=colour:red").content.decode()


@pytest.mark.parametrize("page", ["0", "2", "x", "-1", "9" * 30])
def test_a_page_that_is_not_there_is_404(client, page):
    make_issue()
    assert client.get("/issues/", {"page": page}).status_code == 404


def test_each_filter_in_use_is_a_chip_that_takes_it_away(client):
    make_issue()
    chips = client.get("/issues/?q=exports&source=github&days=7&order=growth").context["chips"]
    assert [chip.text for chip in chips] == ["“exports”", "GitHub", "seen within 7 days"]
    assert chips[1].href == "/issues/?q=exports&days=7&order=growth"


def test_a_value_beside_the_list_adds_a_filter_and_takes_the_own_one_away(client):
    make_issue()
    (impact,) = [group for group in client.get("/issues/?impact=low").context["groups"] if group.title == "Impact"]
    assert [(each.text, each.href, each.on) for each in impact.options] == [
        ("high", "/issues/?impact=high", False),
        ("medium", "/issues/?impact=medium", False),
        ("low", "/issues/", True),
    ]


# Search


def test_search_by_words_knows_quotes_and_what_is_ruled_out(client):
    make_issue("Nightly exports stop"), make_issue("Exports stop at noon")
    assert listed(client, 'exports "nightly exports"') == ["Nightly exports stop"]
    assert listed(client, "exports -nightly") == ["Exports stop at noon"]
    assert listed(client, "-nightly") == ["Exports stop at noon"]


def test_search_by_meaning_finds_other_words(client, settings):
    read_texts(settings)
    make_issue("Bills come twice", vector=direction("invoice"))
    make_issue("Labels upside down", vector=direction("print"))
    assert listed(client, "my invoices") == ["Bills come twice"]


def test_words_and_meaning_together_come_before_either(client, settings):
    read_texts(settings)
    make_issue("Bills come twice", vector=direction("invoice"))
    make_issue("Invoices come twice", vector=direction("invoice"))
    make_issue("The word invoice alone", vector=direction("print"))
    assert listed(client, "invoice")[0] == "Invoices come twice"
    assert len(listed(client, "invoice")) == 3


def test_what_is_ruled_out_is_not_found_by_meaning(client, settings):
    read_texts(settings)
    make_issue("Bills come twice", vector=direction("invoice"))
    make_issue("Bills never come", vector=direction("invoice"))
    assert listed(client, "invoice -never") == ["Bills come twice"]


def test_a_filter_narrows_what_is_found_by_meaning(client, settings):
    read_texts(settings)
    make_issue("Bills come twice", vector=direction("invoice"))
    assert listed(client, "invoice impact:high") == []


def test_hidden_ones_are_not_found(client, settings):
    read_texts(settings)
    make_issue("Bills come twice", vector=direction("invoice"), hidden=True)
    assert listed(client, "invoice bills") == []


def test_without_a_model_words_are_compared_and_the_page_says_so(client):
    make_issue()
    answer = client.get("/issues/?q=exports")
    assert (shown(answer), "By words only" in text(answer)) == (["Exports stop halfway"], True)


def test_a_script_gets_the_results_alone(client):
    make_issue()
    answer = client.get("/issues/?q=exports", headers=HTMX)
    assert answer.content.decode().strip().startswith('<section id="results"')
    assert "HX-Request" in answer["Vary"]


def test_hostile_words_of_a_search_are_shown_as_they_are(client):
    make_issue()
    page = client.get("/issues/", {"q": '<script>alert(1)</script>" {{7*7}}'}, follow=True).content.decode()
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page


# Orders


@pytest.mark.parametrize(
    ("order", "first"), [("", "Large"), ("size", "Large"), ("growth", "Rising"), ("recency", "Late")]
)
def test_each_order_begins_with_another_problem(client, order, first):
    make_issue("Large", {DAY: 9, NEXT: 9})
    make_issue("Rising", {NEXT: 1, THIRD: 6})
    make_issue("Late", {THIRD: 3} if order == "recency" else {THIRD: 1}, state="new")
    Issue.objects.filter(title="Rising").update(last_seen=NEXT if order == "recency" else THIRD)
    assert listed(client, order=order)[0] == first


def test_the_answers_to_a_search_can_be_ordered_otherwise(client):
    make_issue("Exports exports", {DAY: 1}), make_issue("Some exports", {DAY: 5})
    assert listed(client, "exports", order="size") == ["Some exports", "Exports exports"]


def test_the_orders_are_links_and_the_usual_one_needs_no_word(client):
    make_issue("a"), make_issue("b")
    found = client.get("/issues/?order=growth").context["orders"]
    assert [(each.href, each.on) for each in found] == [
        ("/issues/", False), ("/issues/?order=growth", True), ("/issues/?order=recency", False),
    ]  # fmt: skip


def test_a_second_page_goes_on_with_the_same_question(client):
    for number in range(21):
        make_issue(f"Exports {number:02}")
    first = client.get("/issues/?q=exports")
    assert (len(shown(first)), "?q=exports&amp;page=2" in first.content.decode()) == (20, True)
    assert len({*shown(first), *listed(client, "exports", page="2")}) == 21


@pytest.mark.parametrize("asked", [{}, {"order": "growth"}, {"q": "exports"}, {"q": "exports", "order": "size"}])
def test_ten_more_rows_cost_no_more_queries(client, settings, django_user_model, asked):
    """The bridge adds three of its own."""
    settings.SLOTS = {"solvers": f"{__name__}.solvers"}
    read_texts(settings)
    client.force_login(django_user_model.objects.create(username="alice"))
    counts = []
    for number in range(12):
        make_issue(f"Exports {number}", vector=direction("export"))
        with CaptureQueriesContext(connection) as queries:
            assert len(shown(client.get("/issues/", asked))) == number + 1
        counts.append(len(queries))
    assert counts[1] == counts[-1] <= 10


class Queue(NamedTuple):
    """A project that could solve it."""

    name: str = "octo/queue"
    href: str = "/projects/octo/queue/"
    why: str = "It keeps jobs."
    about: bool = False


def solvers(ids):
    return {ids[0]: [Queue()]}


# One row


def row_of(issue):
    return rows_of([Issue.objects.get(pk=issue.pk)])[0]


def drawn(issue, **more):
    return render_to_string("issues/_issue_row.html", {"row": row_of(issue), **more})


def test_counts_are_those_of_the_evidence_each_post_once():
    issue = make_issue(days={DAY: 3, NEXT: 2}, sources=["github", "stackoverflow"])
    assert row_of(issue).counted == rows.Counted(5, 5, ["github", "stackoverflow"])
    assert "5 posts" in drawn(issue)
    assert "GitHub, Stack Overflow" in drawn(issue)


def test_a_trend_has_a_0_for_each_day_without_posts():
    issue = make_issue(days={DAY: 3, THIRD: 1})
    assert row_of(issue).trend.counts == [0] * (DRAWN - 3) + [3, 0, 1]


def test_a_curve_stands_on_0_and_ends_at_its_top():
    assert Trend([DAY, NEXT, THIRD], [0, 1, 2]).points == "0,22 42,12 84,2"


def test_a_curve_is_told_in_words():
    told = Trend([DAY, NEXT], [0, 3]).told
    assert told == "Posts a day over 2 days, the last on 2 September 2026: 0, 3"
    assert told in render_to_string("issues/_sparkline.html", {"trend": Trend([DAY, NEXT], [0, 3])})


def test_the_quote_is_a_claim_that_somebody_would_pay_before_another():
    claims = [{"field": "impact", "words": "we lost a day"}, {"field": "would_pay", "words": "I would pay for it"}]
    assert row_of(make_issue(claims=claims)).quote == "I would pay for it"


def test_without_a_claim_the_post_that_speaks_for_it_is_quoted():
    issue = make_issue()
    assert row_of(issue).quote == issue.evidence[0].item.said.split(".")[0] + "."


@pytest.mark.parametrize("claims", [{}, "text", [1, None], [{"field": "impact"}], [{"words": ""}]])
def test_claims_of_any_shape_break_no_row(claims):
    assert row_of(make_issue(claims=claims)).quote.startswith("The words of post")


def test_a_long_quote_is_cut_at_a_word():
    issue = make_issue(claims=[{"field": "impact", "words": "word " * 100}])
    assert row_of(issue).quote.endswith("word …")
    assert len(row_of(issue).quote) <= rows.QUOTED + 2


def test_one_sentence_stands_in_a_row():
    assert row_of(make_issue(description="It stops. Nobody knows why.")).sentence == "It stops."


def test_words_of_strangers_are_inert_and_turn_nothing_round():
    hostile = "<svg onload=alert(1)>\u202egnp.exe {{7*7}}"
    drew = drawn(make_issue(hostile, description=hostile, claims=[{"field": "impact", "words": hostile}]))
    assert "<svg onload" not in drew
    assert "\u202e" not in drew
    assert drew.count("&lt;svg onload=alert(1)&gt;gnp.exe {{7*7}}") == 3


def test_a_row_of_hostile_words_has_the_elements_of_a_harmless_one():
    hostile = "<math><script>1</script></math> {% x %} javascript:alert(1) \u2066\u200b"
    rows = [drawn(make_issue(said, description=said, claims=[{"words": said}])) for said in (hostile, "Plain words")]
    one, other = (re.findall(r"<(/?\w+)", row) for row in rows)
    assert one == other


def test_what_could_solve_it_comes_from_whoever_the_settings_name(settings):
    settings.SLOTS = {"solvers": f"{__name__}.solvers"}
    drew = drawn(make_issue())
    assert "could solve it" in drew
    assert '<a href="/projects/octo/queue/" title="It keeps jobs.">octo/<wbr><strong>queue</strong></a>' in drew


def test_what_it_is_about_stands_apart_from_what_could_solve_it():
    row = rows.Row(make_issue(), solvers=[Queue(about=True), Queue("octo/other")])
    assert [(word, [name for _, name, *_ in projects]) for word, projects in row.beside] == [
        ("about", ["queue"]), ("could solve it", ["other"]),
    ]  # fmt: skip


def test_a_row_says_category_impact_pay_and_state():
    drew = drawn(make_issue(category="ai", impact="high", would_pay=True, state="growing"))
    assert all(word in drew for word in (">ai<", ">high impact<", ">would pay<", ">growing<"))


def test_a_narrow_row_has_no_curve():
    assert "<svg" not in drawn(make_issue(), narrow=True)


def test_an_issue_without_posts_has_a_row():
    assert row_of(Issue.objects.create(title="a", label_state="labelled", first_seen=DAY, last_seen=DAY)).quote == ""


def test_a_post_of_two_days_counts_once():
    issue, item = make_issue(days={DAY: 1}), make_post()
    for day in (DAY, NEXT):
        live = make_day(day)
        live.assignments.create(item=item, issue=issue, membership=0.5)
    assert row_of(issue).counted.posts == 2
