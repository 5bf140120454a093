"""Texts of our own on which a faster model must say what sentence-transformers says."""

import numpy as np

from engine.vectors import Matrix, unit

TEXTS = (
    "",
    "x",
    "a web framework for Python",
    "Command-line tool that renames photos by the date they were taken, without losing the originals.",
    "left pad. Pads a text on the left. strings, formatting. JavaScript",
    "A small server that keeps calendars and address books, and speaks CalDAV and CardDAV to every common program.",
    "Draws maps in the browser from vector tiles; styles are JSON, and a tile that fails is asked for once more.",
    "How do I stop a container from being restarted for ever when its health check needs a minute to pass?",
    "Neural networks for tabular data, with early stopping and a scikit-learn interface. Python, PyTorch",
    "Простая библиотека для разбора таблиц",
    "把图片变成文字的小工具",
    "مكتبة لقراءة الملفات",
    "naïve café déjà-vu, ÅNGSTRÖM, straße \N{GRINNING FACE}\N{ZERO WIDTH JOINER}\N{ROCKET}",
    "def add(a: int, b: int = 0) -> int:\n    return a + b  # never overflows\n",
    "SELECT name, count(*) FROM issues WHERE closed_at IS NULL GROUP BY name HAVING count(*) > 3;",
    "TypeError: 'NoneType' object is not subscriptable at line 42 of parser.py, only on Windows 11",
    "aHR0cHM6Ly9leGFtcGxlLm9yZy9hP2I9Yw== 0xDEADBEEF 192.0.2.1 v1.2.3-rc.4+5",
    "It reads lines, keeps what it needs and says what it left out. " * 6,
    "The build breaks after the upgrade: the linker does not find a symbol that was there before. " * 40,
)


def cosines(mine: Matrix, theirs: Matrix) -> Matrix:
    """How alike two models' vectors of the same texts are: (n, d) and (n, d) -> (n,)."""
    return np.asarray(np.sum(unit(mine) * unit(theirs), axis=1), dtype=np.float32)
