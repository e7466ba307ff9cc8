"""``http_ok``: what a playbook may write, what a label can become, and how an answer is judged."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pydantic import ValidationError
from yarl import URL

from remediator.answers import Answer
from remediator.clients.http_answers import Response
from remediator.conditions.base import Known
from remediator.conditions.http_ok import Params, filled, judge
from remediator.playbooks.template import TemplateError

NOW = datetime(2026, 11, 25, tzinfo=UTC)


def known(**labels: str) -> Known:
    return Known(now=NOW, labels=labels)


@pytest.mark.parametrize(
    "url",
    [
        "https://shop.example.net",
        "http://checkout.shop.svc:8080/healthz",
        "https://[2001:db8::1]:8443/",
        "https://shop.example.net/orders/{{ labels.order }}/state",
        "https://shop.example.net/?pod={{ labels.pod }}&zone={{ labels.zone }}",
        "https://shop.example.net?pod={{ labels.pod }}",
    ],
)
def test_an_address_with_a_fixed_place_is_taken(url: str) -> None:
    assert Params(url=url).url == url


@pytest.mark.parametrize(
    ("given_", "says"),
    [
        ({"url": "{{ labels.url }}"}, "a label never chooses"),
        ({"url": "https://{{ labels.host }}/healthz"}, "a label never chooses"),
        ({"url": "https://shop{{ labels.x }}/"}, "a label never chooses"),
        ({"url": "https://shop.example.net{{ labels.x }}"}, "a label never chooses"),
        ({"url": "https://shop.example.net:{{ labels.port }}/"}, "a label never chooses"),
        ({"url": "{{ labels.scheme }}://shop.example.net/"}, "a label never chooses"),
        ({"url": "https://user:password@shop.example.net/"}, "a label never chooses"),
        ({"url": "ftp://shop.example.net/"}, "a label never chooses"),
        ({"url": "file:///etc/passwd"}, "a label never chooses"),
        ({"url": "https://shop.example.net/#{{ labels.x }}"}, "no #"),
        ({"url": "https://shop.example.net/a b"}, "no spaces"),
        ({"url": "https://shop.example.net/a\r\nHost: b"}, "no spaces"),
        ({"url": "https://shop.example.net/a/../b"}, "as a segment"),
        ({"url": "https://shop.example.net/{% if x %}"}, "template"),
        ({"url": "https://a.example/", "status": ["404-200"]}, "no range"),
        ({"url": "https://a.example/", "status": ["2xx"]}, "pattern"),
        ({"url": "https://a.example/", "status": []}, "at least 1"),
        ({"url": "https://a.example/", "timeout": "5m"}, "accepted: 100ms to 30s"),
        ({"url": "https://a.example/", "follow": "any"}, "same_host"),
        ({"url": "https://a.example/", "headers": {}}, "Extra inputs"),
    ],
)
def test_what_is_refused_at_load_and_why(given_: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        Params.model_validate(given_)


@given(st.text(min_size=1))
def test_a_label_stays_one_segment_and_one_value(value: str) -> None:
    assume(value not in (".", ".."))
    url = URL(filled("https://shop.example.net/a/{{ labels.x }}/b?p={{ labels.x }}&q=1", known(x=value)), encoded=True)
    assert url.origin() == URL("https://shop.example.net")
    assert url.raw_path.count("/") == 3
    assert list(url.query.keys()) == ["p", "q"]
    assert url.query["p"] == value
    assert not url.fragment


@pytest.mark.parametrize("value", [".", ".."])
def test_a_label_never_climbs_in_the_path(value: str) -> None:
    with pytest.raises(TemplateError, match="segment"):
        filled("https://shop.example.net/a/{{ labels.x }}/b", known(x=value))
    with pytest.raises(TemplateError, match="segment"):
        filled("https://shop.example.net/a/.{{ labels.x }}", known(x="."))


def test_a_label_that_is_missing_or_cannot_be_sent_is_told() -> None:
    with pytest.raises(TemplateError, match="no label"):
        filled("https://shop.example.net/{{ labels.x }}", known())
    with pytest.raises(TemplateError, match="surrogate"):
        filled("https://shop.example.net/{{ labels.x }}", known(x="\ud800"))


@pytest.mark.parametrize(
    ("params", "status", "body", "answer"),
    [
        ({}, 200, "", Answer.YES),
        ({}, 302, "", Answer.YES),
        ({}, 404, "", Answer.NO),
        ({}, 503, "", Answer.NO),
        ({"status": ["204", "401-403"]}, 403, "", Answer.YES),
        ({"status": ["204", "401-403"]}, 200, "", Answer.NO),
        ({"contains": "ready"}, 200, "is ready", Answer.YES),
        ({"contains": "ready"}, 200, "is not", Answer.NO),
        ({"contains": "ready"}, 500, "is ready", Answer.NO),
    ],
)
def test_an_answer_is_judged_by_its_code_and_text(
    params: dict[str, Any], status: int, body: str, answer: Answer
) -> None:
    read = Params.model_validate({"url": "https://shop.example.net/", **params})
    assert judge(read, Response(status, body), read.url).answer is answer
