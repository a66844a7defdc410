"""What anybody sees, and what signed-in readers see: published bulletins, corrections, and nothing of what is over."""

import io
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from flask.testing import FlaskClient

from citybus.http.app import create_app
from citybus.http.tokens import Tokens
from citybus.ids import new_id
from citybus.testing.keys import AUDIENCE, ISSUER, FakeIssuer
from notification.channels.internal import Internal
from notification.entrypoints.http import blueprints
from notification.entrypoints.problems import PROBLEMS
from tests.integration.notification.test_publications import PNG
from tests.support.notification import City, catalogue, rulebook

ATOM = "{http://www.w3.org/2005/Atom}"
NAUGHTY = "<script>alert(1)</script>\n甲某"
MEDIA = {"sub": "media-1", "roles": ["MEDIA"], "scope": {"units": "*", "unit": "420200-MEDIA"}}
READER = {"sub": "reader", "roles": ["CADRE"], "scope": {"units": [], "person": "reader"}}


@pytest.fixture(scope="module")
def issuer() -> FakeIssuer:
    return FakeIssuer()


@pytest.fixture(scope="module")
def client(module_city: City, issuer: FakeIssuer) -> FlaskClient:
    city = module_city
    return create_app(
        service="notification",
        version="1",
        units=city.units,
        tokens=Tokens(issuer, issuer=ISSUER, audience=AUDIENCE),
        blueprints=blueprints(
            city.deliveries, city.subscriptions, city.publications, city.deadlines, catalogue(), rulebook()
        ),
        own_problems=PROBLEMS,
    ).test_client()


def published(city: City, *channels: str, **changes: Any) -> str:
    bulletin = new_id()
    made = {"channels": list(channels or ("TV", "WECHAT")), "text": NAUGHTY, **changes}
    city.receive(city.bulletin(bulletin=bulletin, **made))
    city.receive(city.bulletin("published", bulletin, **made))
    return bulletin


def entries(client: FlaskClient) -> dict[str, dict[str, str]]:
    root = ET.fromstring(client.get("/public/bulletins.atom").data)  # noqa: S314  # our own answer
    return {
        each.find(f"{ATOM}id").text.removeprefix("urn:uuid:"): {
            child.tag.removeprefix(ATOM): child.text or "" for child in each
        }
        for each in root.findall(f"{ATOM}entry")
    }


def test_a_published_bulletin_is_shown_to_everybody_as_text(city: City, client: FlaskClient) -> None:
    bulletin = published(city)
    for path in ("/public/bulletins", f"/public/bulletins/{bulletin}"):
        answer = client.get(path)
        assert answer.status_code == 200
        assert "甲某" in answer.text
        assert "<script" not in answer.text
        assert "&lt;script&gt;" in answer.text
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert NAUGHTY in entries(client)[bulletin]["content"]


def test_one_that_does_not_stand_everywhere_yet_is_not_shown(city: City, client: FlaskClient) -> None:
    bulletin = new_id()
    city.receive(city.bulletin(bulletin=bulletin))
    assert client.get(f"/public/bulletins/{bulletin}").status_code == 404
    assert client.get(f"/public/bulletins/{new_id()}").status_code == 404
    assert bulletin not in entries(client)


def test_an_internal_one_is_shown_to_who_is_signed_in_alone(
    city: City, client: FlaskClient, issuer: FakeIssuer
) -> None:
    bulletin = published(city, "INTERNAL")
    city.send({"INTERNAL": Internal()})
    assert client.get(f"/public/bulletins/{bulletin}").status_code == 404
    assert bulletin not in entries(client)
    assert client.get("/bulletins").status_code == 401
    answer = client.get("/bulletins", headers={"Authorization": f"Bearer {issuer.token(**READER)}"})
    assert bulletin in {each["id"] for each in answer.json["items"]}
    city.receive(city.bulletin("withdrawing", bulletin, channels=["INTERNAL"]))
    answer = client.get("/bulletins", headers={"Authorization": f"Bearer {issuer.token(**READER)}"})
    assert bulletin not in {each["id"] for each in answer.json["items"]}


def test_a_correction_is_shown_beside_the_text(city: City, client: FlaskClient) -> None:
    bulletin = published(city)
    city.receive(
        city.bulletin("corrected", bulletin, channels=["TV", "WECHAT"], text="新文", correction_text="更正说明")
    )
    page = client.get(f"/public/bulletins/{bulletin}").text
    assert "更正说明" in page
    assert "新文" in page
    assert "甲某" not in page
    assert entries(client)[bulletin]["title"].startswith("更正：")


@pytest.mark.parametrize("step", ["withdrawing", "withdrawn"])
def test_a_withdrawn_one_leaves_a_note_without_a_word_of_it(city: City, client: FlaskClient, step: str) -> None:
    bulletin = published(city, title="对乙某的通报")
    city.receive(city.bulletin(step, bulletin, channels=["TV", "WECHAT"], title="对乙某的通报", text=NAUGHTY))
    page = client.get(f"/public/bulletins/{bulletin}").text
    assert "已撤回" in page
    assert "乙某" not in page
    assert "甲某" not in page
    assert "乙某" not in str(entries(client)[bulletin])


def test_an_expired_one_leaves_nothing(city: City, client: FlaskClient) -> None:
    bulletin = published(city)
    city.receive(city.bulletin("expired", bulletin, channels=["TV", "WECHAT"]))
    assert client.get(f"/public/bulletins/{bulletin}").status_code == 404
    assert bulletin not in entries(client)


def test_a_proof_is_stored_once_by_its_content(client: FlaskClient, issuer: FakeIssuer) -> None:
    def upload(who: Any, content: bytes, media_type: str = "image/png") -> Any:
        headers = {"Authorization": f"Bearer {issuer.token(**who)}", "Idempotency-Key": new_id()}
        return client.post("/proofs", data={"file": (io.BytesIO(content), "page.png", media_type)}, headers=headers)

    first, again = upload(MEDIA, PNG), upload(MEDIA, PNG)
    assert (first.status_code, again.status_code) == (201, 200)
    headers = {"Authorization": f"Bearer {issuer.token(**MEDIA)}"}
    assert client.get(first.headers["Location"], headers=headers).data == PNG
    assert client.get(f"/proofs/{'0' * 64}", headers=headers).status_code == 404
    assert upload(READER, PNG).status_code == 403
    assert upload(MEDIA, b"no image").json["code"] == "PROOF_TYPE"
