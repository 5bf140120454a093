"""Messages become rows: a block a transaction, each message once, whoever sent it known."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import User
from django.db import connection, transaction

from engine.bulk import copy_in
from engine.vectors import digest
from recommendations import profiles
from recommendations.models import Message
from recommendations.schemas import MessageLine

Numbered = tuple[int, MessageLine]

ANOTHER = "message_id: another user's message has it"
OTHERWISE = "message_id: what was said under it is something else, and a message is not changed"


def message_id(line: MessageLine) -> str:
    """The sender's, or one made from user, time and text: the same message has the same wherever it comes from."""
    return line.message_id or f"sha256:{digest(line.user_id, line.timestamp.isoformat(), line.message)}"


def store(lines: Sequence[Numbered]) -> tuple[Counter[str], list[tuple[int, str]]]:
    """Insert what is new, with its users; what became of the numbered lines, and why some are refused.

    What is stored stays as it is: the same id with other words, or from somebody else, is refused, and nobody is made
    an account for it.
    """
    fresh: dict[str, Numbered] = {}
    for number, line in lines:
        fresh.setdefault(message_id(line), (number, line))
    with transaction.atomic():
        stored = set(Message.objects.filter(message_id__in=fresh).values_list("message_id", flat=True))
        unknown = {key: each for key, each in fresh.items() if key not in stored}
        users, new = known_users({line.user_id for _, line in unknown.values()})
        inserted = insert(unknown, users)
        refused = list(clashes(lines))
    return (
        Counter(
            inserted=inserted,
            unchanged=len(lines) - inserted - len(refused),
            refused=len(refused),
            users=new,
        ),
        refused,
    )


def known_users(names: Iterable[str]) -> tuple[dict[str, int], int]:
    """The ids of those users, and how many of them were made just now: without a password that could be used."""
    wanted, new = sorted(names), 0
    while True:  # who is deleted while we wait for them is made anew
        ids = dict(User.objects.filter(username__in=wanted).values_list("username", "pk"))
        held = profiles.hold(ids.values())
        gone = [name for name in wanted if ids.get(name) not in held]
        if not gone:
            break
        fresh = [User(username=name, password=make_password(None)) for name in gone]
        User.objects.bulk_create(fresh, ignore_conflicts=True)
        new += len(gone)
    with connection.cursor() as cursor:
        cursor.execute(PROFILES, [list(ids.values())])
    return ids, new


# In the order of their ids, so that two imports wait for each other and do not deadlock.
PROFILES = """
    INSERT INTO recommendations_profile (user_id, bio, location, company, job_title, interests)
    SELECT id, '', '', '', '', '{}' FROM unnest(%s::int8[]) AS u (id) ORDER BY id ON CONFLICT (user_id) DO NOTHING
"""

COLUMNS = {"message_id": "text", "user_id": "int8", "text": "text", "said_at": "timestamptz"}
INSERT = """
    INSERT INTO recommendations_message (message_id, user_id, text, said_at, read_with, compared_with)
    SELECT message_id, user_id, text, said_at, '', '' FROM pg_temp.message_lines ORDER BY message_id
    ON CONFLICT (message_id) DO NOTHING
"""


def insert(fresh: Mapping[str, Numbered], users: Mapping[str, int]) -> int:
    rows = [(key, users[line.user_id], line.message, line.timestamp) for key, (_, line) in fresh.items()]
    copy_in("message_lines", COLUMNS, rows)
    with connection.cursor() as cursor:
        cursor.execute(INSERT)
        return int(cursor.rowcount)


def clashes(lines: Sequence[Numbered]) -> Iterable[tuple[int, str]]:
    """The lines that are not what is stored under their id."""
    rows = Message.objects.filter(message_id__in={message_id(line) for _, line in lines})
    stored = {key: (user, text) for key, user, text in rows.values_list("message_id", "user__username", "text")}
    for number, line in lines:
        user, text = stored[message_id(line)]
        if user != line.user_id:
            yield number, ANOTHER
        elif text != line.message:
            yield number, OTHERWISE
