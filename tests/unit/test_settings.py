"""What is wrong with settings is told with the place that gave it: file and line, variable, or command line; never with a value."""

from pathlib import Path

import pytest

from remediator.errors import ConfigError
from remediator.settings import Settings, load_settings


def refused(path: Path | None = None, /, **environ: str) -> str:
    with pytest.raises(ConfigError) as error:
        load_settings(path, environ)
    return str(error.value)


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "remediator.yaml"
    path.write_text(text)
    return path


@pytest.mark.parametrize("text", ["hello", "- a\n- b", "5", "true"])
def test_a_file_that_is_no_mapping_is_refused_with_its_line(tmp_path: Path, text: str) -> None:
    path = written(tmp_path, text)
    assert refused(path) == f"{path}:1: not a mapping (accepted: key: value pairs)"


@pytest.mark.parametrize("text", ["", "# nothing yet\n", "{}"])
def test_an_empty_file_is_the_defaults(tmp_path: Path, text: str) -> None:
    assert load_settings(written(tmp_path, text), {}) == Settings()


def test_a_mistake_in_a_variable_names_the_variable_and_not_the_file(tmp_path: Path) -> None:
    path = written(tmp_path, "listen: {host: 0.0.0.0}")
    assert refused(path, REMEDIATOR_LISTEN__PORT="abc").startswith("REMEDIATOR_LISTEN__PORT: listen.port: ")
    assert refused(path, REMEDIATOR_LISTEN__PROT="1").startswith("REMEDIATOR_LISTEN__PROT: listen.prot: unknown key")
    inside = refused(path, REMEDIATOR_CLUSTERS="{trial: {namespaces: [shop, 5]}}")
    assert inside.startswith("REMEDIATOR_CLUSTERS: clusters.trial.namespaces[1]: ")


def test_a_mistake_in_the_file_keeps_its_line_beside_variables_that_are_right(tmp_path: Path) -> None:
    path = written(tmp_path, "mode: dry-run\nlisten:\n  port: abc\n")
    assert refused(path, REMEDIATOR_LISTEN__HOST="0.0.0.0").startswith(f"{path}:3: listen.port: ")


def test_a_mistake_on_the_command_line_says_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"^command line: listen\.port: "):
        load_settings(None, {}, {"listen.port": 70_000})


def test_a_secret_file_that_is_missing_is_told_where_it_was_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = written(tmp_path, "api_tokens: [{name: ann, token_file: ann.token}]")
    assert f"token_file {tmp_path}/ann.token cannot be read: No such file" in refused(path)


@pytest.mark.parametrize("namespace", ["'*'", "Shop", "shop_1", "''", "'shop/x'"])
def test_a_namespace_that_no_cluster_can_have_is_refused(tmp_path: Path, namespace: str) -> None:
    path = written(tmp_path, f"clusters:\n  trial:\n    namespaces: [shop, {namespace}]")
    assert refused(path).startswith(f"{path}:3: clusters.trial.namespaces[1]: not in the accepted form")


@pytest.mark.parametrize(
    "url", ["nope", "ftp://x", "https://", "https://ann:hunter2@x/", "https://x /y", "http://x/?a=b"]
)
@pytest.mark.parametrize(
    ("place", "text"),
    [
        ("external_url", "external_url: '{}'"),
        ("pagerduty.url", "pagerduty: {{url: '{}'}}"),
        ("clusters.trial.prometheus.url", "clusters: {{trial: {{prometheus: {{url: '{}'}}}}}}"),
        ("sources.trial.alertmanager.urls[0]", "sources: {{trial: {{alertmanager: {{urls: ['{}']}}}}}}"),
    ],
)
def test_an_address_that_nothing_could_be_sent_to_is_refused(tmp_path: Path, place: str, text: str, url: str) -> None:
    said = refused(written(tmp_path, text.format(url)))
    assert f":1: {place}: " in said
    assert "hunter2" not in said


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:9090", "http://[::1]:9090/", "https://prometheus.example/prefix/", "http://p.monitoring"]
)
def test_an_address_may_have_a_port_and_a_path(tmp_path: Path, url: str) -> None:
    found = load_settings(written(tmp_path, f"external_url: '{url}'\npagerduty: {{url: '{url}'}}"), {})
    assert (found.external_url, found.pagerduty.url) == (url, url)


