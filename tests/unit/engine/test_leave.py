"""What settings must let a step do beyond changing its target; their silence is a no."""

import pytest

from remediator.actions import action_named
from remediator.engine.leave import not_let
from remediator.settings import Settings
from remediator.targets import Target

INSTANCE = Target.aws("123456789012", "eu-west-1", "ec2-instance", "i-0123456789abcdef0")
CHECKOUT = Target.kubernetes("prod", "shop", "deployment", "checkout")


def settings(documents: tuple[str, ...] = (), *, commands: bool = False) -> Settings:
    account = {"id": "123456789012", "regions": ["eu-west-1"], "documents": documents}
    return Settings.model_validate({"accounts": {"main": account}, "clusters": {"prod": {"commands": commands}}})


@pytest.mark.parametrize(
    ("documents", "code"),
    [((), "document_not_allowed"), (("Other",), "document_not_allowed"), (("Other", "RotateLogs"), None)],
)
def test_a_document_is_run_only_where_the_accounts_settings_list_it(
    documents: tuple[str, ...], code: str | None
) -> None:
    action = action_named("aws.ssm_run")
    params = action.params.model_validate({"document": "RotateLogs"})
    problem = not_let(settings(documents), action, INSTANCE, params)
    assert (None if problem is None else problem.code) == code


def test_of_an_account_that_settings_do_not_know_nothing_is_let() -> None:
    action = action_named("aws.ssm_run")
    elsewhere = Target.aws("444455556666", "eu-west-1", "ec2-instance", "i-0123456789abcdef0")
    problem = not_let(
        settings(("RotateLogs",)), action, elsewhere, action.params.model_validate({"document": "RotateLogs"})
    )
    assert problem is not None


@pytest.mark.parametrize(("commands", "code"), [(False, "commands_not_allowed"), (True, None)])
@pytest.mark.parametrize(
    ("name", "params"),
    [("kubernetes.exec", {"command": ["df"]}), ("evidence.redis_info", {})],
    ids=lambda one: str(one),
)
def test_a_command_is_run_in_a_pod_only_where_settings_let_it(
    name: str, params: dict[str, object], commands: bool, code: str | None
) -> None:
    action = action_named(name)
    problem = not_let(settings(commands=commands), action, CHECKOUT, action.params.model_validate(params))
    assert (None if problem is None else problem.code) == code


def test_what_only_changes_its_target_needs_no_further_leave() -> None:
    action = action_named("kubernetes.rollout_restart")
    assert not_let(settings(), action, CHECKOUT, action.params()) is None
