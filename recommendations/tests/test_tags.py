import re
from datetime import timedelta
from itertools import pairwise

import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.core.paginator import Paginator
from django.template import RequestContext, Template
from django.template.loader import render_to_string
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from recommendations.models import Project, Recommendation, Weights
from recommendations.reasons import line, pieces, segments, shares
from recommendations.templatetags import ost

PARTS = {"semantic": 0.333, "category": 0.111, "tech": 0.222, "popularity": 0.004}
HOSTILE = '"><script>alert(1)</script>'
shares_of_one = st.lists(st.floats(0, 0.25), min_size=4, max_size=4)


def project(**facts) -> Project:
    return Project(**{"pk": 7, "full_name": "octo/tool", "asks_newcomers": False, **facts})


def recommended(**given) -> Recommendation:
    of = given.pop("project", None) or project()
    return Recommendation(**{"project": of, "rank": 1, "score": 0.67, "parts": PARTS, "stacks": ["Rust"], **given})


def row_of(request=None, **given) -> str:
    return render_to_string("recommendations/_project_row.html", {"project": project(), **given}, request)


def as_included(rf, **given) -> str:
    """The row as lists include it, with nothing of the page around."""
    request = rf.get("/for-you/?page=2")
    request.user = AnonymousUser()
    names = " ".join(f"{name}={name}" for name in given)
    source = f'{{% include "recommendations/_project_row.html" with {names} only %}}'
    return Template(source).render(RequestContext(request, given))


# Figures


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        (0, "0"), (999, "999"), (1_000, "1k"), (46_123, "46.1k"), (999_999, "999.9k"), (2_000_000, "2M"), (None, "–"),
    ],
)  # fmt: skip
def test_a_number_is_short_and_never_rounded_up(number, shown):
    assert ost.compact(number) == shown


@pytest.mark.parametrize(
    ("days", "shown"),
    [(0.5, "today"), (1.5, "1 day ago"), (29, "29 days ago"), (95, "3 months ago"), (800, "2 years ago")],
)
def test_an_age_is_told_in_its_largest_unit(days, shown):
    assert ost.age(timezone.now() - timedelta(days=days)) == shown


def test_an_unknown_age_is_not_told():
    assert ost.age(None) == ost.ago(None) == ""


@pytest.mark.parametrize(
    ("minutes", "shown"), [(0, "just now"), (20, "20 minutes ago"), (60, "1 hour ago"), (4000, "2 days ago")]
)
def test_what_is_new_has_its_age_in_minutes(minutes, shown):
    assert ost.ago(timezone.now() - timedelta(minutes=minutes)) == shown


def test_a_share_is_a_percent():
    assert (ost.percent(0.824), ost.percent(0.824, 1), ost.percent(None)) == ("82%", "82.4%", "")


# Scores


@given(shares_of_one, st.integers(0, 1))
def test_the_parts_shown_add_up_to_the_score_shown(values, digits):
    row = recommended(parts=dict(zip(PARTS, values, strict=True)), score=sum(values))
    shown = sum(part.percent for part in ost.parts_of(row, digits))
    assert f"{shown:.{digits}f}%" == ost.percent(row.score, digits)


def test_the_parts_shown_add_up_although_each_is_rounded():
    assert [part.percent for part in ost.parts_of(recommended())] == [33, 11, 22, 1]


def test_a_cold_start_has_no_parts():
    row = recommended(parts=None, score=None, cold_start=True)
    assert (ost.parts_of(row), ost.score_bar(row.parts)) == ([], "")


@given(shares_of_one)
def test_a_bar_is_filled_as_far_as_the_score(values):
    widths = [width for _, width in segments(values)]
    assert sum(widths) == pytest.approx(100 * sum(values), abs=0.006)


@given(shares_of_one)
def test_each_part_of_a_bar_begins_where_the_one_before_it_ends(values):
    places = segments(values)
    for (left, width), (following, _) in pairwise(places):
        assert following == pytest.approx(left + width)


def test_a_bar_says_its_parts_in_words():
    bar = ost.score_bar(PARTS)
    assert "<title>Score 67%: Meaning 33%, Category 11%, Tech stack 22%, Popularity 1%</title>" in bar


def test_a_bar_draws_each_part_in_its_colour():
    drawn = re.findall(r'class="part-(\w+)" x="([\d.]+)" width="([\d.]+)"', ost.score_bar(PARTS))
    assert [name for name, _, _ in drawn] == list(PARTS)
    assert sum(float(width) for _, _, width in drawn) == pytest.approx(67)


def test_weights_are_told_as_shares_of_all():
    weights = Weights(semantic=0.25, category=0.45, tech=0.5, popularity=0.1, popularity_threshold=1, min_similarity=0)
    assert [part.percent for part in ost.legend(weights)["parts"]] == [19, 35, 38, 8]


def test_shares_add_up_to_100():
    assert shares([1, 1, 1]) == [34, 33, 33]


def test_a_curve_has_its_highest_value_at_the_top():
    assert line([0, 10, 5], width=84, height=24) == [(0, 22), (42, 2), (84, 12)]


@pytest.mark.parametrize("values", [[3, 3, 3], [0, 0]])
def test_a_curve_that_does_not_change_runs_through_the_middle(values):
    assert {y for _, y in line(values, width=84, height=24)} == {12}