@pytest.mark.parametrize(
    ("retention", "reopen_within", "least"), [("23h", "30m", "1d"), ("2d", "3d", "3d"), ("0s", "30m", "1d")]
)
def test_what_may_return_is_not_removed_before(tmp_path: Path, retention: str, reopen_within: str, least: str) -> None:
    text = f"store: {{retention: {retention}}}\nescalation: {{reopen_within: {reopen_within}}}"
    assert f"store.retention must be at least {least}" in refused(written(tmp_path, text))
    kept = load_settings(written(tmp_path, text.replace(retention, least, 1)), {})
    assert kept.store.retention >= kept.escalation.reopen_within


def test_a_password_in_the_stores_address_is_never_shown() -> None:
    settings = Settings.model_validate({"store": {"url": "postgresql://remediator:hunter22@db.example.com/remediator"}})
    assert "hunter22" not in f"{settings!r} {settings} {settings.store!r} {settings.store.shown}"


ACCOUNT = """
accounts:
  main: {id: "111122223333", aliases: [prod], regions: [eu-central-1], targets: [%s]%s}
  second: {id: "222222222222", regions: [us-east-1]}
sources:
  trial: {account: %s, region: %s, credential: {token: abcdefabcdefabcd}}
"""


def account(targets: str = "", more: str = "", named: str = "main", region: str = "eu-central-1") -> str:
    return ACCOUNT % (targets, more, named, region)


@pytest.mark.parametrize(
    "pattern",
    [
        "rds-instance/orders",
        "'rds-instance/orders-*'",
        "'elasticache-group/*'",
        "ecs-service/main/Checkout",
        "'ecs-service/*'",
        "'ecs-service/main/*'",
        "'route53-record/example.com/*.example.com:A'",
        "route53-record/example.com/app.example.com:CNAME",
        "'waf-address/regional:blocked/*'",
        "'*/*'",
    ],
)
def test_what_an_account_lists_may_be_a_pattern(tmp_path: Path, pattern: str) -> None:
    assert load_settings(written(tmp_path, account(pattern)), {}).accounts["main"].targets == (pattern.strip("'"),)


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        ("orders", "must be <kind>/<name>; kinds: acm-certificate, asg"),
        ("rds_instance/orders", "must be <kind>/<name>; kinds: acm-certificate, asg"),
        ("rds-instance/", "has no name behind the kind"),
        ("rds-instance/main/orders", "must be rds-instance/<name>"),
        ("'rds-instance/*/orders'", "must be rds-instance/<name>"),
        ("ecs-service/checkout", "must be ecs-service/<ecs-cluster>/<name>"),
        ("ecs-service/a/b/c", "must be ecs-service/<ecs-cluster>/<name>"),
        ("rds-instance/Orders", "is never called so; write rds-instance/orders"),
        ("'rds-instance/Orders*'", "lower case"),
        ("rds-instance/under_score", "is not a valid name"),
        ("waf-address/regional:blocked/2001:DB8::1", "write waf-address/regional:blocked/2001:db8::1"),
    ],
)
def test_what_an_account_lists_and_nothing_is_called_is_refused(tmp_path: Path, pattern: str, why: str) -> None:
    """It would admit nothing, and say so to nobody before an alert comes."""
    said = refused(written(tmp_path, account(pattern)))
    assert ": accounts.main: targets: " in said
    assert why in said


def test_an_account_is_not_called_by_the_number_of_another(tmp_path: Path) -> None:
    said = refused(written(tmp_path, account().replace("[prod]", '["999999999999"]')))
    assert "'999999999999' names an account whose id is another" in said


def test_a_role_is_of_its_account(tmp_path: Path) -> None:
    other = ', role_arn: "arn:aws:iam::222222222222:role/remediator"'
    assert "role_arn is of another account than id 111122223333" in refused(written(tmp_path, account(more=other)))
    load_settings(written(tmp_path, account(more=other.replace("222222222222", "111122223333"))), {})
    assert "external_id has no effect" in refused(written(tmp_path, account(more=", external_id: x")))


def test_a_source_names_a_region_of_its_account(tmp_path: Path) -> None:
    said = refused(written(tmp_path, account(region="us-east-1")))
    assert "source 'trial' names region 'us-east-1', which account 'main' does not list" in said


@pytest.mark.parametrize(
    ("text", "accepted"),
    [
        ("accounts: {main: {region: [x]}}", "did you mean regions? accepted: id, aliases, regions"),
        ("clusters: {trial: {namespace: [shop]}}", "did you mean namespaces? accepted: aliases, "),
        ("sources: {trial: {clusters: x}}", "did you mean cluster? accepted: credential, cluster"),
    ],
)
def test_an_unknown_key_of_something_named_tells_which_there_are(tmp_path: Path, text: str, accepted: str) -> None:
    assert accepted in refused(written(tmp_path, text))
