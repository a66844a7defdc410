"""A stand-in project: four services that do nothing but say that they are ready, and a small broker topology.

As a program, `python -m tests.support.stand_in FOLDER` keeps a city of such a project up, as `dandang up` does.
"""

import sys
from pathlib import Path

import click

from dandang.commands.up import stay_up
from dandang.local.city import LocalCity
from dandang.local.processes import SERVICES
from dandang.local.state import PROJECT, RunFolder

PROCESS = '''\
"""One process of a stand-in service: it writes down its environment, and answers on its port."""
import json, os, pathlib, signal, sys
from http.server import BaseHTTPRequestHandler, HTTPServer

kind = sys.argv[1]
pathlib.Path(f"environment-{kind}.json").write_text(json.dumps(dict(os.environ)))
if kind == "migrate":
    sys.exit()
signal.signal(signal.SIGTERM, lambda *_: sys.exit())
ports = [value for name, value in os.environ.items() if name.endswith(("_HTTP_PORT", "_HEALTH_PORT"))]


class Answer(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_):
        pass


HTTPServer(("127.0.0.1", int(ports[0])), Answer).serve_forever()
'''


def make_project(folder: Path) -> Path:
    """Lay out the stand-in project in `folder`, with the real topology."""
    for service in SERVICES:
        package = folder / "services" / service / service
        package.mkdir(parents=True)
        (package / "__init__.py").touch()
        (package / "__main__.py").write_text(PROCESS, encoding="utf-8")
    (folder / "deploy").symlink_to(PROJECT / "deploy")
    return folder


if __name__ == "__main__":
    run = RunFolder()
    run.make()
    if not run.hold():
        sys.exit("it is up already")
    stay_up(LocalCity(run, click.echo, project=Path(sys.argv[1])))
