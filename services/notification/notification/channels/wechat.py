"""The city's WeChat account (微信公众号), by the HTTP API of the platform.

An article is put into the box of drafts, then that draft is published; the platform takes a draft out of the box when
it publishes it, so that the same draft cannot be published twice. Our own id stands in the article's `content_source_url`
(阅读原文), by which drafts and published articles are looked through for it.
"""

import hashlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from html import escape
from typing import Any, Final

import requests

from notification.application.ports import Message, NotSent, OutcomeUnknown, Receipt, Rejected

TIMEOUT_SECONDS: Final = 15.0
PAGE: Final = 20
TOKEN_INVALID: Final = frozenset({40001, 40014, 42001})
GONE: Final = frozenset({53600, 40007})
BUSY: Final = frozenset({-1})
PUBLISHED, PUBLISHING = 0, 1


class WeChat:
    """One account: `url` of the platform, the account's id and secret, and the address under which bulletins stand.

    `now` is real time, by which access tokens end.
    """

    asks_people = False

    def __init__(
        self,
        url: str,
        app_id: str,
        secret: str,
        source_url: str,
        *,
        timeout: float = TIMEOUT_SECONDS,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._url = url.rstrip("/")
        self._app_id = app_id
        self._secret = secret
        self._source = source_url
        self._timeout = timeout
        self._now = now
        self._token: tuple[str, float] | None = None
        self._lock = threading.Lock()

    def find(self, client_id: str) -> Receipt | None:
        """Return the published article that bears our own id, or None. Raises NotSent where it cannot be asked."""
        for item in self._items("freepublish"):
            for article in item["content"]["news_item"]:
                if article.get("content_source_url") == self._mark(client_id) and not article.get("is_deleted"):
                    return self._article(item["article_id"], article)
        return None

    def post(self, message: Message) -> Receipt:
        """Publish the draft that bears our own id, made first where there is none. Raises OutcomeUnknown, NotSent."""
        mark = self._mark(message.client_id)
        drafts = [
            item["media_id"]
            for item in self._items("draft")
            if any(article.get("content_source_url") == mark for article in item["content"]["news_item"])
        ]
        draft = drafts[0] if drafts else self._draft(message)
        answer = self._call("freepublish/submit", {"media_id": draft}, changes=True)
        return Receipt(f"publish:{answer['publish_id']}")

    def state(self, external_id: str) -> Receipt:
        """Return what became of a posting. Raises Rejected where the platform did not publish it."""
        kind, _, identity = external_id.partition(":")
        if kind == "article":
            answer = self._call("freepublish/getarticle", {"article_id": identity})
            return self._article(identity, answer["news_item"][0])
        answer = self._call("freepublish/get", {"publish_id": identity})
        if answer["publish_status"] == PUBLISHING:
            return Receipt(external_id)
        if answer["publish_status"] != PUBLISHED:
            raise Rejected(f"the platform did not publish it: status {answer['publish_status']}")
        article = answer["article_id"]
        shown = self._call("freepublish/getarticle", {"article_id": article})
        return self._article(article, shown["news_item"][0])

    def remove(self, receipt: Receipt) -> None:
        """Delete an article."""
        try:
            self._call("freepublish/delete", {"article_id": receipt.external_id.removeprefix("article:")})
        except Rejected:
            # It is gone already.
            return

    def _mark(self, client_id: str) -> str:
        return f"{self._source}?id={client_id}"

    def _article(self, article_id: str, article: Mapping[str, Any]) -> Receipt:
        shown = f"{article['title']}\n{article['content']}".encode()
        return Receipt(f"article:{article_id}", article.get("url"), hashlib.sha256(shown).hexdigest())

    def _draft(self, message: Message) -> str:
        paragraphs = "".join(f"<p>{escape(line)}</p>" for line in message.text.splitlines() if line.strip())
        article = {
            "title": message.title,
            "content": paragraphs,
            "content_source_url": self._mark(message.client_id),
            "need_open_comment": 0,
        }
        return str(self._call("draft/add", {"articles": [article]}, changes=True)["media_id"])

    def _items(self, box: str) -> Iterator[Mapping[str, Any]]:
        """Yield what lies in the box of drafts, or of published articles."""
        offset = 0
        while True:
            answer = self._call(f"{box}/batchget", {"offset": offset, "count": PAGE, "no_content": 0})
            yield from answer["item"]
            offset += len(answer["item"])
            if not answer["item"] or offset >= answer["total_count"]:
                return

    def _call(self, path: str, body: Mapping[str, Any], *, changes: bool = False) -> Mapping[str, Any]:
        """Return the platform's answer; a token that it does not take is renewed once.

        `changes`: where no answer comes, the outcome is unknown; else it just was not asked.
        """
        for fresh in (False, True):
            token = self._access_token(fresh=fresh)
            answer = self._send(f"{path}?access_token={token}", body, changes=changes)
            code = answer.get("errcode", 0)
            if code not in TOKEN_INVALID:
                break
        if code in BUSY and changes:
            raise OutcomeUnknown(f"{path}: the platform is busy (errcode {code})")
        if code in GONE:
            raise Rejected(f"{path}: errcode {code}")
        if code:
            raise NotSent(f"{path}: errcode {code}")
        return answer

    def _access_token(self, *, fresh: bool) -> str:
        """Return the account's token, from the platform where it is about to end or `fresh` is wanted."""
        with self._lock:
            if self._token is None or fresh or self._token[1] <= self._now():
                body = {"grant_type": "client_credential", "appid": self._app_id, "secret": self._secret}
                answer = self._send("stable_token", {**body, "force_refresh": fresh}, changes=False)
                if "access_token" not in answer:
                    raise NotSent(f"no token: errcode {answer.get('errcode')}")
                # A minute before it ends.
                self._token = (answer["access_token"], self._now() + max(0, answer["expires_in"] - 60))
            return self._token[0]

    def _send(self, path: str, body: Mapping[str, Any], *, changes: bool) -> Mapping[str, Any]:
        what = path.partition("?")[0]
        lost: type[NotSent | OutcomeUnknown] = OutcomeUnknown if changes else NotSent
        try:
            response = requests.post(
                f"{self._url}/cgi-bin/{path}", json=body, timeout=self._timeout, headers={"Connection": "close"}
            )
        except requests.ConnectTimeout:
            raise NotSent(f"{what}: no connection") from None
        except requests.RequestException as error:
            # The words of the error would hold the token. A connection that broke may have carried the request.
            raise lost(f"{what}: {type(error).__name__}") from None
        if response.status_code >= 500:
            raise lost(f"{what}: HTTP {response.status_code}")
        if response.status_code != 200:
            raise NotSent(f"{what}: HTTP {response.status_code}")
        try:
            answer = response.json()
        except ValueError:
            raise lost(f"{what}: no JSON") from None
        if not isinstance(answer, dict):
            raise lost(f"{what}: no object")
        return answer
