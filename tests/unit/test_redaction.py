"""What logs usually leak is taken out before it is kept; what is harmless stays readable."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remediator.redaction import REDACTED, first_of, last_of, redacted

SECRET = "hunter2-Zq9"
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"
KEY = "-----BEGIN RSA PRIVATE KEY-----\nMIIEowIBAAKCAQEA7bq0\nq83vEjXyQw2c1mJZhunter2\n-----END RSA PRIVATE KEY-----"


@pytest.mark.parametrize(
    "text",
    [
        f"password={SECRET}",
        f"DB_PASSWORD={SECRET} DB_HOST=db",
        f"passwd: {SECRET}",
        f'{{"level": "info", "password": "{SECRET}", "user": "bob"}}',
        f'{{"msg": "{{\\"password\\":\\"{SECRET}\\",\\"user\\":\\"bob\\"}}"}}',
        f'{{"client_secret":"a \\"quoted\\" {SECRET}"}}',
        f"{{'api_key': '{SECRET}'}}",
        f"api-key => {SECRET}",
        f"X-Api-Key: {SECRET}",
        f"aws_secret_access_key = {SECRET}/abc+def",
        f"secretAccessKey={SECRET}",
        f"connecting with --password {SECRET} --host db",
        f"mysql --db-password={SECRET}",
        f"Authorization: Bearer {SECRET}",
        f"authorization: Basic dXNlcjpw{SECRET}",
        f"> proxy-authorization: Digest username=x, response={SECRET}",
        f"curl -H 'Authorization: token {SECRET}' https://example.net",
        f"sent bearer {SECRET}",
        f"Set-Cookie: session={SECRET}; HttpOnly",
        f"postgres://app:{SECRET}@db:5432/shop",
        f"amqp://app:a@b{SECRET}@mq/",
        f"redis://:{SECRET}@cache:6379/0",
        f"https://user:a/b{SECRET}@example.net/",
        f"GET /callback?access_token={SECRET}&state=1",
        f"DefaultEndpointsProtocol=https;AccountKey={SECRET}==;",
        f"\x1b[36mpassword\x1b[0m=\x1b[35m{SECRET}\x1b[0m",
        f"token = '''{SECRET}",
        f"smtp_pass={SECRET}",
        f'{{"pass": "{SECRET}"}}',
        f"https://acct.blob.example.net/c/b?sv=2024&sig={SECRET}%3D&se=1",
        f"<db:password type='text'>{SECRET}</db:password>",
        f"POST https://hooks.slack.com/services/T0/B0/{SECRET} 200",
        f"using sk-proj-{SECRET}abcdef",
    ],
)
def test_a_secret_does_not_stay(text: str) -> None:
    kept = redacted(text)
    assert SECRET not in kept
    assert REDACTED in kept


@pytest.mark.parametrize(
    "secret",
    [
        JWT,
        JWT[:40],
        "AKIAIOSFODNN7EXAMPLE",
        "ghp_0123456789abcdefghijABCDEFGHIJ012345",
        "xoxb-123456789012-abcdefABCDEF",
    ],
)
def test_a_secret_is_known_by_its_own_form(secret: str) -> None:
    assert redacted(f"seen {secret} here") == f"seen {REDACTED} here"


@pytest.mark.parametrize("text", [KEY, KEY.partition("\n")[2], KEY.rpartition("\n")[0], KEY.replace("\n", "\r\n")])
def test_a_private_key_goes_also_where_the_text_begins_or_ends_within_it(text: str) -> None:
    kept = redacted(f"loaded\n{text}\n")
    assert "q83vEjXyQw2c1mJZhunter2" not in kept
    assert kept.startswith("loaded")


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-25T10:00:00Z ERROR could not connect to db:5432: connection refused",
        "panic: runtime error: index out of range [3] with length 3\n\tgoroutine 1 [running]:",
        "GET https://example.net/orders/42?page=2 500 in 12 ms",
        'secret "db-credentials" not found',
        "kube-token reader started",
        "OOMKilled (exit code 137)",
        "java.lang.OutOfMemoryError: Java heap space",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert redacted(text) == text


def test_what_cannot_be_printed_is_shown_escaped() -> None:
    assert (
        redacted("a\x00b\x1b]0;title\x07\u202ec\ud800\rd\n\te") == "a\\x00b\\x1b]0;title\\x07\\u202ec\\ud800\\rd\n\te"
    )


@given(st.text(), st.text())
def test_a_password_never_stays_whatever_stands_around_it(before: str, after: str) -> None:
    kept = redacted(f"{before}\npassword={SECRET} {after}")
    assert SECRET not in kept
    assert all(one in "\n\t" or one.isprintable() for one in kept)


@pytest.mark.parametrize(
    "piece", ["a" * 64 + "\n", "password=", "eyJ", "x://y:", "\\\"'", "-----BEGIN PRIVATE KEY-----\n"]
)
def test_hostile_text_costs_no_time(piece: str) -> None:
    text = piece * (65536 // len(piece))
    begun = time.monotonic()
    redacted(text)
    assert time.monotonic() - begun < 2.0


def test_a_log_is_cut_at_its_beginning_and_whole_lines_stay() -> None:
    assert last_of("one\ntwo\nthree", 20) == "one\ntwo\nthree"
    assert last_of("one\ntwo\nthree", 7) == "[cut: the last 5 of 13 characters]\nthree"
    assert first_of("abcdef", 3) == "abc\n[cut at 3 of 6 characters]"
