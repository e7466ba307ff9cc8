"""The cases of every action at AWS: each area's file has its own `CASES`."""

from importlib import import_module
from pkgutil import iter_modules

from tests.contract.aws import cases
from tests.contract.aws.case import AwsCase

AWS_CASES: tuple[AwsCase, ...] = tuple(
    case
    for module in sorted(one.name for one in iter_modules(cases.__path__) if one.name != "every")
    for case in import_module(f"{cases.__name__}.{module}").CASES
)
