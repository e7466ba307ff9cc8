"""Who is calling (S1), asked over real HTTP."""

from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from remediator.errors import ConfigError
from remediator.settings import Settings
from remediator.web.auth import UNAUTHENTICATED, Auth
from tests.support.door import alert, body, door_settings, open_door

SOURCES = {
    "prod": {"credential": {"token": "prod-token"}},
    "staging": {"credential": {"username": "am", "password": "staging-password"}},
}
BEARER = "Bearer prod-token"
BASIC = "Basic " + b64encode(b"am:staging-password").decode()


@pytest.mark.parametrize(
    ("header", "path", "status", "source"),
    [
        (BEARER, "/webhook/alertmanager", 200, "prod"),
        (BEARER, "/webhook/alertmanager/", 200, "prod"),
        (BEARER, "/webhook/alertmanager/prod", 200, "prod"),
        (BEARER, "/webhook/alertmanager/prod/", 200, "prod"),
        ("bearer prod-token", "/webhook/alertmanager", 200, "prod"),
        (BASIC, "/webhook/alertmanager", 200, "staging"),
        (BASIC, "/webhook/alertmanager/staging", 200, "staging"),
        (BASIC, "/webhook/alertmanager/prod", 403, None),
        (BEARER, "/webhook/alertmanager/staging", 403, None),
        (BEARER, "/webhook/alertmanager/nobody", 403, None),
        (BEARER, "/webhook/alertmanager/manual", 403, None),
        (None, "/webhook/alertmanager", 401, None),
        (None, "/webhook/alertmanager/prod", 401, None),
        (None, "/webhook/alertmanager/nobody", 401, None),
        ("", "/webhook/alertmanager", 401, None),
        ("Bearer", "/webhook/alertmanager", 401, None),
        ("Bearer prod-toke", "/webhook/alertmanager", 401, None),
        ("Bearer prod-token2", "/webhook/alertmanager", 401, None),
        ("Bearer staging-password", "/webhook/alertmanager", 401, None),
        ("Basic prod-token", "/webhook/alertmanager", 401, None),
        ("Basic !!!", "/webhook/alertmanager", 401, None),
        ("Basic " + b64encode(b"am:wrong").decode(), "/webhook/alertmanager", 401, None),
        ("Bearer am:staging-password", "/webhook/alertmanager", 401, None),
        ("Digest prod-token", "/webhook/alertmanager", 401, None),
        ("Bearer pröd-tökén", "/webhook/alertmanager", 401, None),
    ],
)
async def test_the_credential_names_the_source(
    tmp_path: Path, header: str | None, path: str, status: int, source: str | None
) -> None:
    headers = {} if header is None else {"Authorization": header}
    async with open_door(tmp_path, door_settings(sources=SOURCES), headers=headers) as door:
        answered, answer = await door.post(body(alert("a")), path)
        assert answered == status
        assert door.rows("SELECT source FROM episodes") == ([] if source is None else [(source,)])
        if status != 200:
            assert answer["error"]
            assert "token" not in answer["error"] or "prod-token" not in answer["error"]


async def test_no_spelling_of_the_path_is_a_redirect(tmp_path: Path) -> None:
    async with open_door(tmp_path) as door:
        for path in (
            "/webhook/alertmanager",
            "/webhook/alertmanager/",
            "/webhook//alertmanager",
            "/webhook/alertmanager/prod//",
        ):
            async with door.client.post(path, data=body(alert("a")), allow_redirects=False) as response:
                assert response.status in (200, 404)
            async with door.client.get(path, allow_redirects=False) as response:
                assert response.status in (404, 405)


@pytest.mark.parametrize(
    ("sources", "path", "status", "source"),
    [
        ({}, "/webhook/alertmanager", 200, "default"),
        ({}, "/webhook/alertmanager/anything", 200, "anything"),
        ({}, "/webhook/alertmanager/manual", 403, None),
        ({}, "/webhook/alertmanager/Not_A_Name", 403, None),
        ({"prod": {}}, "/webhook/alertmanager", 200, "prod"),
        ({"prod": {}}, "/webhook/alertmanager/other", 403, None),
        ({"prod": {}, "staging": {}}, "/webhook/alertmanager", 200, "default"),
        ({"prod": {}, "staging": {}}, "/webhook/alertmanager/staging", 200, "staging"),
    ],
)
async def test_without_authentication_the_path_names_the_source(
    tmp_path: Path, sources: dict[str, Any], path: str, status: int, source: str | None
) -> None:
    settings = door_settings(sources=sources)
    async with open_door(tmp_path, settings, insecure_no_auth=True, headers={}) as door:
        assert (await door.post(body(alert("a")), path))[0] == status
        assert door.rows("SELECT source FROM episodes") == ([] if source is None else [(source,)])


def refused(**given: Any) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        Auth(Settings.model_validate(given))
    return caught.value


def test_starting_without_a_credential_is_refused_with_the_way_out() -> None:
    assert "--insecure-no-auth" in str(refused())
    error = refused(sources={"prod": {"credential": {"token": "x"}}, "open": {}})
    assert "sources.open" in str(error)
    Auth(Settings(), insecure_no_auth=True)


def test_two_sources_with_one_credential_are_refused() -> None:
    error = refused(sources={"a": {"credential": {"token": "same"}}, "b": {"credential": {"token": "same"}}})
    assert "sources.a" in str(error) and "sources.b" in str(error)
    assert "same credential" in str(error)
    basic = {"credential": {"username": "u", "password": "p"}}
    refused(sources={"a": basic, "b": basic})
    Auth(Settings.model_validate({"sources": {"a": basic, "b": {"credential": {"username": "v", "password": "p"}}}}))


def test_a_sources_credential_must_not_open_the_api() -> None:
    error = refused(sources={"a": {"credential": {"token": "same"}}}, api_tokens=[{"name": "ann", "token": "same"}])
    assert "api_tokens (ann)" in str(error)


def test_secrets_come_from_files_too(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("from-a-file\n")
    auth = Auth(Settings.model_validate({"sources": {"a": {"credential": {"token_file": tmp_path / "token"}}}}))
    request = make_mocked_request("POST", "/webhook/alertmanager", headers={"Authorization": "Bearer from-a-file"})
    assert auth.authenticate_webhook(request) == "a"


def test_the_api_knows_people_by_their_tokens() -> None:
    auth = Auth(door_settings(api_tokens=[{"name": "ann", "token": "anns"}, {"name": "bob", "token": "bobs"}]))

    def caller(header: str) -> str:
        return auth.authenticate_api(make_mocked_request("GET", "/api/v1/runs", headers={"Authorization": header}))

    assert (caller("Bearer anns"), caller("Bearer bobs")) == ("ann", "bob")
    for wrong in ("", "Bearer nobodys", "Bearer a-token-for-tests", "Basic anns"):
        with pytest.raises(web.HTTPUnauthorized):
            caller(wrong)


def test_the_insecure_flag_opens_the_api_only_while_there_are_no_tokens() -> None:
    request = make_mocked_request("GET", "/api/v1/runs")
    assert Auth(Settings(), insecure_no_auth=True).authenticate_api(request) == UNAUTHENTICATED
    with_tokens = Auth(door_settings(api_tokens=[{"name": "ann", "token": "anns"}]), insecure_no_auth=True)
    with pytest.raises(web.HTTPUnauthorized):
        with_tokens.authenticate_api(request)
