"""A condition of one kind of target knows nothing of others, asks nothing for them, and never answers yes or no."""

from typing import Any

import pytest

from remediator.answers import Answer
from remediator.conditions import condition_named
from remediator.conditions.base import Known, World
from remediator.targets import Target
from tests.support.clock import T0

CHECKOUT = Target.kubernetes("prod", "shop", "deployment", "checkout")


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("volume_expandable", {"max_size": "10Gi"}),
        ("volume_resized", {}),
        ("job_running", {}),
        ("job_complete", {}),
        ("scaled_to_zero", {}),
        ("sizes_as_before", {}),
        ("cnpg_standby_streaming", {}),
        ("cnpg_primary_changed", {}),
        ("cnpg_healthy", {}),
        ("recent_failover", {"within": "1h"}),
        ("rds_available", {}),
        ("rds_multi_az", {}),
        ("rds_restorable", {"within": "10m"}),
        ("rds_writer_changed", {}),
        ("rds_snapshot_available", {"within": "1d"}),
        ("aurora_reader_available", {}),
        ("replica_lag", {"at_most": "1s"}),
        ("issuer_ready", {}),
        ("certificate_failed", {"within": "1d"}),
        ("certificate_expires", {"within": "2d"}),
        ("certificate_renewed", {}),
    ],
)
async def test_of_another_kind_nothing_is_known(name: str, params: dict[str, Any]) -> None:
    condition = condition_named(name)
    chosen = condition.params.model_validate(params)
    assert condition.permissions("deployment", chosen) == ()
    nothing_to_ask: Any = None
    looked = await condition.look(World(nothing_to_ask, None, None), CHECKOUT, chosen, Known(T0, {}))
    assert looked.answer is Answer.UNKNOWN
