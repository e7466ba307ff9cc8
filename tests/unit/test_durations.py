from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from remediator.durations import Duration, format_duration, parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0s", 0),
        ("0", 0),
        ("500ms", 0.5),
        ("30s", 30),
        ("15m", 900),
        ("1h30m", 5400),
        ("1d", 86400),
        ("2w", 1209600),
        ("1y", 31536000),
        ("1h0m1s", 3601),
    ],
)
def test_prometheus_durations_are_read(text: str, seconds: float) -> None:
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "text", ["", "5", "1.5h", "-5m", "30m1h", "5m5m", "5 m", "1H", "5min", "\u0665m", "5m ", "\n5m"]
)
def test_anything_else_is_refused_with_what_is_accepted(text: str) -> None:
    with pytest.raises(ValueError, match=r"accepted: .*1h30m"):
        parse_duration(text)


def test_durations_that_prometheus_cannot_hold_are_refused() -> None:
    with pytest.raises(ValueError, match="292y"):
        parse_duration("300y")
    with pytest.raises(ValueError, match="accepted"):
        parse_duration("9" * 5000 + "s")


@pytest.mark.parametrize(
    ("duration", "text"),
    [
        (timedelta(0), "0s"),
        (timedelta(minutes=90), "1h30m"),
        (timedelta(hours=24), "1d"),
        (timedelta(hours=36), "36h"),
        (timedelta(days=14), "2w"),
        (timedelta(seconds=1, milliseconds=5), "1s5ms"),
        (timedelta(microseconds=1600), "2ms"),
    ],
)
def test_durations_are_written_as_prometheus_does(duration: timedelta, text: str) -> None:
    assert format_duration(duration) == text


def test_a_negative_duration_is_not_written() -> None:
    with pytest.raises(ValueError, match="negative"):
        format_duration(timedelta(seconds=-1))


@given(st.integers(min_value=0, max_value=200 * 365 * 86_400_000).map(lambda ms: timedelta(milliseconds=ms)))
def test_written_durations_are_read_back(duration: timedelta) -> None:
    assert parse_duration(format_duration(duration)) == duration


class Model(BaseModel):
    lasts: Duration


def test_the_pydantic_type_takes_text_or_timedelta_and_writes_text() -> None:
    assert Model(lasts=timedelta(minutes=5)) == Model.model_validate({"lasts": "5m"})
    assert Model.model_validate({"lasts": "90m"}).model_dump(mode="json") == {"lasts": "1h30m"}
    assert Model.model_json_schema()["properties"]["lasts"]["pattern"].startswith("^")


@pytest.mark.parametrize("value", [5, 5.0, True, None, "soon", timedelta(seconds=-1)])
def test_the_pydantic_type_refuses_numbers_and_nonsense(value: object) -> None:
    with pytest.raises(ValidationError, match="duration"):
        Model.model_validate({"lasts": value})
