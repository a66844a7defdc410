"""Signals by requests: what an answer holds for who posts, who reads, and who keeps identities."""

from typing import Any
from uuid import uuid4

import pytest

from citybus.http.app import create_app
from citybus.http.tokens import Tokens
from citybus.testing.keys import AUDIENCE, ISSUER, FakeIssuer
from supervision.entrypoints.http import blueprints
from supervision.entrypoints.problems import PROBLEMS
from tests.support.signals import INFORMANT, a_clue
from tests.support.supervision import DISTRICT, LEAD, STRANGER, City, rulebook

POSTER = {"sub": "dept-audit", "roles": ["SUBSYS"], "scope": {"units": [], "unit": "420200-AUDIT"}}
OTHER = {"sub": "petition-1", "roles": ["UNITHR"], "scope": {"units": [], "unit": "420200-PETITION"}}
ORG = {"sub": "org-1", "roles": ["ORG.supervise"], "scope": {"units": "*", "unit": "420200-ORG"}}
KEEPER = {"sub": "custodian-1", "roles": ["CUSTODIAN"], "scope": {"units": "*", "unit": "420200-ARCHIVE"}}


class Client:
    """Speaks to the API as anybody whose claims are given."""

    def __init__(self, city: City) -> None:
        self.issuer = FakeIssuer()
        app = create_app(
            service="supervision",
            version="1",
            units=city.units,
            tokens=Tokens(self.issuer, issuer=ISSUER, audience=AUDIENCE),
            blueprints=blueprints(city.cases, rulebook(), city.vault),
            own_problems=PROBLEMS,
        )
        self.client = app.test_client()

    def get(self, who: Any, path: str) -> Any:
        return self.client.get(path, headers={"Authorization": f"Bearer {self.issuer.token(**who)}"})

    def post(self, who: Any, path: str, body: Any = None, *, version: int | None = None, key: str = "") -> Any:
        sent = {"Authorization": f"Bearer {self.issuer.token(**who)}", "Idempotency-Key": key or uuid4().hex}
        if version is not None:
            sent["If-Match"] = f'"{version}"'
        return self.client.post(path, json=body or {}, headers=sent)


@pytest.fixture(scope="module")
def client(module_city: City) -> Client:
    return Client(module_city)


def test_who_posts_gets_a_receipt_and_nothing_of_what_others_posted(client: Client) -> None:
    clue, key = a_clue(informant=INFORMANT), uuid4().hex
    first = client.post(POSTER, "/signals", clue, key=key)
    receipt = {
        "id": first.json["id"],
        "state": "RECEIVED",
        "received_on": "2024-03-04",
        "triaged_on": None,
        "settled_on": None,
    }
    assert (first.status_code, first.json, "ETag" in first.headers) == (201, receipt, False)
    assert first.headers["Location"] == f"/signal-receipts/{receipt['id']}"
    again = client.post(POSTER, "/signals", clue, key=key)
    assert (again.json, again.headers["Idempotent-Replayed"]) == (receipt, "true")
    merged = client.post(OTHER, "/signals", a_clue(text="同一问题。"))
    assert (merged.status_code, merged.json["state"]) == (201, "MERGED")
    # Neither learns that there is another's but by its own state.
    assert client.get(POSTER, f"/signal-receipts/{receipt['id']}").json == receipt
    assert [item["id"] for item in client.get(OTHER, "/signal-receipts").json["items"]] == [merged.json["id"]]
    assert client.get(OTHER, f"/signal-receipts/{receipt['id']}").status_code == 404
    for path in ("/signals", f"/signals/{receipt['id']}", f"/signals/{receipt['id']}/texts"):
        assert client.get(POSTER, path).status_code == 403


def test_a_reader_is_shown_the_signal_in_one_place_and_its_texts_in_another(client: Client) -> None:
    clue = a_clue(unit=DISTRICT, cadre=STRANGER, informant=INFORMANT)
    made = client.post(POSTER, "/signals", clue).json["id"]
    client.post(OTHER, "/signals", a_clue(unit=DISTRICT, cadre=STRANGER, text="同一问题。"))
    shown = client.get(ORG, f"/signals/{made}")
    assert (shown.json["merged"], shown.json["has_informant"], shown.json["cadre"]) == (1, True, STRANGER)
    listing = client.get(ORG, f"/signals?cadre={STRANGER}&state=MERGED&merged_into={made}")
    assert [item["merged_into"] for item in listing.json["items"]] == [made]
    texts = client.get(ORG, f"/signals/{made}/texts")
    assert texts.headers["Cache-Control"] == "no-store"
    assert [item["text"] for item in texts.json["items"]] == [clue["text"], "同一问题。"]
    history = client.get(ORG, f"/signals/{made}/history")
    for answer in (shown, listing, history):
        assert clue["text"] not in answer.text
    for answer in (shown, listing, history, texts):
        assert not any(word in answer.text for word in INFORMANT.values())


def test_an_identity_is_read_by_four_eyes(client: Client) -> None:
    made = client.post(POSTER, "/signals", a_clue(type="SERVICE", informant=INFORMANT)).json["id"]
    assert client.post(POSTER, "/informant-accesses", {"signal": made, "purpose": "核实"}).status_code == 403
    asked = client.post(ORG, "/informant-accesses", {"signal": made, "purpose": "核实"})
    path = f"/informant-accesses/{asked.json['id']}"
    early = client.get(ORG, f"{path}/identity")
    assert (early.status_code, early.json["code"]) == (422, "ACCESS_NOT_GRANTED")
    granted = client.post(KEEPER, f"{path}/grant", version=asked.json["version"])
    assert (granted.status_code, granted.json["state"]) == (200, "GRANTED")
    found = client.get(ORG, f"{path}/identity")
    assert (found.status_code, found.json, found.headers["Cache-Control"]) == (200, dict(INFORMANT), "no-store")
    assert client.get(KEEPER, f"{path}/identity").status_code == 403
    assert client.get(KEEPER, f"/signals/{made}/texts").status_code == 403
    for answer in (client.get(KEEPER, path), client.get(KEEPER, f"{path}/history"), client.get(ORG, path)):
        assert answer.status_code == 200
        assert not any(word in answer.text for word in (*INFORMANT.values(), LEAD, a_clue()["text"]))


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"source": "HEARSAY"}, 400),
        ({"severity": 6}, 400),
        ({"text": ""}, 400),
        ({"informant": {"contact": "x"}}, 400),
        ({"refused": "f1"}, 400),
        ({"posted_by": "somebody"}, 400),
        ({"unit": "nowhere"}, 422),
    ],
    ids=str,
)
def test_a_clue_that_is_wrong_is_refused(client: Client, changes: Any, status: int) -> None:
    assert client.post(POSTER, "/signals", a_clue() | changes).status_code == status
