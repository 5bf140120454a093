"""A run that is at work is seen to go on: in a browser with scripts by itself, in one without by a link."""

import pytest
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import expect

from engine.models import Run, Step
from engine.tests.sixty_days import make_going
from ostsite.tests.people import staff

pytestmark = pytest.mark.django_db(transaction=True)

OVERVIEW, RUNS = reverse("admin:engine_run_overview"), reverse("admin:engine_run_changelist")


@pytest.fixture
def going() -> Run:
    make_going()
    return Run.objects.get(state="running")


def embed(run: Run, count: int) -> None:
    Step.objects.filter(run=run, name="embed").update(counts={"embedded": count})


def end(run: Run) -> None:
    now = timezone.now()
    Step.objects.filter(run=run, name="embed").update(state="done", finished_at=now)
    Run.objects.filter(pk=run.pk).update(state="done", finished_at=now, owner="", lease_until=None)


def pages(run: Run) -> list[str]:
    return [OVERVIEW, RUNS, reverse("admin:engine_run_change", args=[run.pk])]


@pytest.mark.parametrize("at", range(3), ids=["overview", "runs", "run"])
def test_progress_moves_on_without_a_reload_until_the_run_is_over(visit, going, at):
    visitor = visit()
    visitor.sign_in(staff(is_superuser=True))
    page = visitor.go(pages(going)[at])
    page.evaluate("window.opened = true")
    main = page.locator("#content")
    expect(main).to_contain_text("3,200 of 10,000")
    embed(going, 7100)
    expect(main).to_contain_text("7,100 of 10,000")
    end(going)
    expect(main).not_to_contain_text("7,100 of 10,000")
    assert page.locator("[hx-trigger='every 2s']").count() == 0
    assert page.evaluate("window.opened") is True
    assert visitor.complaints == []


@pytest.mark.parametrize("at", range(3), ids=["overview", "runs", "run"])
def test_without_script_the_page_tells_the_same_when_it_is_opened_again(visit, going, at):
    visitor = visit(script=False)
    visitor.sign_in(staff(is_superuser=True))
    page = visitor.go(pages(going)[at])
    embed(going, 7100)
    page.reload()
    expect(page.locator("#content")).to_contain_text("7,100 of 10,000")
