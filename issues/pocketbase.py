"""The client of the live store: a PocketBase, 0.23 or later, of which two collections are ours.

A record is refused (Rejected), which is its own matter, or the store as a whole cannot be used now (StoreAway), and
whoever sends waits.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from engine.http import Answer, Client, HttpError, Unreadable, Unwell, tidy
from issues.live_fields import AUTOMATIC, COLLECTIONS, ORIGIN

DEADLINE, TRIES, PAUSE = 20.0, 3, 1.0  # seconds, times, seconds between
# Seconds after signing in during which "there is none" is believed: to a guest, any record may be missing.
PROVEN = 60.0
BUSY = (408, 429, 503)  # of the store, whatever was asked
PAGE = 500  # records of a list read together
REMEDY = "run: ./ost manage sync_live_issues --make-collections"


class StoreAway(Exception):
    """The store cannot be used now. The message is one line without secrets."""


class NoAnswer(StoreAway):
    """To this request; whether to others too is not known yet."""


class Rejected(Exception):
    """One record was refused, and others may be taken."""


@dataclass(frozen=True)
class Write:
    """What one record is to be. payload None: it is to be gone. known: it may well be there already."""

    collection: str
    remote_id: str
    payload: Mapping[str, Any] | None
    known: bool

    @property
    def path(self) -> str:
        return f"{records(self.collection)}/{self.remote_id}"

    @property
    def as_request(self) -> dict[str, Any]:
        """For a batch, where PUT is create or change."""
        if self.payload is None:
            return {"method": "DELETE", "url": f"/{self.path}"}
        body = {"id": self.remote_id, **self.payload}
        return {"method": "PUT", "url": f"/{records(self.collection)}", "body": body}


class Store:
    """Signed in while it is open. Opening raises StoreAway, so nothing is promised to a store that is not there."""

    def __init__(self, url: str, email: str, password: str) -> None:
        self.http = Client(url, deadline=DEADLINE, tries=TRIES, pause=PAUSE)
        self.email, self.password = email, password
        self.signed_in = 0.0
        self.batches = True  # until it says that it takes none

    def __enter__(self) -> Self:
        try:
            self.sign_in()
        except BaseException:  # whatever it was, the connections go
            self.close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        self.http.__exit__(None, None, None)

    def sign_in(self) -> None:
        self.http.credentials = {}
        asked = {"identity": self.email, "password": self.password}
        answer = self.exchange("POST", "api/collections/_superusers/auth-with-password", asked)
        if answer.status == 400:
            raise StoreAway("POCKETBASE_EMAIL or POCKETBASE_PASSWORD is refused")
        token = said(answer).get("token") if answer.ok else None
        if not isinstance(token, str) or not (token.isascii() and token.isprintable()):
            raise StoreAway(f"POCKETBASE_URL is no PocketBase from 0.23 on: signing in answers {answer.status}")
        self.http.credentials = {"Authorization": token}
        self.signed_in = time.monotonic()

    def request(
        self, method: str, path: str, body: Any = None, params: Mapping[str, str | int] | None = None
    ) -> Answer:
        """As a superuser; signed in anew, once, where the token may have run out."""
        answer = self.exchange(method, path, body, params)
        old = time.monotonic() - self.signed_in > PROVEN
        if answer.status in (401, 403) or (answer.status == 404 and old):
            self.sign_in()
            answer = self.exchange(method, path, body, params)
        if answer.status in (401, 403):
            raise StoreAway(f"POCKETBASE_EMAIL may not do this: {complaint(answer)}")
        return answer

    def exchange(
        self, method: str, path: str, body: Any = None, params: Mapping[str, str | int] | None = None
    ) -> Answer:
        try:
            return self.http.request(method, path, body=body, params=params)
        except Unwell as error:
            kind = StoreAway if error.status in BUSY else NoAnswer
            raise kind(str(error)) from None
        except HttpError as error:
            raise NoAnswer(str(error)) from None

    def is_well(self) -> bool:
        try:
            return self.http.request("GET", "api/health").ok
        except HttpError:
            return False

    # Records

    def write(self, write: Write) -> None:
        """Make a record what it is to be, however often that is asked. Raises Rejected."""
        try:
            if write.payload is None:
                self.delete(write)
            else:
                self.put(write)
        except NoAnswer as error:
            if self.is_well():
                raise Rejected(str(error)) from None
            raise

    def delete(self, write: Write) -> None:
        answer = self.request("DELETE", write.path)
        if not answer.ok and answer.status != 404:
            raise Rejected(complaint(answer))

    def put(self, write: Write) -> None:
        """Create or change, first what is likelier; a record may come and go between the two."""
        create = not write.known
        for _ in range(3):
            answer = self.create(write) if create else self.request("PATCH", write.path, write.payload)
            if answer.ok:
                return
            if not (is_taken(answer) if create else answer.status == 404):
                break
            create = not create
        raise Rejected(complaint(answer))

    def create(self, write: Write) -> Answer:
        answer = self.request("POST", records(write.collection), {"id": write.remote_id, **(write.payload or {})})
        if answer.status == 404:
            raise StoreAway(f"the store has no collection {write.collection}; {REMEDY}")
        return answer

    def write_all(self, writes: Sequence[Write]) -> bool:
        """All of them in one request. False: none was done, for no batches are taken, or one of them is refused."""
        if not self.batches or len(writes) < 2:
            return False
        try:
            answer = self.exchange("POST", "api/batch", {"requests": [write.as_request for write in writes]})
        except NoAnswer:
            return False
        self.batches = answer.status not in (403, 404)
        return answer.ok

    def get(self, collection: str, remote_id: str) -> dict[str, Any] | None:
        answer = self.request("GET", f"{records(collection)}/{remote_id}")
        return said(answer) if answer.ok else None

    def page(self, collection: str, after: str = "") -> list[dict[str, Any]]:
        """Our records behind that id, with our fields, ordered by id; fewer than PAGE are the last."""
        params: dict[str, str | int] = {
            "perPage": PAGE,
            "skipTotal": 1,
            "sort": "id",
            "filter": f'origin = "{ORIGIN}" && id > "{after}"',
            "fields": ",".join(["id", *COLLECTIONS[collection]]),
        }
        answer = self.request("GET", records(collection), params=params)
        items = said(answer).get("items") if answer.ok else None
        if not isinstance(items, list) or not all(is_record(item) for item in items):
            raise StoreAway(f"the collection {collection} cannot be listed: {complaint(answer)}")
        return items

    # The collections

    def lacking(self, collection: str) -> list[str] | None:
        """Which fields it lacks; None where there is no such collection."""
        answer = self.request("GET", f"api/collections/{collection}")
        if answer.status == 404:
            return None
        present = {field.get("name") for field in said(answer).get("fields", [])}
        return [name for name in COLLECTIONS[collection] if name not in present]

    def ready(self) -> None:
        """Raises StoreAway where a collection or a field is missing: the store would drop it without a word."""
        for collection in COLLECTIONS:
            lacking = self.lacking(collection)
            if lacking is None:
                raise StoreAway(f"the store has no collection {collection}; {REMEDY}")
            if lacking:
                raise StoreAway(f"the collection {collection} lacks {', '.join(lacking)}; {REMEDY}")

    def make_collections(self) -> int:
        """Add what is missing of collections and fields; returns how many. Only superusers may read new ones."""
        touched = 0
        for collection in COLLECTIONS:
            lacking = self.lacking(collection)
            if lacking is None or lacking:
                self.make(collection, lacking)
                touched += 1
        return touched

    def make(self, collection: str, lacking: list[str] | None) -> None:
        """lacking: the fields to add; None: all, to a new collection."""
        names = list(COLLECTIONS[collection]) if lacking is None else lacking
        fields = [self.field(name, COLLECTIONS[collection][name]) for name in names]
        if lacking is None:
            body = {"name": collection, "type": "base", "fields": [*fields, *AUTOMATIC]}
            answer = self.request("POST", "api/collections", body)
        else:
            present = said(self.request("GET", f"api/collections/{collection}"))["fields"]
            answer = self.request("PATCH", f"api/collections/{collection}", {"fields": [*present, *fields]})
        if not answer.ok:
            raise StoreAway(f"the collection {collection} cannot be made: {complaint(answer)}")

    def field(self, name: str, options: Mapping[str, Any]) -> dict[str, Any]:
        """As PocketBase wants it: a relation names the id of its collection."""
        found = {"name": name, **options}
        if target := options.get("collectionId"):
            found["collectionId"] = said(self.request("GET", f"api/collections/{target}")).get("id")
        return found


def records(collection: str) -> str:
    return f"api/collections/{collection}/records"


def said(answer: Answer) -> dict[str, Any]:
    """The object of an answer. Raises StoreAway where it is none."""
    try:
        found = answer.json()
    except Unreadable as error:
        raise StoreAway(f"the store answers {answer.status}: {error}") from None
    return found if isinstance(found, dict) else {}


def is_record(item: Any) -> bool:
    return isinstance(item, dict) and isinstance(item.get("id"), str) and item["id"].isalnum()


def is_taken(answer: Answer) -> bool:
    """Whether the id is there already."""
    if answer.status != 400:
        return False
    fault = (said(answer).get("data") or {}).get("id")
    return isinstance(fault, dict) and "not_unique" in str(fault.get("code"))


def complaint(answer: Answer) -> str:
    """What the store has against it: a field and why, as far as it says."""
    try:
        body = answer.json()
    except Unreadable:
        body = None
    if not isinstance(body, dict):
        return f"HTTP {answer.status}"
    data = body.get("data")
    faults = data.items() if isinstance(data, dict) else ()
    named = [f"{name}: {fault.get('message')}" for name, fault in faults if isinstance(fault, dict)]
    return tidy(f"HTTP {answer.status} {body.get('message', '')} {'; '.join(named)}")
