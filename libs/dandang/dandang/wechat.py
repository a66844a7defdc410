"""A stand-in for the platform of WeChat accounts: drafts and published articles in memory, and faults on demand.

It answers the calls that notification makes, as the platform documents them. `python -m dandang.wechat PORT` serves it
for a local city; the tests run it in their own process. A fault concerns the next calls of one path:

    500    answers HTTP 500, and does nothing        busy    answers errcode -1, and does nothing
    lost   does it, and cuts the connection          slow    does it, and answers late
    never  does nothing, and cuts the connection     twice   does it, and sends the answer twice
    token  says that the access token has ended

Who publishes reads the result at `/articles`; `POST /faults {"path", "how", "times"}` sets a fault.
"""

import json
import secrets
import sys
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

APP_ID, SECRET = "wx-local-stand-in", "local-stand-in"
FAULTS: Final = ("500", "busy", "lost", "never", "slow", "twice", "token")
TOKEN_SECONDS: Final = 7200
SLOW_SECONDS: Final = 0.3


@dataclass
class Platform:
    """What the platform holds. `calls` counts the calls of each path, `faults` those that are still to go wrong."""

    drafts: dict[str, dict[str, Any]] = field(default_factory=dict)
    articles: dict[str, dict[str, Any]] = field(default_factory=dict)
    unseen: dict[str, dict[str, Any]] = field(default_factory=dict)
    deleted: list[str] = field(default_factory=list)
    publishing: dict[str, str] = field(default_factory=dict)
    calls: dict[str, int] = field(default_factory=dict)
    faults: dict[str, list[str]] = field(default_factory=dict)
    tokens: set[str] = field(default_factory=set)
    unfinished: int = 0
    """How many times the state of a posting is still "publishing" before it stands there."""
    slow_seconds: float = SLOW_SECONDS
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def fault(self, path: str, how: str, times: int = 1) -> None:
        """Let the next `times` calls of `path` go wrong (`*`: of any path). Raises ValueError."""
        if how not in FAULTS:
            raise ValueError(f"{how}: one of {', '.join(FAULTS)}")
        with self._lock:
            self.faults.setdefault(path, []).extend([how] * times)

    def mend(self) -> None:
        """Let nothing go wrong any more."""
        with self._lock:
            self.faults.clear()

    def next_fault(self, path: str) -> str | None:
        """Return how this call goes wrong, and count the call."""
        with self._lock:
            self.calls[path] = self.calls.get(path, 0) + 1
            for each in (path, "*"):
                if self.faults.get(each):
                    return self.faults[each].pop(0)
        return None

    def answer(self, path: str, token: str | None, body: dict[str, Any]) -> dict[str, Any]:
        """Do what `path` asks for, and return the platform's answer."""
        with self._lock:
            if path == "stable_token":
                return self._token(body)
            if token not in self.tokens:
                return _error(40001, "invalid credential")
            match path:
                case "draft/add":
                    return self._add(body)
                case "draft/batchget":
                    return _listed(self.drafts, "media_id", body)
                case "freepublish/submit":
                    return self._submit(body)
                case "freepublish/get":
                    return self._get(body)
                case "freepublish/batchget":
                    return _listed(self.articles, "article_id", body)
                case "freepublish/getarticle":
                    article = self.articles.get(body["article_id"])
                    return {"news_item": [article]} if article else _error(53600, "article id invalid")
                case "freepublish/delete":
                    return self._delete(body)
        return _error(43002, "no such path")

    def _token(self, body: dict[str, Any]) -> dict[str, Any]:
        if (body.get("appid"), body.get("secret")) != (APP_ID, SECRET):
            return _error(40125, "invalid appsecret")
        token = secrets.token_hex(16)
        self.tokens.add(token)
        return {"access_token": token, "expires_in": TOKEN_SECONDS}

    def _add(self, body: dict[str, Any]) -> dict[str, Any]:
        media_id = f"draft-{secrets.token_hex(6)}"
        self.drafts[media_id] = dict(body["articles"][0])
        return {"media_id": media_id}

    def _submit(self, body: dict[str, Any]) -> dict[str, Any]:
        draft = self.drafts.pop(body["media_id"], None)
        if draft is None:
            return _error(40007, "invalid media_id")
        # Named after who sent it, so that what people do brings the same names each time.
        source = str(draft.get("content_source_url", "")).partition("id=")[2]
        again = sum(each.startswith(f"a-{source}.") for each in self.publishing.values())
        article_id, publish_id = f"a-{source}.{again + 1}", str(100000000 + len(self.publishing))
        article = {**draft, "url": f"https://mp.weixin.qq.com/s/{article_id}", "is_deleted": False}
        (self.unseen if self.unfinished else self.articles)[article_id] = article
        self.publishing[publish_id] = article_id
        return {"errcode": 0, "errmsg": "ok", "publish_id": publish_id}

    def _get(self, body: dict[str, Any]) -> dict[str, Any]:
        if body["publish_id"] not in self.publishing:
            return _error(40013, "invalid publish_id")
        if self.unfinished:
            self.unfinished -= 1
            return {"publish_id": body["publish_id"], "publish_status": 1}
        article_id = self.publishing[body["publish_id"]]
        if article_id in self.unseen:
            self.articles[article_id] = self.unseen.pop(article_id)
        return {"publish_id": body["publish_id"], "publish_status": 0, "article_id": article_id}

    def _delete(self, body: dict[str, Any]) -> dict[str, Any]:
        if self.articles.pop(body["article_id"], None) is None:
            return _error(53600, "article id invalid")
        self.deleted.append(body["article_id"])
        return {"errcode": 0, "errmsg": "ok"}


def serve(platform: Platform, port: int = 0) -> ThreadingHTTPServer:
    """Return a server of `platform` that listens on `port`; the caller lets it serve."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/articles":
                self._send({"articles": list(platform.articles.values()), "calls": platform.calls})
            else:
                self._send({"status": "ready"})

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or b"{}")
            path, _, query = self.path.partition("?")
            if path == "/faults":
                platform.fault(body["path"], body["how"], body.get("times", 1))
                self._send({})
                return
            name = path.removeprefix("/cgi-bin/")
            token = query.partition("access_token=")[2] or None
            self._act(name, token, body, platform.next_fault(name))

        def _act(self, name: str, token: str | None, body: dict[str, Any], how: str | None) -> None:
            if how == "500":
                self.send_error(500)
                return
            if how in ("busy", "token"):
                self._send(_error(-1, "system error") if how == "busy" else _error(42001, "access_token expired"))
                return
            if how == "never":
                self.close_connection = True
                return
            answer = platform.answer(name, token, body)
            if how == "slow":
                time.sleep(platform.slow_seconds)
            if how == "lost":
                self.close_connection = True
                return
            self._send(answer)
            if how == "twice":
                self._send(answer)

        def _send(self, answer: dict[str, Any]) -> None:
            content = json.dumps(answer, ensure_ascii=False).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the name is the base class's
            """Write no log."""

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    return server


def _error(code: int, words: str) -> dict[str, Any]:
    return {"errcode": code, "errmsg": words}


def _listed(found: dict[str, dict[str, Any]], name: str, body: dict[str, Any]) -> dict[str, Any]:
    items = [{name: key, "content": {"news_item": [article]}} for key, article in reversed(found.items())]
    page = items[body["offset"] : body["offset"] + body["count"]]
    return {"total_count": len(items), "item_count": len(page), "item": page}


if __name__ == "__main__":
    serve(Platform(), int(sys.argv[1])).serve_forever()
