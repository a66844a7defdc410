"""What anybody may see without signing in: the page of published bulletins, each bulletin, and the Atom feed of them.

A withdrawn bulletin leaves a note without a word of what it said; an expired one leaves nothing.
"""

import base64
import hashlib
from collections.abc import Iterable
from datetime import UTC
from typing import Any, Final
from xml.etree import ElementTree as ET

from flask import Response, render_template_string, url_for

from citybus.http import Blueprint, Rejection
from citybus.http.commands import visit
from notification.application import queries
from notification.persistence.models import BulletinRow

STYLE: Final = (
    "body{font:16px/1.8 system-ui,sans-serif;margin:2rem auto;max-width:46rem;padding:0 1rem}"
    "article{border-bottom:1px solid #d0d7de;padding:1rem 0}h2{font-size:1.25rem}time,.basis{color:#57606a}"
    ".correction{border-left:4px solid #9a6700;padding-left:1rem}.text{white-space:pre-line}"
)
POLICY: Final = (
    "default-src 'none'; style-src 'sha256-"
    + base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
    + "'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
ATOM: Final = "http://www.w3.org/2005/Atom"
NAME: Final = "通报曝光 Published bulletins"
WITHDRAWN: Final = "该通报已撤回 This bulletin was withdrawn"
_PAGE: Final = """<!DOCTYPE html>
<html lang="zh-CN">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex, noarchive">
<title>{{ name }}</title>
<link rel="alternate" type="application/atom+xml" title="Atom" href="{{ url_for('public.feed') }}">
<style>{{ style|safe }}</style>
</head>
<body>
<h1>{{ name }}</h1>
{% for each in bulletins %}<article id="b-{{ each.id }}">
{% if each.state in standing %}<h2><a href="{{ url_for('public.one', bulletin=each.id) }}">{{ each.title }}</a></h2>
<time datetime="{{ each.published_on }}">{{ each.published_on }}</time>
{% if each.correction_text %}<div class="correction"><strong>更正 Correction <time datetime="{{ each.corrected_on }}">{{ each.corrected_on }}</time></strong>
<p class="text">{{ each.correction_text }}</p></div>
{% endif %}<p class="text">{{ each.text }}</p>
<p class="basis">依据 Legal basis: {{ each.legal_basis }}</p>
{% else %}<h2>{{ withdrawn }}</h2>
<time datetime="{{ each.ended_on }}">{{ each.ended_on }}</time>
{% endif %}</article>
{% else %}<p>暂无通报。 There are none.</p>
{% endfor %}</body>
</html>
"""


def public() -> Blueprint:
    """Return the public pages. Their endpoints are on the one list of routes that want no token."""
    routes = Blueprint("public", __name__, url_prefix="/public", description="公开通报 published bulletins")

    @routes.get("/bulletins")
    @routes.response(200)
    def listing() -> Response:
        """Answer the page of all published bulletins, the newest first."""
        with visit() as uow:
            return _page(queries.public_bulletins(uow))

    @routes.get("/bulletins/<uuid:bulletin>")
    @routes.response(200)
    def one(bulletin: Any) -> Response:
        """Answer the page of one bulletin."""
        with visit() as uow:
            found = queries.public_bulletin(uow, str(bulletin))
            if found is None:
                raise Rejection("NOT_FOUND")
            return _page([found])

    @routes.get("/bulletins.atom")
    @routes.response(200)
    def feed() -> Response:
        """Answer the feed of published bulletins, corrections and withdrawals."""
        with visit() as uow:
            return _answer(_feed(queries.public_bulletins(uow)), "application/atom+xml; charset=utf-8")

    return routes


def _page(bulletins: Iterable[BulletinRow]) -> Response:
    return _answer(
        render_template_string(
            _PAGE,
            bulletins=bulletins,
            name=NAME,
            style=STYLE,
            standing=queries.STANDING,
            withdrawn=WITHDRAWN,
        ),
        "text/html; charset=utf-8",
    )


def _answer(body: str | bytes, content_type: str) -> Response:
    return Response(body, content_type=content_type, headers={"Content-Security-Policy": POLICY})


def _feed(bulletins: Iterable[BulletinRow]) -> bytes:
    found = list(bulletins)
    root = ET.Element(f"{{{ATOM}}}feed")
    _add(root, "id", "urn:city:bulletins")
    _add(root, "title", NAME)
    author = ET.SubElement(root, f"{{{ATOM}}}author")
    _add(author, "name", "督查部门 Supervision office")
    _add(root, "updated", _instant(found[0]) if found else "1970-01-01T00:00:00Z")
    _add(root, "link", rel="self", href=url_for("public.feed"))
    for each in found:
        entry = ET.SubElement(root, f"{{{ATOM}}}entry")
        _add(entry, "id", f"urn:uuid:{each.id}")
        _add(entry, "updated", _instant(each))
        _add(entry, "link", href=url_for("public.one", bulletin=each.id))
        if each.state in queries.STANDING:
            _add(entry, "title", f"更正：{each.title}" if each.correction_text else each.title)
            _add(entry, "published", f"{each.published_on}T00:00:00+08:00")
            told = f"{each.correction_text}\n\n{each.text}" if each.correction_text else each.text
            _add(entry, "content", told, type="text")
        else:
            _add(entry, "title", WITHDRAWN)
            _add(entry, "content", WITHDRAWN, type="text")
    ET.register_namespace("", ATOM)
    written: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return written


def _add(parent: ET.Element, tag: str, text: str | None = None, **attributes: str) -> None:
    child = ET.SubElement(parent, f"{{{ATOM}}}{tag}", attributes)
    child.text = None if text is None else "".join(char for char in text if char in "\n\t" or char.isprintable())


def _instant(bulletin: BulletinRow) -> str:
    return bulletin.changed_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
