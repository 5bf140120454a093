"""Vectors as rows of arrays: unit length, cosine, digests. Nothing here knows what a vector stands for."""

import hashlib

import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[np.float32]


def unit(rows: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
    """Each row scaled to length 1, in its own precision; a row of zeros stays zeros. (n, d) -> (n, d)."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.divide(rows, lengths, out=np.zeros_like(rows), where=lengths > 0)


def checked(rows: npt.ArrayLike, count: int, dimensions: int) -> Matrix:
    """What a model answered, as (count, dimensions) float32.

    Raises ValueError when the number, the width or a value is wrong: an index silently omits a zero vector,
    so none is ever kept, and none is padded.
    """
    try:
        matrix = np.asarray(rows, dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise ValueError(f"not a table of numbers: {error}") from error
    if matrix.shape != (count, dimensions):
        raise ValueError(f"expected {count} vectors of {dimensions}, got an array of shape {matrix.shape}")
    if not np.isfinite(matrix).all():
        raise ValueError("a vector holds a value that is not finite")
    if not (np.linalg.norm(matrix, axis=1) > 0).all():
        raise ValueError("a vector has length 0")
    return matrix


Numbers = npt.NDArray[np.int64]


def nearer(held: tuple[Numbers, Matrix], ids: Numbers, cosines: Matrix, count: int) -> tuple[Numbers, Matrix]:
    """The `count` nearest of those held and of more: ids (n, k) and cosines (n, k), nearest first, ties by id.

    ids (m,) and cosines (n, m): the more. Called block by block, it finds the nearest of any number.
    """
    known = np.concatenate([held[0], np.broadcast_to(ids, cosines.shape)], axis=1)
    alike = np.concatenate([held[1], cosines], axis=1)
    order = np.lexsort((known, -alike), axis=1)[:, :count]
    return np.take_along_axis(known, order, axis=1), np.take_along_axis(alike, order, axis=1)


def agreement(one: Numbers, other: Numbers) -> float:
    """The share of neighbours that both name, of the mean row: 1 where they are the same. (n, k) and (n, k) ids."""
    if one.shape != other.shape or not one.size:
        raise ValueError(f"neighbours of {one.shape} beside {other.shape}")
    common = [len(np.intersect1d(mine, theirs)) for mine, theirs in zip(one, other, strict=True)]
    return float(np.mean(common) / one.shape[1])


def digest(*parts: npt.NDArray | str) -> str:
    """SHA-256 (hex) of arrays and texts: the same parts in the same order give the same digest."""
    total = hashlib.sha256()
    for part in parts:
        if isinstance(part, str):
            content: bytes | memoryview = part.encode()
            head = f"text {len(part)}"
        else:
            content = np.ascontiguousarray(part).data.cast("B") if part.size else b""
            head = f"{part.dtype.str} {part.shape}"
        total.update(f"{head}\n".encode())
        total.update(content)
    return total.hexdigest()
