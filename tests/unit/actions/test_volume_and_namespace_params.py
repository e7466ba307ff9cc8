"""What playbooks may say to expand_volume, scale_namespace, run_cronjob and postgres_switchover."""

from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from remediator.actions.kubernetes import expand_volume, postgres_switchover, run_cronjob, scale_namespace
from remediator.clients.kubernetes.quantity import size


@pytest.mark.parametrize(
    ("given", "asked", "wanted"),
    [
        ({"by_percent": 25, "max_size": "1Ti"}, "8Gi", "10Gi"),
        ({"by": "20Gi", "max_size": "1Ti"}, "100Gi", "120Gi"),
        ({"by": "20Gi", "max_size": "110Gi"}, "100Gi", "110Gi"),
        ({"by": "1G", "max_size": "1T"}, "10G", "11G"),
        ({"to": "50Gi", "max_size": "50Gi"}, "10Gi", "50Gi"),
    ],
)
def test_a_volume_is_to_have(given: dict[str, Any], asked: str, wanted: str) -> None:
    assert expand_volume.Params.model_validate(given).wanted(asked) == wanted


def test_no_step_goes_past_the_maximum() -> None:
    params = expand_volume.Params(by_percent=1000, max_size="12345678901")
    assert size(params.wanted("10Gi")) == 12345678901


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"by": "5Gi"}, "max_size"),
        ({"max_size": "5Gi"}, "exactly one of by_percent, by and to"),
        ({"by": "5Gi", "to": "7Gi", "max_size": "9Gi"}, "exactly one of by_percent, by and to"),
        ({"by": "5GB", "max_size": "9Gi"}, "is no size"),
        ({"by": "-5Gi", "max_size": "9Gi"}, "is no size"),
        ({"by_percent": 0, "max_size": "9Gi"}, "greater than or equal to 1"),
        ({"to": "10Gi", "max_size": "9Gi"}, "is more than max_size"),
        ({"to": "5Gi", "max_size": "9Gi", "claim": "data"}, "Extra inputs"),
    ],
)
def test_what_means_nothing_is_refused(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        expand_volume.Params.model_validate(given)


def test_exceptions_are_written_as_except_and_survive_the_store() -> None:
    params = scale_namespace.Params.model_validate({"except": ["checkout"], "cronjobs": "suspend"})
    stored = params.model_dump(mode="json", by_alias=True)
    assert stored == {"except": ["checkout"], "cronjobs": "suspend"}
    assert scale_namespace.Params.model_validate(stored) == params


def test_cron_jobs_are_read_and_written_only_if_told() -> None:
    keep, suspend = scale_namespace.Params(), scale_namespace.Params(cronjobs="suspend")
    action = scale_namespace.ScaleNamespace()
    more = set(action.permissions("namespace", suspend)) - set(action.permissions("namespace", keep))
    assert {(one.resource, one.verb) for one in more} == {("cronjobs", "list"), ("cronjobs", "patch")}


def test_ten_minutes_of_quiet_unless_said() -> None:
    assert postgres_switchover.Params().quiet_for == timedelta(minutes=10)
    assert postgres_switchover.Params.model_validate({"quiet_for": "1h"}).quiet_for == timedelta(hours=1)


@pytest.mark.parametrize("given", [{"suspended": "maybe"}, {"name": "backup"}, {"image": "x"}])
def test_nothing_of_a_job_can_be_chosen(given: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        run_cronjob.Params.model_validate(given)


def test_none_of_them_is_undone_by_default_but_a_namespace_at_zero() -> None:
    """S24."""
    assert expand_volume.ExpandVolume().if_refuted(None) == "keep"
    assert run_cronjob.RunCronJob().if_refuted(None) == "keep"
    assert postgres_switchover.PostgresSwitchover().if_refuted(None) == "keep"
    assert scale_namespace.ScaleNamespace().if_refuted(None) == "undo"
