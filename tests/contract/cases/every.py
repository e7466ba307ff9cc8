"""Every case of every action, an explicit list."""

from tests.contract.cases import workload_cases

CASES = (*workload_cases.CASES,)