def test_one_value_is_no_curve():
    assert ost.sparkline([1]) == ""


def test_a_curve_is_named_or_hidden():
    assert 'role="img"><title>a&quot;b</title>' in ost.sparkline([1, 2], 'a"b')
    assert 'aria-hidden="true"' in ost.sparkline([1, 2])


# Reasons


def test_names_stand_out_in_a_sentence():
    said = "Made with C and C++, which you know."
    assert [text for text, name in pieces(said, ["C", "C++"]) if name] == ["C", "C++"]


def test_a_name_inside_a_word_does_not_stand_out():
    assert pieces("Close in meaning.", ["C", "in m"]) == [("Close in meaning.", False)]


@given(st.text(), st.lists(st.text(max_size=5)))
def test_cutting_a_sentence_loses_nothing(sentence, names):
    assert "".join(text for text, _ in pieces(sentence, names)) == sentence


# A row


def test_a_row_says_who_owns_what():
    assert '<span class="owner">octo / </span>tool' in row_of()


def test_a_row_shows_its_score_and_why():
    shown = row_of(row=recommended())
    assert "67%" in shown
    assert 'href="/projects/octo/tool/why/"' in shown
    assert "Made with <strong>Rust</strong>, which you know." in shown


def test_a_stranger_has_no_buttons(rf):
    assert "<button" not in as_included(rf, project=project(), row=recommended())


def test_the_buttons_of_an_included_row_carry_a_token_and_the_way_back(rf):
    shown = as_included(rf, project=project(), done=set())
    assert re.search(r'name="csrfmiddlewaretoken" value="\w{64}"', shown)
    assert 'name="next" value="/for-you/?page=2"' in shown


def test_what_was_done_can_be_undone(rf):
    shown = as_included(rf, project=project(), done={"like"})
    assert 'value="undo-like" aria-pressed="true"' in shown
    assert 'value="save" aria-pressed="false"' in shown


def test_each_stack_of_a_project_can_be_refused(rf):
    shown = as_included(rf, project=project(), done=set(), stacks=[(3, "PHP")])
    assert 'value="refuse-3"' in shown


def test_a_hidden_project_can_be_shown_again(rf):
    shown = row_of(rf.get("/"), hidden=True)
    assert 'value="undo-dismiss"' in shown
    assert 'id="project-7"' in shown


def test_a_refused_stack_is_named_and_can_be_taken_back(rf):
    shown = row_of(rf.get("/"), hidden=True, refused={"pk": 3, "name": "PHP"})
    assert "<strong>PHP</strong> marked as not yours" in shown
    assert 'value="accept-3"' in shown


def test_hostile_text_is_shown_and_never_obeyed(rf):
    bad = project(full_name="octo/tool", description=HOSTILE, language=HOSTILE)
    near = Project(full_name=HOSTILE)
    row = recommended(project=bad, stacks=[HOSTILE], categories=[HOSTILE], nearest=near)
    shown = as_included(rf, project=bad, row=row, done=set(), stacks=[(1, HOSTILE)])
    assert "<script" not in shown
    assert "&lt;script&gt;" in shown


def test_a_row_needs_nothing_but_a_project():
    assert "octo" in row_of()


# Around the pages


def test_a_pager_keeps_what_was_asked(rf):
    page = Paginator(range(30), 10).page(2)
    shown = render_to_string("_partials/pager.html", {"page": page}, rf.get("/projects/?language=Go&page=2"))
    assert 'href="?language=Go&amp;page=3"' in shown
    assert "Page 2 of 3" in shown


def test_what_was_found_for_a_row_is_looked_up():
    assert (ost.of({7: {"like"}}, 7), ost.of({}, 7), ost.of(None, 7)) == ({"like"}, set(), None)


def base(rf, path="/projects/", user=None) -> str:
    request = rf.get(path)
    request.user = user or AnonymousUser()
    return render_to_string("base.html", {}, request)


def test_a_page_costs_a_stranger_no_query(rf, django_assert_num_queries, db):
    with django_assert_num_queries(0):
        base(rf)


@pytest.mark.parametrize(
    ("path", "current"), [("/projects/", "page"), ("/projects/octo/tool/", "true"), ("/trending/", None)]
)
def test_the_header_says_where_one_is(rf, path, current):
    found = re.search(r'href="/projects/"(?: aria-current="(\w+)")?>Projects', base(rf, path))
    assert found[1] == current


def test_a_member_sees_their_name_and_their_list(rf):
    shown = base(rf, user=User(username="alice_ml"))
    assert "alice_ml" in shown
    assert "For you" in shown


def test_no_template_needs_an_inline_script_or_style(rf):
    shown = base(rf, user=User(username="alice_ml")) + as_included(
        rf, project=project(), row=recommended(), done=set(), stacks=[(1, "PHP")]
    )
    assert not re.search(r"<script(?![^>]*\ssrc=)|<style|\sstyle=|\son\w+=|hx-on", shown)


def test_the_search_keeps_what_was_typed(rf):
    assert "&quot;&gt;&lt;script" in base(rf, "/projects/?q=" + HOSTILE.replace("<", "%3C").replace('"', "%22"))
