"""The HTTP base of every service's API: access, idempotency, versions, paging, problems, description, serving.

A service writes blueprints and hands them to `create_app`. A handler loads, asks one use case, dumps:

    @blueprint.route("/findings/<uuid:finding_id>/verify", methods=["POST"])
    @requires("SUPO", "ORG.supervise")
    @blueprint.arguments(VerifyFindingSchema)
    @blueprint.response(200, FindingSchema)
    def verify(form, finding_id):
        expected = expected_version()
        return command(lambda uow: reply(view.dump(verify_finding(uow, finding_id, form, expected))))
"""

from citybus.http.access import Caller, Route, UndeclaredRoute, caller, requires, routes
from citybus.http.app import create_app
from citybus.http.commands import command, context, reply, show, transaction
from citybus.http.openapi import versioned
from citybus.http.paging import Page, PageQuery, page, page_schema
from citybus.http.parsing import AsOf, Blueprint, accepts
from citybus.http.problems import Fault, Kind, Rejection, invalid
from citybus.http.server import serve
from citybus.http.tokens import FileKeys, IssuerKeys, Keys, Tokens, tokens_of
from citybus.http.translations import Bilingual
from citybus.http.versions import check_version, etag, expected_version

__all__ = [
    "AsOf",
    "Bilingual",
    "Blueprint",
    "Caller",
    "Fault",
    "FileKeys",
    "IssuerKeys",
    "Keys",
    "Kind",
    "Page",
    "PageQuery",
    "Rejection",
    "Route",
    "Tokens",
    "UndeclaredRoute",
    "accepts",
    "caller",
    "check_version",
    "command",
    "context",
    "create_app",
    "etag",
    "expected_version",
    "invalid",
    "page",
    "page_schema",
    "reply",
    "requires",
    "routes",
    "serve",
    "show",
    "tokens_of",
    "transaction",
    "versioned",
]
