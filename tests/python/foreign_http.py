"""HTTP/1.1 with NTLM and sealed messages: pyspnego accepts, pypsrp's framing wraps and unwraps.

`Handler.respond` of a subclass gets each envelope in clear and gives (status, envelope) back.
"""

import base64
import http.server
import json

import spnego
from pypsrp.encryption import WinRMEncryption
from spnego._ntlm_raw.messages import Authenticate
from spnego.exceptions import SpnegoError

BOUNDARY = "Encrypted Boundary"
SEALED = f'multipart/encrypted;protocol="{WinRMEncryption.SPNEGO}";boundary="{BOUNDARY}"'
# Longest body that is read.
LIMIT = 4 << 20


class Handler(http.server.BaseHTTPRequestHandler):
    """One connection: one security context."""

    protocol_version = "HTTP/1.1"
    # Answers leave in two writes, head and body: without this, each waits for the ACK of the other.
    disable_nagle_algorithm = True
    timeout = 60

    def setup(self):
        super().setup()
        self.ntlm = spnego.server(protocol="ntlm")
        self.seal = WinRMEncryption(self.ntlm, WinRMEncryption.SPNEGO)
        # What a successful logon said, to be noted with the message that it comes with.
        self.logon = {}

    def respond(self, envelope):
        """The answer to an envelope: HTTP status and envelope."""
        raise NotImplementedError

    def note(self, **record):
        """Takes down a request; `complaints` are what is wrong with it."""
        raise NotImplementedError

    def log_message(self, format, *args):
        """Nothing: what matters is in the record."""

    def do_POST(self):  # the name is http.server's
        complaints = [
            f"{self.headers.get_all(name)} as {name}"
            for name in ("Host", "Content-Length", "User-Agent")
            if len(self.headers.get_all(name, [])) != 1
        ]
        if "Transfer-Encoding" in self.headers:
            complaints.append("a chunked body")
        body = self.rfile.read(min(int(self.headers.get("Content-Length", 0)), LIMIT))
        scheme, _, token = self.headers.get("Authorization", "").partition(" ")
        if scheme not in ("", "Negotiate"):
            complaints.append(f"scheme {scheme!r}")
        if self.ntlm.complete:
            if token:
                complaints.append("a token on a connection that is authenticated")
        else:
            if not token:
                self.note(phase="anonymous", complaints=complaints)
                self.refuse()
                return
            answer = self.step(base64.b64decode(token, validate=True), body, complaints)
            if not self.ntlm.complete:
                self.refuse(answer)
                return
        self.sealed(body, complaints)

    def step(self, token, body, complaints):
        """Takes a token; gives the one to send back."""
        first = token.startswith(b"NTLMSSP\0\x01")
        record = {"phase": "negotiate" if first else "authenticate"}
        if first and body:
            complaints.append("a message before it can be sealed")
        if not first:
            message = Authenticate.unpack(token)
            record.update(
                user=message.user_name, domain=message.domain_name, mic=message.mic is not None
            )
        try:
            answer = self.ntlm.step(token)
        except SpnegoError as error:
            record["refused"] = str(error)
            answer = None
            self.ntlm = spnego.server(protocol="ntlm")
        if first or "refused" in record:
            self.note(**record, complaints=complaints)
        else:
            self.logon = record
        return answer

    def refuse(self, token=None):
        """Status 401, with a challenge if there is one."""
        self.send_response(401)
        challenge = base64.b64encode(token).decode() if token else ""
        self.send_header("WWW-Authenticate", f"Negotiate {challenge}".strip())
        self.send_header("Content-Length", "0")
        self.end_headers()

    def sealed(self, body, complaints):
        """A message on a connection that is authenticated."""
        kind = self.headers.get("Content-Type", "")
        if kind != SEALED:
            complaints.append(f"Content-Type {kind!r}")
        logon, self.logon = self.logon, {}
        try:
            envelope = self.seal.unwrap_message(body, BOUNDARY)
        except Exception as error:  # whatever pypsrp and pyspnego make of it
            self.note(**logon, complaints=[*complaints, f"cannot unseal: {error!r}"])
            self.send_error(400)
            return
        status, answer, record = self.respond(envelope)
        record["complaints"] = complaints + record["complaints"]
        self.note(**logon, **record)
        _, wrapped = self.seal.wrap_message(answer)
        self.send_response(status)
        self.send_header("Content-Type", SEALED)
        self.send_header("Content-Length", str(len(wrapped)))
        self.end_headers()
        self.wfile.write(wrapped)


class Server(http.server.ThreadingHTTPServer):
    """Listens on loopback, on a port of the system's choice."""

    daemon_threads = True

    def __init__(self, handler):
        super().__init__(("127.0.0.1", 0), handler)

    def announce(self, out):
        """Says where it listens: a line of JSON."""
        print(json.dumps({"port": self.server_address[1]}), file=out, flush=True)
