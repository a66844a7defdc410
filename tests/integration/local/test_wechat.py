"""The stand-in for WeChat's platform, as the process that a local city runs."""

import subprocess
import sys

import requests

from dandang.local.ports import Ports
from dandang.local.processes import answers_ready
from dandang.wechat import APP_ID, SECRET
from tests.support.waiting import eventually


def test_it_answers_as_the_platform_does_and_fails_on_demand() -> None:
    ports = Ports()  # kept: its claims end with it
    port = ports.choose("wechat")
    process = subprocess.Popen([sys.executable, "-m", "dandang.wechat", str(port)])
    try:
        eventually(lambda: answers_ready(port), within=40, what="it answers")
        root = f"http://127.0.0.1:{port}"

        def call(path: str, **body: object) -> requests.Response:
            return requests.post(f"{root}/cgi-bin/{path}", json=body, timeout=5)

        token = call("stable_token", appid=APP_ID, secret=SECRET).json()["access_token"]
        assert call("stable_token", appid=APP_ID, secret="wrong").json()["errcode"] == 40125
        assert call("draft/add?access_token=wrong", articles=[{}]).json()["errcode"] == 40001
        draft = call(f"draft/add?access_token={token}", articles=[{"title": "t"}]).json()["media_id"]
        requests.post(f"{root}/faults", json={"path": "freepublish/submit", "how": "500"}, timeout=5)
        assert call(f"freepublish/submit?access_token={token}", media_id=draft).status_code == 500
        assert call(f"freepublish/submit?access_token={token}", media_id=draft).json()["errcode"] == 0
        assert call(f"freepublish/submit?access_token={token}", media_id=draft).json()["errcode"] == 40007
        assert [each["title"] for each in requests.get(f"{root}/articles", timeout=5).json()["articles"]] == ["t"]
        assert call(f"no/such?access_token={token}").json()["errcode"] == 43002
    finally:
        process.terminate()
        process.wait()
