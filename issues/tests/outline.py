"""The elements of a page, to compare one that says something hostile with its harmless twin."""

from html.parser import HTMLParser
from urllib.parse import urlsplit

HOSTILE = (
    "<script>alert(1)</script>", "<svg onload=alert(1)><circle>", '"><img src=x onerror=alert(1)>',
    "<math><mtext></math><style>*{display:none}</style>", "{{ 7|add:7 }}{% debug %}", "</title></text></svg><b>",
    "' onmouseover='alert(1)", "a\u202eb\u2066c\u200bd\ufeffe", "<!--", "]]><x>", "&lt;b&gt;", "\x1b[31m red",
)  # fmt: skip
EVIL_URLS = ("javascript:alert(1)", "data:text/html,<script>alert(1)</script>", "//evil.example/", "https://a:b@c.de/")
UNSEEN = "\u202e\u2066\u200b\ufeff\x1b"


class Outline(HTMLParser):
    """elements: tags in their order with the names of their attributes, and of links the host."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, ...]] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        names = [name if name != "href" else f"href={urlsplit(value or '').netloc}" for name, value in attributes]
        self.elements.append((tag, *names))

    def handle_endtag(self, tag: str) -> None:
        self.elements.append((f"/{tag}",))

    def handle_comment(self, data: str) -> None:
        self.elements.append(("comment",))
