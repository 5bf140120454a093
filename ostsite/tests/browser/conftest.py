"""A real Chromium before the real site: live server, live database, and every line that the console says."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.core.servers.basehttp import WSGIRequestHandler
from playwright.sync_api import Browser, BrowserContext, Page, ViewportSize, sync_playwright

from ostsite.tests.browser.site import session_of

NAMES = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM = next(filter(None, map(shutil.which, NAMES)), None)
WIDE, NARROW = ViewportSize(width=1280, height=900), ViewportSize(width=360, height=740)
Theme = Literal["light", "dark"]


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        # Playwright runs a loop in this thread, which Django takes for one of its own.
        os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"
        yield browser
        del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]
        browser.close()


class Visitor:
    """One window. complaints: errors of scripts and of the console, a broken Content-Security-Policy among them."""

    def __init__(self, context: BrowserContext, address: str) -> None:
        self.context, self.address = context, address
        self.complaints: list[str] = []
        self.page: Page = context.new_page()
        self.page.set_default_timeout(10_000)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("console", lambda said: self.complaints.append(said.text) if said.type == "error" else None)

    def go(self, path: str) -> Page:
        self.page.goto(self.address + path)
        return self.page

    def sign_in(self, user: User) -> None:
        self.context.add_cookies(
            [{"name": settings.SESSION_COOKIE_NAME, "value": session_of(user), "url": self.address}]
        )

    def picture(self, name: str) -> None:
        """Keep what is seen, where somebody wants to look at it."""
        if folder := os.environ.get("OST_SCREENSHOTS"):
            Path(folder).mkdir(parents=True, exist_ok=True)
            self.page.screenshot(path=str(Path(folder) / f"{name}.png"), full_page=True)


@pytest.fixture
def visit(chromium: Browser, live_server, monkeypatch) -> Iterator:
    """Open a window: visit(width, theme, script)."""
    monkeypatch.setattr(WSGIRequestHandler, "disable_nagle_algorithm", True)  # or each answer takes 40 ms longer
    opened: list[BrowserContext] = []

    def visitor(viewport: ViewportSize = WIDE, theme: Theme = "light", script: bool = True) -> Visitor:
        context = chromium.new_context(
            viewport=viewport, color_scheme=theme, java_script_enabled=script, reduced_motion="reduce"
        )
        opened.append(context)
        return Visitor(context, live_server.url)

    yield visitor
    for context in opened:
        context.close()
