"""Every case of every action, an explicit list."""

from tests.contract.cases import (
    volume_cases,
    workload_cases,
)

CASES = (
    *workload_cases.CASES,
    *volume_cases.CASES,
)
