"""Make the secrets that compose.yaml mounts, each a file in deploy/secrets: python3 deploy/make_secrets.py [FOLDER]

Standard library only. A secret that is there stays as it is, so it may be run again, and any may be written by hand.
"""

import os
import sys
from pathlib import Path
from secrets import token_urlsafe
from urllib.parse import quote

FOLDER = Path(__file__).parent / "secrets"


def make(folder: Path) -> list[str]:
    """Returns the names of those that are there then.

    The folder is closed to others; the files in it are readable, for a container's user is not theirs.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    for name in ("postgres_password", "ost_password", "ost_web_password"):
        keep(folder / name, token_urlsafe(32))
    for name, value in [
        ("database_url", address("ost", folder)),
        ("web_database_url", address("ost_web", folder)),
        ("secret_key", token_urlsafe(48)),
        ("metrics_token", token_urlsafe(32)),
        ("grafana_password", token_urlsafe(24)),
    ]:
        keep(folder / name, value)
    return sorted(path.name for path in folder.iterdir())


def address(role: str, folder: Path) -> str:
    """Without TLS, and saying so: the network between the two leads nowhere else, and this machine holds both ends."""
    password = quote((folder / f"{role}_password").read_text().strip(), safe="")
    return f"postgresql://{role}:{password}@database:5432/ost?sslmode=disable"


def keep(path: Path, value: str) -> str:
    """What the file holds; it is made with that value where it is not there."""
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o444), "w") as file:
            file.write(value)
        path.chmod(0o444)  # whatever the umask took away
    except FileExistsError:
        pass
    return path.read_text().strip()


if __name__ == "__main__":
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    sys.stdout.write(f"{folder}: {', '.join(make(folder))}\n")
