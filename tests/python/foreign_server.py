"""A WinRM server of third-party parts, for a client that is to be tried: what the client sends is
read by pyspnego, pypsrp's framing, xml.etree and psrpcore, and by nothing of this project.

The first line of standard input is a JSON object: {"configuration", "path", "accounts", "limit"},
the accounts as lines DOMAIN:user:password, the limit of its life in seconds. The first line of
standard output is {"port": number}. It ends when standard input does and prints, as JSON, every
request and every pipeline that it got, with its complaints about them.
"""

import json
import os
import sys
import tempfile
import threading

from foreign_http import Handler, Server
from foreign_shell import Shells


def main():
    job = json.loads(sys.stdin.readline())
    # Whatever happens to the one who started this.
    timer = threading.Timer(job["limit"], lambda: os._exit(3))
    timer.daemon = True
    timer.start()
    shells = Shells(job["configuration"], job["path"])
    requests = []
    lock = threading.Lock()

    class Connection(Handler):
        """A connection to the shells."""

        numbers = iter(range(1 << 30))

        def setup(self):
            super().setup()
            self.number = next(self.numbers)

        def respond(self, envelope):
            with lock:
                return shells.respond(envelope)

        def note(self, **record):
            if self.path != job["path"]:
                record["complaints"].append(f"path {self.path}")
            with lock:
                requests.append({"connection": self.number, **record})

    with tempfile.NamedTemporaryFile("w", suffix=".accounts", encoding="utf-8") as accounts:
        accounts.write("\n".join(job["accounts"]))
        accounts.flush()
        os.environ["NTLM_USER_FILE"] = accounts.name
        server = Server(Connection)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        server.announce(sys.stdout)
        sys.stdin.read()
        server.shutdown()
    with lock:
        result = {
            "requests": requests,
            "pipelines": shells.pipelines,
            "shells": len(shells.shells),
        }
        json.dump(result, sys.stdout)


main()
