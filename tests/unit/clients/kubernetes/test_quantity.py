"""Sizes of volumes are exact, and are written as their owner writes them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remediator.clients.kubernetes.quantity import grown, size, written


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("10Gi", 10 * 1024**3),
        ("1.5Gi", 1536 * 1024**2),
        ("1500M", 1_500_000_000),
        ("5e9", 5_000_000_000),
        ("1024", 1024),
        ("0.1k", 100),
        ("1500m", 2),
    ],
)
def test_a_size_is_so_many_bytes(text: str, wanted: int) -> None:
    assert size(text) == wanted


@pytest.mark.parametrize(
    "text", ["", "Gi", "10 Gi", "10GB", "-1Gi", "0", "0Gi", "1e99", "9Ei", "NaN", "1_0Gi", "\u0661Gi"]
)
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no size"):
        size(text)


@pytest.mark.parametrize(
    ("text", "percent", "wanted"),
    [
        ("10Gi", 25, "12800Mi"),
        ("8Gi", 25, "10Gi"),
        ("10G", 25, "12500M"),
        ("1.5Gi", 10, "1690Mi"),
        ("10737418240", 50, "15Gi"),
        ("10000000000", 50, "15G"),
    ],
)
def test_percent_are_rounded_up_and_written_in_the_same_units(text: str, percent: int, wanted: str) -> None:
    assert written(grown(text, percent), like=text) == wanted


@given(st.integers(1, 2**62), st.sampled_from(["10Gi", "10G"]))
def test_what_is_written_is_the_same_size(number: int, like: str) -> None:
    assert size(written(number, like=like)) == number


@given(st.integers(1, 10**6), st.sampled_from(["Ki", "Mi", "Gi", "M", "G"]), st.integers(1, 1000))
def test_growing_never_shrinks(number: int, suffix: str, percent: int) -> None:
    assert grown(f"{number}{suffix}", percent) >= size(f"{number}{suffix}") * (100 + percent) // 100
