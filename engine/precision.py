"""How exactly the local model reckons, and what a processor is fit for."""

import re

FULL, FAST, BULK = "full", "fast", "bulk"
PRECISIONS = (FULL, FAST, BULK)
BFLOAT16 = {"avx512_bf16", "amx_bf16"}


def usual(cpuinfo: str) -> str:
    """The precision for a machine, from the text of /proc/cpuinfo: `fast` where it has instructions for bfloat16.

    Without them it brings less, and sentence-transformers is what everybody can check.
    """
    flags = re.search(r"^flags\s*:(.*)$", cpuinfo, re.MULTILINE)
    return FAST if flags and BFLOAT16 & set(flags[1].split()) else FULL
