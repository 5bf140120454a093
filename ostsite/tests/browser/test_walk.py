"""One person's way through the whole site, in a real browser, with the real model."""

import re

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Page, expect

from ostsite.tests.browser.site import fill
from recommendations import serving

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.model]
PASSWORD = "a long pass phrase"


def rows(page: Page):
    return page.locator("main .row")


def first(page: Page) -> str:
    return str(rows(page).first.locator(".row-title a").text_content()).strip()


def percent(text: str | None) -> float:
    return float(re.sub(r"[^0-9.]", "", text or ""))


def sign_up(page: Page) -> None:
    page.get_by_role("link", name="Sign in").click()
    page.get_by_role("link", name=re.compile("sign up|make|account", re.I)).first.click()
    page.locator("[name=username]").fill("walker")
    page.locator("[name=password1]").fill(PASSWORD)
    page.locator("[name=password2]").fill(PASSWORD)
    page.get_by_role("button", name="Make my account").click()


def sign_in(page: Page) -> None:
    page.get_by_role("link", name="Sign in").click()
    page.locator("[name=login]").fill("walker")
    page.locator("[name=password]").fill(PASSWORD)
    page.locator("main").get_by_role("button", name="Sign in").click()


def chip(page: Page, name: str) -> None:
    page.locator("label.chip", has_text=re.compile(f"^{re.escape(name)}$")).first.click()


def welcome(page: Page) -> None:
    expect(page.get_by_role("heading", name="Welcome")).to_be_visible()
    chip(page, "Python")
    chip(page, "AI & Machine Learning")
    page.locator("[name=bio]").fill("I train language models and care for small ones.")
    page.get_by_role("button", name="Save and see your list").click()


def test_from_the_first_visit_to_the_last(visit, settings):
    settings.READ_TEXTS = True
    fill(90)
    visitor = visit()
    page = visitor.go("/")
    visitor.picture("walk-1-stranger")
    sign_up(page)
    welcome(page)

    expect(page.get_by_role("heading", name="For you")).to_be_visible()
    assert rows(page).count() > 5
    visitor.picture("walk-2-for-you")

    rows(page).first.get_by_role("link", name=re.compile("Why")).click()
    brings = page.locator("table").first.locator("tbody td:last-child").all_text_contents()
    score = page.locator("table").first.locator("tfoot td").text_content()
    assert sum(map(percent, brings)) == pytest.approx(percent(score), abs=0.01)
    visitor.picture("walk-3-why")
    page.go_back()

    hidden = first(page)
    rows(page).first.get_by_role("button", name=re.compile("^Hide")).click()
    expect(rows(page).first.get_by_role("button", name=re.compile("^Undo"))).to_be_visible()
    page.reload()
    assert hidden not in page.locator("main .row-title").all_text_contents()

    liked = rows(page).first
    liked.get_by_role("button", name=re.compile("^Save")).click()
    page.reload()  # at once: the click is not lost
    visitor.go("/profile/?kind=save")
    expect(page.locator("main")).to_contain_text("1")
    assert User.objects.get(username="walker").interactions.filter(kind="save").count() == 1

    page.get_by_role("contentinfo").get_by_role("button", name="Sign out").click()

    visitor.go("/try/")
    chip(page, "Rust")
    page.locator("[name=text]").fill("A game engine that I can read")
    page.get_by_role("button", name="Show projects").click()
    expect(page.locator("#results .row").first).to_be_visible()
    visitor.picture("walk-4-try")

    page.locator("header [name=q]").fill("train neural networks")
    page.locator("header [name=q]").press("Enter")
    expect(rows(page).first).to_be_visible()
    visitor.picture("walk-5-search")
    rows(page).first.locator(".row-title a").click()
    page.get_by_role("heading", name="Nearest in meaning").wait_for()
    similar = page.locator("main .rows .row-title a").first
    there = similar.get_attribute("href")
    similar.click()
    page.wait_for_url(f"**{there}")

    sign_in(page)
    visitor.go("/for-you/")
    before = page.locator("main .row-title").all_text_contents()
    visitor.go("/profile/")
    page.locator("[name=bio]").fill("I write games and physics engines in C++.")
    page.get_by_role("button", name="Save").first.click()
    visitor.go("/for-you/")
    assert page.locator("main .row-title").all_text_contents() != before
    visitor.picture("walk-6-changed")

    visitor.go("/profile/delete/")
    if page.locator("[name=password]").count():
        page.locator("[name=password]").fill(PASSWORD)
        page.locator("main").get_by_role("button").first.click()
    page.get_by_label(re.compile("to confirm")).fill("walker")
    page.get_by_role("button", name="Delete everything").click()
    if page.locator("[name=password]").count():
        page.locator("[name=password]").fill(PASSWORD)
        page.locator("main").get_by_role("button").first.click()
    expect(page.get_by_text(re.compile("deleted", re.I)).first).to_be_visible()
    assert not User.objects.filter(username="walker").exists()
    assert visitor.complaints == []
    serving.forget()
