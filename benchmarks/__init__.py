"""Each hot path beside the obvious alternative, in one run: machines are noisy, ratios hold.

    ./ost bench                 all of them
    ./ost bench scoring         one of them

A benchmark module has `measure() -> Iterator[Row]`. It works on data it makes itself, in a database of its own.
"""
