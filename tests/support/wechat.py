"""A WeChat platform in a thread of the tests' own process, and a channel that calls it."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from dandang.wechat import APP_ID, SECRET, Platform, serve
from notification.channels.wechat import WeChat

SOURCE = "http://city.test/public/bulletins"


@contextmanager
def wechat(timeout: float = 5.0) -> Iterator[tuple[Platform, WeChat]]:
    """Serve a platform, and give it with a channel of its account."""
    platform = Platform()
    server = serve(platform)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield platform, WeChat(f"http://127.0.0.1:{server.server_port}", APP_ID, SECRET, SOURCE, timeout=timeout)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def titles(platform: Platform) -> list[str]:
    """Return the titles of what stands on the platform."""
    return [article["title"] for article in platform.articles.values()]
