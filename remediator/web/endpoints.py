"""Every route of the API in one table: what it is called, what it takes, what it gives, what it does.

Routes and OpenAPI document are both made from it, so that they cannot differ.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ValidationError

from remediator.engine.explain import Explainer
from remediator.engine.explanation import Explanation
from remediator.engine.operate import Operations
from remediator.engine.refused import InvalidOrderError
from remediator.validation_words import explain
from remediator.web import api_answers as answers
from remediator.web import api_orders as orders

_M = TypeVar("_M", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Asked:
    """One authenticated request, and what can answer it."""

    operations: Operations
    explainer: Explainer
    by: str
    """Who asks: the name of the token."""
    id: str
    """The id in the path; empty where the path has none."""
    query: Mapping[str, str]
    document: Any
    """The body, decoded; None where there is none."""

    def body(self, model: type[_M]) -> _M:
        """The body as this model.

        Raises:
            InvalidOrderError: names every field that is wrong, and what is accepted there.
        """
        return _read(model, self.document, "body")

    def parameters(self, model: type[_M]) -> _M:
        """The query as this model; raises like ``body``."""
        return _read(model, dict(self.query), "query")


Handle = Callable[[Asked], Awaitable[BaseModel]]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One route below ``/api/v1``."""

    method: Literal["GET", "POST"]
    path: str
    summary: str
    gives: type[BaseModel]
    handle: Handle
    body: type[BaseModel] | None = None
    query: type[BaseModel] | None = None


async def _incidents(asked: Asked) -> BaseModel:
    query = asked.parameters(orders.IncidentsQuery)
    states = () if query.state is None else (query.state,)
    found = await asked.operations.records.incidents(states=states, limit=query.limit)
    return answers.Incidents(incidents=[answers.Incident.model_validate(one) for one in found])


async def _incident(asked: Asked) -> BaseModel:
    return answers.IncidentDetail.of(await asked.operations.records.incident(asked.id))


async def _runs(asked: Asked) -> BaseModel:
    query = asked.parameters(orders.RunsQuery)
    states = () if query.state is None else (query.state,)
    found = await asked.operations.records.runs(states=states, incident_id=query.incident, limit=query.limit)
    return answers.Runs(runs=[answers.Run.model_validate(one) for one in found])


async def _run(asked: Asked) -> BaseModel:
    return answers.RunDetail.of(await asked.operations.records.run(asked.id))


async def _decisions(asked: Asked) -> BaseModel:
    query = asked.parameters(orders.DecisionsQuery)
    found = await asked.operations.records.decisions(
        incident_id=query.incident, episode_id=query.episode, limit=query.limit
    )
    return answers.Decisions(decisions=[answers.Decision.model_validate(one) for one in found])


async def _playbooks(asked: Asked) -> BaseModel:
    found = await asked.operations.records.playbooks()
    status = await asked.operations.records.status()
    return answers.Playbooks(set_hash=status.set_hash, playbooks=[answers.Playbook.of(one) for one in found])


async def _pauses(asked: Asked) -> BaseModel:
    return answers.Pauses(pauses=[answers.Pause.model_validate(one) for one in await asked.operations.records.pauses()])


async def _status(asked: Asked) -> BaseModel:
    return answers.Status.model_validate(await asked.operations.records.status())


async def _approve(asked: Asked) -> BaseModel:
    order = asked.body(orders.ApproveOrder)
    return answers.Ordered.model_validate(await asked.operations.approve(asked.id, order.plan, asked.by, order.reason))


async def _reject(asked: Asked) -> BaseModel:
    order = asked.body(orders.ReasonOrder)
    return answers.Ordered.model_validate(await asked.operations.reject(asked.id, asked.by, order.reason))


async def _cancel(asked: Asked) -> BaseModel:
    order = asked.body(orders.ReasonOrder)
    return answers.Ordered.model_validate(await asked.operations.cancel(asked.id, asked.by, order.reason))


async def _answer(asked: Asked) -> BaseModel:
    order = asked.body(orders.AnswerOrder)
    return answers.Ordered.model_validate(await asked.operations.answer(asked.id, order.said, asked.by, order.reason))


async def _pause(asked: Asked) -> BaseModel:
    order = asked.body(orders.PauseOrder)
    return answers.Paused.model_validate(
        await asked.operations.pause(order.scope, asked.by, order.reason, order.remind)
    )


async def _resume(asked: Asked) -> BaseModel:
    order = asked.body(orders.ResumeOrder)
    return answers.Resumed.model_validate(await asked.operations.resume(order.scope, asked.by))


async def _explain(asked: Asked) -> BaseModel:
    order = asked.body(orders.ExplainOrder)
    return await asked.explainer.explain(order.alert, source=order.source)


ENDPOINTS = (
    Endpoint(
        "GET", "/incidents", "Incidents, newest first.", answers.Incidents, _incidents, query=orders.IncidentsQuery
    ),
    Endpoint("GET", "/incidents/{id}", "Everything about one incident.", answers.IncidentDetail, _incident),
    Endpoint("GET", "/runs", "Runs, newest first.", answers.Runs, _runs, query=orders.RunsQuery),
    Endpoint("GET", "/runs/{id}", "One run with its journal and its approval request.", answers.RunDetail, _run),
    Endpoint(
        "GET", "/decisions", "Decisions, newest first.", answers.Decisions, _decisions, query=orders.DecisionsQuery
    ),
    Endpoint("GET", "/playbooks", "The active set and the autonomy in force.", answers.Playbooks, _playbooks),
    Endpoint("GET", "/pauses", "Pauses that stand, and effects that they could not stop.", answers.Pauses, _pauses),
    Endpoint("GET", "/status", "The service at one glance.", answers.Status, _status),
    Endpoint("POST", "/runs/{id}/approve", "Say yes to a plan.", answers.Ordered, _approve, orders.ApproveOrder),
    Endpoint("POST", "/runs/{id}/reject", "Say no.", answers.Ordered, _reject, orders.ReasonOrder),
    Endpoint("POST", "/runs/{id}/cancel", "Begin nothing more.", answers.Ordered, _cancel, orders.ReasonOrder),
    Endpoint(
        "POST", "/runs/{id}/answer", "Answer a run that needs a person.", answers.Ordered, _answer, orders.AnswerOrder
    ),
    Endpoint("POST", "/pause", "Begin no effect in a scope.", answers.Paused, _pause, orders.PauseOrder),
    Endpoint("POST", "/resume", "End a pause.", answers.Resumed, _resume, orders.ResumeOrder),
    Endpoint("POST", "/explain", "What would be decided, and why.", Explanation, _explain, orders.ExplainOrder),
)


def _read(model: type[_M], given: Any, where: str) -> _M:
    if not isinstance(given, dict):
        raise InvalidOrderError(where, "a JSON object is needed", "keys " + ", ".join(model.model_fields))
    try:
        return model.model_validate(given)
    except ValidationError as error:
        problems = explain(error, model, given)
        said = "; ".join(
            f"{'.'.join(map(str, one.path)) or where}: {one.message}" + (f" ({one.remedy})" if one.remedy else "")
            for one in problems
        )
        raise InvalidOrderError(where, said) from None
