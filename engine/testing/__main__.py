"""Every source on loopback, with the world of the sample files: python -m engine.testing [--clock 60].

Prints the settings that lead to them, NAME=value, a line each and then an empty one; serves until SIGINT or SIGTERM,
and then says how often each was asked, and which rules were broken.
"""

import argparse
import signal
import sys
import threading
from collections.abc import Sequence
from contextlib import ExitStack

from engine.testing import sample
from engine.testing.github import GitHub
from engine.testing.hackernews import HackerNews
from engine.testing.reddit import Reddit
from engine.testing.serving import Clock, Server, Upstream
from engine.testing.stackexchange import StackExchange

ADDRESSES = {
    "github": {"GITHUB_API_URL": "", "GITHUB_GRAPHQL_URL": "/graphql"},
    "stackoverflow": {"STACKEXCHANGE_API_URL": "/2.3"},
    "reddit": {"REDDIT_API_URL": "", "REDDIT_TOKEN_URL": "/api/v1/access_token"},
    "hackernews": {"HACKERNEWS_API_URL": "/api/v1", "HACKERNEWS_FIREBASE_URL": "/v0"},
}
CREDENTIALS = {
    "GITHUB_ACCESS_TOKEN": "sample-token",
    "STACKEXCHANGE_KEY": "sample-key",
    "REDDIT_CLIENT_ID": "sample-id",
    "REDDIT_CLIENT_SECRET": "sample-secret",
}


def upstreams(clock: Clock) -> dict[str, Upstream]:
    """Each source with its part of the sample."""
    return {
        "github": GitHub(clock, repositories=sample.repositories(), issues=sample.issues(), stars=sample.stars()),
        "stackoverflow": StackExchange(clock, sample.questions(), key="sample-key", backoff_every=5, backoff=3),
        "reddit": Reddit(clock, sample.reddit_posts(), credentials=("sample-id", "sample-secret"), subreddits=None),
        "hackernews": HackerNews(clock, sample.stories()),
    }


def settings(servers: dict[str, Server]) -> dict[str, str]:
    """What the environment of a process has to say to collect from these."""
    urls = {name: f"{servers[of].url}{path}" for of, paths in ADDRESSES.items() for name, path in paths.items()}
    return {"ALLOW_PRIVATE_UPSTREAMS": "1", **urls, **CREDENTIALS}


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns 1 when a rule was broken."""
    parser = argparse.ArgumentParser(prog="python -m engine.testing", description="Every source on loopback.")
    parser.add_argument("--clock", type=float, default=1.0, metavar="N", help="how many times faster theirs runs")
    parser.add_argument("--port-base", type=int, default=0, metavar="N", help="the first of their ports; 0: any free")
    asked = parser.parse_args(arguments)
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    with ExitStack() as stack:
        servers = {
            name: stack.enter_context(Server(upstream, asked.port_base and asked.port_base + place))
            for place, (name, upstream) in enumerate(upstreams(Clock(asked.clock)).items())
        }
        for name, value in settings(servers).items():
            say(f"{name}={value}")
        say("")
        ended.wait()
        return tell(servers)


def tell(servers: dict[str, Server]) -> int:
    """What they saw, a line each; forgets the violations, which have been told then."""
    broken = 0
    for name, server in servers.items():
        with server.upstream.lock:
            found, server.upstream.violations = server.upstream.violations, []
        broken += len(found)
        say(f"source={name} asked={len(server.asked)} violations={len(found)}")
        for each in found:
            say(f"  {each}")
    return int(broken > 0)


if __name__ == "__main__":
    sys.exit(main())
