"""Every case of every action, an explicit list."""

from tests.contract.cases import (
    autoscaler_cases,
    certificate_cases,
    job_cases,
    look_cases,
    namespace_cases,
    node_cases,
    pod_cases,
    postgres_cases,
    volume_cases,
    workload_cases,
)

CASES = (
    *workload_cases.CASES,
    *autoscaler_cases.CASES,
    *look_cases.CASES,
    *volume_cases.CASES,
    *job_cases.CASES,
    *pod_cases.CASES,
    *node_cases.CASES,
    *postgres_cases.CASES,
    *namespace_cases.CASES,
    *certificate_cases.CASES,
)
