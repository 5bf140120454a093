"""The API of Reddit: tokens, the newest posts of a subreddit, and posts by their ids."""

from __future__ import annotations

import base64
import math
import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import parse_qsl

from engine.testing.limits import FixedWindow
from engine.testing.serving import Asked, Clock, Reply, Upstream

Post = dict[str, Any]
DEPTH = 1_000  # posts of a listing that can be reached
GENERIC = re.compile(r"(?i)^(python|curl|wget|httpx|aiohttp|go-http|java|okhttp|ruby|mozilla|bot$)")
TOO_MANY = b"<!doctype html><html><head><title>Too Many Requests</title></head><body>whoa there, pardner!</body></html>"


def post(
    post_id: str,
    subreddit: str,
    title: str,
    selftext: str = "",
    *,
    created: float,
    author: str = "user",
    **facts: Any,
) -> Post:
    """A post in the shape of the API. post_id: base 36; facts: any other field of it."""
    slug = re.sub(r"[^a-z0-9]+", "_", title.lower()).strip("_")[:50]
    permalink = facts.get("permalink", f"/r/{subreddit}/comments/{post_id}/{slug}/")
    owner = {"author_fullname": f"t2_{author.lower()}"} if author else {}
    return {
        "id": post_id,
        "name": f"t3_{post_id}",
        "title": title,
        "selftext": selftext,
        "selftext_html": None,
        "is_self": True,
        "url": f"https://www.reddit.com{permalink}",
        "permalink": permalink,
        "domain": f"self.{subreddit}",
        "subreddit": subreddit,
        "subreddit_id": f"t5_{subreddit.lower()[:6]}",
        "subreddit_name_prefixed": f"r/{subreddit}",
        "subreddit_subscribers": 1_200,
        "author": author or "[deleted]",
        **owner,
        "created": float(created),
        "created_utc": float(created),
        "edited": False,
        "score": 1,
        "ups": facts.get("score", 1),
        "downs": 0,
        "upvote_ratio": 0.93,
        "num_comments": 0,
        "num_crossposts": 0,
        "link_flair_text": None,
        "over_18": False,
        "spoiler": False,
        "stickied": False,
        "locked": False,
        "archived": False,
        "removed_by_category": None,
        "distinguished": None,
        "gilded": 0,
        "all_awardings": [],
        "media": None,
        "is_video": False,
        "view_count": None,
        "visited": False,
        **facts,
    }


