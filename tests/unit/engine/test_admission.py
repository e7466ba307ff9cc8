"""What a run's machine is told of its playbook."""

from datetime import timedelta
from typing import Any

from remediator.engine.admission import longest, shape_of
from remediator.settings import Settings
from tests.support.playbooks import playbook, remedy


def test_the_slowest_action_of_a_remedy_says_how_long_an_effect_may_take_and_the_run() -> None:
    settings = Settings()
    copies: list[dict[str, Any]] = [{"aws.rds_snapshot": {}}, {"aws.rds_promote_replica": {}}]
    found = playbook(remedies=[remedy(), remedy(name="copy-first", steps=copies)])
    shape = shape_of(found, mode="live", settings=settings)
    assert [one.effect_within for one in shape.remedies] == [timedelta(minutes=10), timedelta(hours=6)]
    quick = shape_of(playbook(), mode="live", settings=settings)
    assert longest(shape, settings) > timedelta(hours=12) > longest(quick, settings)
