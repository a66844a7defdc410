"""The routes of a case type: list, read, history, open, and one route per transition, each with its form."""

from collections.abc import Callable, Mapping
from functools import cache
from types import MappingProxyType
from typing import Any

from apispec import APISpec
from apispec.ext.marshmallow import MarshmallowPlugin
from apispec.ext.marshmallow.openapi import OpenAPIConverter
from flask import Response, url_for
from marshmallow import Schema, fields
from sqlalchemy import ColumnElement

from citybus.cases.forms import Form, History, Option
from citybus.cases.perform import Cases
from citybus.http.access import caller, requires
from citybus.http.commands import command, reply, show, transaction
from citybus.http.openapi import versioned
from citybus.http.paging import PageQuery, page, page_schema
from citybus.http.parsing import Blueprint
from citybus.http.versions import expected_version


@cache
def json_schema(form: type[Schema]) -> dict[str, Any]:
    """Return the JSON Schema of a form, complete in itself."""
    # A schema without a name is written out in place.
    plugin = MarshmallowPlugin(schema_name_resolver=lambda _schema: "")
    spec = APISpec(title="form", version="1", openapi_version="3.1.0", plugins=[plugin])
    converter = OpenAPIConverter("3.1.0", schema_name_resolver=lambda _schema: "", spec=spec)
    found: dict[str, Any] = converter.schema2jsonschema(form())  # type: ignore[no-untyped-call]  # apispec types it in part
    return found


def blueprint(
    cases: Cases,
    *,
    query: type[PageQuery] = PageQuery,
    matches: Mapping[str, Callable[[Any], ColumnElement[bool]]] = MappingProxyType({}),
    opening: bool = True,
) -> Blueprint:
    """Return the routes of `cases` under `/<collection>`.

    `query` may add filters to the list: each of its fields beside paging is a column of the model that must be equal, or
    has the condition that `matches` says for the value that is sought.
    Without `opening` the service has a route of its own for that: who opens a case is not one who may read it.
    """
    case_type = cases.case_type
    collection, name = case_type.collection, case_type.kind.replace("-", "_")
    routes = Blueprint(name, __name__, url_prefix=f"/{collection}", description=f"{case_type.zh} {case_type.en}")
    title = "".join(part.capitalize() for part in case_type.kind.split("-"))
    full_view = type(f"{title}WithActions", (cases.view,), {"actions": fields.List(fields.Nested(Option))})
    filters = [field for field in query().fields if field not in PageQuery().fields] + ["state"]
    query = type(f"{title}Query", (query,), {"state": fields.String()})

    def dumped(uow: Any, case: Any) -> dict[str, Any]:
        content: dict[str, Any] = cases.view().dump(case)
        content["actions"] = [
            {
                **option,
                "method": "POST",
                "href": url_for(f"{name}.{option['action']}", case_id=case.id),
                "form": json_schema(cases.forms.get(option["action"], Form)),
            }
            for option in cases.options(uow, case, caller())
        ]
        return content

    @routes.get("")
    @requires(*cases.readers)
    @routes.arguments(query, location="query")
    @routes.response(200, page_schema(cases.view))
    def listing(sought: Mapping[str, Any]) -> Response:
        """List the cases within the caller's data scope."""
        with transaction() as uow:
            statement = cases.listing(caller())
            for field in filters:
                value = sought.get(field)
                if value is not None:
                    matching = matches[field](value) if field in matches else getattr(cases.model, field) == value
                    statement = statement.where(matching)
            found = page(uow.session, statement, (cases.model.id,), limit=sought["limit"], cursor=sought["cursor"])
            uow.audit(f"{case_type.kind}.list", collection, read=sorted(cases.view().fields))
            content = {"items": cases.view(many=True).dump(found.items), "next": found.next}
            uow.commit()
            return show(content, headers=found.headers())

    @routes.get("/<uuid:case_id>")
    @requires(*cases.readers)
    @routes.response(200, full_view)
    def one(case_id: Any) -> Response:
        """Read a case, with the actions that lead on from its state: allowed to the caller now, or why not."""
        with transaction() as uow:
            case = cases.read(uow, str(case_id), caller())
            content, version = dumped(uow, case), case.version
            uow.commit()
            return show(content, headers={"ETag": f'"{version}"', "Cache-Control": "no-store"})

    @routes.get("/<uuid:case_id>/history")
    @requires(*cases.readers)
    @routes.response(200, History)
    def history(case_id: Any) -> Response:
        """Read the steps that were taken, by whom, when, why and under which rule packs."""
        with transaction() as uow:
            case = cases.read(uow, str(case_id), caller())
            content = History().dump({"items": cases.history(uow.session, case.id)})
            uow.commit()
            return show(content)

    if opening and case_type.create.allow:

        @routes.post("")
        @requires(*case_type.create.allow)
        @routes.arguments(cases.forms.get("create", Form))
        @routes.response(201, full_view)
        def create(form: Mapping[str, Any]) -> Response:
            def work(uow: Any) -> Any:
                case = cases.open(uow, caller(), form)
                return reply(
                    dumped(uow, case),
                    status=201,
                    version=case.version,
                    location=url_for(f"{name}.one", case_id=case.id),
                )

            return command(work)

        create.__doc__ = f"{case_type.create.zh} {case_type.create.en}"

    for action, declared in case_type.actions.items():
        if declared.allow:
            _add(routes, cases, action, full_view, dumped)
    return routes


def _add(routes: Blueprint, cases: Cases, action: str, view: type[Schema], dumped: Any) -> None:
    declared = cases.case_type.actions[action]

    def take(form: Mapping[str, Any], case_id: Any) -> Response:
        version = expected_version()

        def work(uow: Any) -> Any:
            case = cases.take(uow, str(case_id), action, caller(), form, version)
            return reply(dumped(uow, case), version=case.version)

        return command(work)

    take.__name__ = action
    take.__doc__ = f"{declared.zh} {declared.en}"
    path = f"/<uuid:case_id>/{action.replace('_', '-')}"
    handler = routes.response(200, view)(routes.arguments(cases.forms.get(action, Form))(take))
    routes.route(path, methods=["POST"], endpoint=action)(requires(*declared.allow)(versioned(handler)))