class Reddit(Upstream):
    """private, banned: names of subreddits; subreddits: of empty ones, None: any other; calls: in 600 seconds."""

    def __init__(
        self,
        clock: Clock | None = None,
        posts: Iterable[Post] = (),
        *,
        credentials: tuple[str, str] = ("id", "secret"),
        subreddits: Iterable[str] | None = (),
        private: Iterable[str] = (),
        banned: Iterable[str] = (),
        expires_in: int = 86_400,
        calls: int = 1_000,
        depth: int = DEPTH,
    ) -> None:
        super().__init__(clock)
        self.posts = {each["id"]: each for each in posts}
        self.gone: set[str] = set()
        self.credentials = credentials
        self.subreddits = None if subreddits is None else {name.lower() for name in subreddits}
        self.private = {name.lower() for name in private}
        self.banned = {name.lower() for name in banned}
        self.expires_in, self.depth = expires_in, depth
        self.window = FixedWindow(calls, 600.0, aligned=True)
        self.tokens: dict[str, float] = {}

    # The world

    def add(self, *posts: Post) -> None:
        with self.lock:
            self.posts |= {each["id"]: each for each in posts}

    def delete(self, post_id: str) -> None:
        """As its author does."""
        with self.lock:
            self.posts[post_id].pop("author_fullname", None)
            self.edit(post_id, selftext="[deleted]", author="[deleted]", removed_by_category="deleted")

    def remove(self, post_id: str) -> None:
        """As a moderator does."""
        self.edit(post_id, selftext="[removed]", removed_by_category="moderator")

    def edit(self, post_id: str, **facts: Any) -> None:
        with self.lock:
            self.posts[post_id] = {**self.posts[post_id], "edited": self.clock.now(), **facts}

    def forget(self, post_id: str) -> None:
        """Nobody is given it any more; its place in the listings stays known."""
        with self.lock:
            self.gone.add(post_id)

    def revoke(self) -> None:
        """No token that was given is worth anything from now on."""
        with self.lock:
            self.tokens.clear()

    # The limits

    def lane(self, asked: Asked) -> str:
        return "token" if asked.path == "/api/v1/access_token" else "api"

    def refuse(self, asked: Asked) -> Reply | None:
        agent = asked.headers.get("user-agent", "")
        if not agent or GENERIC.search(agent):
            return super().refuse(asked) or Reply(TOO_MANY, 429, {"Content-Type": "text/html; charset=UTF-8"})
        stopped = super().refuse(asked)
        if stopped or self.lane(asked) == "token":
            return stopped
        if self.window.take(asked.at):
            return None
        return self.too_early(asked, self.window.resets_at)

    def too_early(self, asked: Asked, until: float) -> Reply:
        return self.json({"message": "Too Many Requests", "error": 429}, asked, 429)

    def promise(self, asked: Asked, reply: Reply) -> None:
        super().promise(asked, reply)
        left, wait = (reply.header(f"x-ratelimit-{name}") for name in ("remaining", "reset"))
        if left in ("0", "0.0") and wait.isdecimal():
            self.quiet.close("api", self.clock.now() + int(wait))

    # The answers

    def answer(self, asked: Asked) -> Reply:
        if asked.path == "/api/v1/access_token" and asked.method == "POST":
            return self.token(asked)
        if not self.signed_in(asked):
            refused = {"www-authenticate": 'Bearer realm="reddit", error="invalid_token"'}
            return Reply({"message": "Unauthorized", "error": 401}, 401, refused)
        if asked.path == "/api/info":
            return self.by_id(asked)
        found = re.fullmatch(r"/r/([A-Za-z0-9_]+)/(new|search)", asked.path)
        return self.listing(asked, found[1], found[2]) if found else self.missing(asked)

    def token(self, asked: Asked) -> Reply:
        if asked.headers.get("authorization", "") != f"Basic {in_base64(':'.join(self.credentials))}":
            return Reply({"message": "Unauthorized", "error": 401}, 401)
        if dict(parse_qsl(asked.body.decode())).get("grant_type") != "client_credentials":
            return Reply({"error": "unsupported_grant_type"})
        token = f"token-{in_base64(str(asked.at))}"
        self.tokens[token] = asked.at + self.expires_in
        return Reply({"access_token": token, "token_type": "bearer", "expires_in": self.expires_in, "scope": "*"})

    def signed_in(self, asked: Asked) -> bool:
        kind, _, token = asked.headers.get("authorization", "").partition(" ")
        return kind.lower() == "bearer" and asked.at < self.tokens.get(token, 0.0)

    def listing(self, asked: Asked, subreddit: str, kind: str) -> Reply:
        name = subreddit.lower()
        if name in self.private:
            return self.json({"reason": "private", "message": "Forbidden", "error": 403}, asked, 403)
        if name in self.banned:
            return self.json({"reason": "banned", "message": "Not Found", "error": 404}, asked, 404)
        posts = [each for each in self.posts.values() if each["subreddit"].lower() == name]
        if not posts and self.subreddits is not None and name not in self.subreddits:
            return self.missing(asked) if kind == "new" else self.elsewhere(subreddit)
        word = asked.query.get("q", "").lower() if kind == "search" else ""
        newest = sorted(posts, key=lambda each: (each["created_utc"], int(each["id"], 36)), reverse=True)
        return self.page(asked, [each for each in newest[: self.depth] if word in each["title"].lower()])

    def page(self, asked: Asked, posts: list[Post]) -> Reply:
        """The part of a listing that `limit` and `after` name. Behind a post that the listing lacks comes nothing."""
        told = asked.query.get("limit", "")
        limit = min(int(told) or 25, 100) if told.isdecimal() else 25
        names = [each["name"] for each in posts]
        after = asked.query.get("after", "")
        begin = names.index(after) + 1 if after in names else len(posts) if after else 0
        given = posts[begin : begin + limit]
        more = given[-1]["name"] if begin + limit < len(posts) else None
        return self.listed(asked, given, more)

    def by_id(self, asked: Asked) -> Reply:
        names = asked.query.get("id", "").split(",")
        if len(names) > 100:
            return self.json({"message": "Bad Request", "error": 400}, asked, 400)
        known = {each["name"]: each for each in self.posts.values()}
        return self.listed(asked, [known[name] for name in names if name in known], None)

    def listed(self, asked: Asked, posts: list[Post], after: str | None) -> Reply:
        raw = asked.query.get("raw_json") == "1"
        children = [
            {"kind": "t3", "data": each if raw else escaped(each)} for each in posts if each["id"] not in self.gone
        ]
        facts = {"after": after, "dist": len(children), "modhash": None, "geo_filter": None, "before": None}
        return self.json({"kind": "Listing", "data": {**facts, "children": children}}, asked)

    def missing(self, asked: Asked) -> Reply:
        return self.json({"message": "Not Found", "error": 404}, asked, 404)

    def elsewhere(self, subreddit: str) -> Reply:
        return Reply(b"", 302, {"Location": f"https://oauth.reddit.com/subreddits/search?q={subreddit}"})

    def json(self, body: Any, asked: Asked, status: int = 200) -> Reply:
        """An answer with the limits as this API tells them: floats, and the seconds that are left."""
        left = max(0, math.ceil(self.window.resets_at - asked.at))
        headers = {
            "Content-Type": "application/json; charset=UTF-8",
            "Cache-Control": "private, s-maxage=0, max-age=0, must-revalidate, no-store",
            "Server": "snooserv",
            "Via": "1.1 varnish",
            "x-ratelimit-remaining": f"{float(self.window.remaining)}",
            "x-ratelimit-used": str(self.window.used),
            "x-ratelimit-reset": str(left),
        }
        return Reply(body, status, headers)


def escaped(each: Post) -> Post:
    """As without raw_json=1: the texts have three characters of theirs escaped."""
    texts = {"title": each["title"], "selftext": each["selftext"]}
    for sign, name in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;")):
        texts = {field: text.replace(sign, name) for field, text in texts.items()}
    return {**each, **texts}


def in_base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
