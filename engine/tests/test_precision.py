"""What a processor is fit for, by the text of /proc/cpuinfo."""

import pytest

from engine.precision import usual

HEAD = "processor\t: 0\nvendor_id\t: GenuineIntel\nflags\t\t: fpu sse2 avx2"


@pytest.mark.parametrize(
    ("cpuinfo", "precision"),
    [
        pytest.param(f"{HEAD} avx512f avx512_bf16 avx512_vnni\nbugs\t:\n", "fast", id="Zen 4, Cooper Lake"),
        pytest.param(f"{HEAD} amx_tile amx_bf16 amx_int8\n", "fast", id="Sapphire Rapids"),
        pytest.param(f"{HEAD} avx512f avx512_vnni\n", "full", id="AVX-512 without bfloat16"),
        pytest.param(f"{HEAD}\nbugs\t: avx512_bf16\n", "full", id="the word elsewhere"),
        pytest.param("processor\t: 0\nFeatures\t: fp asimd bf16\n", "full", id="ARM"),
        pytest.param("", "full", id="nothing known"),
    ],
)
def test_the_usual_precision_is_fast_where_the_processor_has_bfloat16(cpuinfo, precision):
    assert usual(cpuinfo) == precision
