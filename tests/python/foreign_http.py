"""HTTP/1.1, over TLS or not, with logons and sealed messages: pyspnego accepts, pypsrp's framing
wraps and unwraps.

`Handler.respond` of a subclass gets each envelope in clear and gives (status, envelope) back.
"""

import base64
import contextlib
import http.server
import json
import ssl
import sys

from foreign_authenticate import LOGONS, Refused
from pypsrp.encryption import WinRMEncryption

BOUNDARY = "Encrypted Boundary"
PLAIN = "application/soap+xml;charset=UTF-8"
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
        self.job = self.server.job
        # Over TLS nothing is sealed once more.
        self.over_tls = self.job["tls"] is not None
        peer = self.connection.getpeercert() if self.over_tls else None
        self.logon = LOGONS[self.job["authentication"]](self.job, self.server.binding, peer)
        # What a logon said, to be noted with the message that it comes with.
        self.facts = {}
        # The tokens of a logon so far, and the one to send back with the next answer.
        self.rounds = 0
        self.token = ""

    def respond(self, envelope):
        """The answer to an envelope: HTTP status, envelope and record."""
        raise NotImplementedError

    def identify(self, envelope):
        """The answer to an envelope for which nobody has to log on."""
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
        if self.headers.get("WSMANIDENTIFY") == "unauthenticated":
            self.converse(body, complaints, self.identify)
            return
        scheme, _, value = self.headers.get("Authorization", "").partition(" ")
        if self.logon.complete and not self.logon.stateless:
            if scheme:
                complaints.append("a token on a connection that is authenticated")
        elif scheme != self.logon.scheme:
            if scheme:
                complaints.append(f"scheme {scheme!r}")
            self.note(phase="anonymous", complaints=complaints)
            self.refuse()
            return
        elif not self.log_on(value, body, complaints):
            return
        self.converse(body, complaints, self.respond)

    def log_on(self, value, body, complaints):
        """Takes a token; true if there is a message to be answered, too."""
        phase = "continue" if self.rounds else "negotiate"
        self.rounds += 1
        try:
            answer = self.logon.step(value)
        except Refused as refusal:
            self.note(
                phase="authenticate",
                refused=str(refusal),
                **self.logon.facts,
                complaints=complaints,
            )
            self.rounds = 0
            self.refuse()
            return False
        answer = self.server.misbehaviour.token(answer)
        self.token = base64.b64encode(answer).decode() if answer else ""
        if not self.logon.complete:
            if body:
                complaints.append("a message before its sender is known")
            self.note(phase=phase, complaints=complaints)
            self.refuse(self.token)
            return False
        self.facts = dict(self.logon.facts)
        if self.server.binding and self.facts.get("bound") is False:
            complaints.append("a logon that is not bound to the channel")
        if not body:
            self.note(phase="authenticate", **self.facts, complaints=complaints)
            self.facts = {}
            self.answer(200, None, b"")
            return False
        return True

    def challenge(self, token):
        """The value of WWW-Authenticate."""
        realm = 'realm="WSMAN"' if self.logon.scheme == "Basic" else token
        return f"{self.logon.scheme} {realm}".strip()

    def refuse(self, token=""):
        """Status 401, with a challenge if there is one."""
        self.send_response(401)
        for scheme in self.job["offers"]:
            self.send_header("WWW-Authenticate", scheme)
        self.send_header("WWW-Authenticate", self.challenge(token))
        self.send_header("Content-Length", "0")
        self.end_headers()

    def answer(self, status, kind, body):
        """An answer, with the last token of a logon if there is one."""
        self.send_response(status)
        token, self.token = self.token, ""
        if token:
            self.send_header("WWW-Authenticate", self.challenge(token))
        if kind:
            self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    @property
    def sealing(self):
        """What seals the messages of this connection; `None` if nothing does."""
        if self.over_tls or not self.logon.sealing or not self.logon.complete:
            return None
        sealing = WinRMEncryption(self.logon.context, self.logon.sealing)
        if self.job["boundary"] == "spaced":
            sealing.MIME_BOUNDARY = f"-- {BOUNDARY}"
        return sealing

    def converse(self, body, complaints, respond):
        """A message, and its answer."""
        facts, self.facts = self.facts, {}
        try:
            envelope = self.opened(body, complaints)
        except Exception as error:  # whatever pypsrp and pyspnego make of it
            self.note(**facts, complaints=[*complaints, f"cannot unseal: {error!r}"])
            self.send_error(400)
            return
        status, answer, record = respond(envelope)
        record["complaints"] = complaints + record["complaints"]
        self.note(**facts, **record)
        misbehaviour = self.server.misbehaviour
        if misbehaviour.is_due(record):
            misbehaviour.answer(self, status, answer)
        else:
            self.answer(status, *self.closed(answer))

    def opened(self, body, complaints):
        """The envelope in a body."""
        kind = self.headers.get("Content-Type", "")
        sealing = self.sealing
        if sealing is None:
            if kind != PLAIN:
                complaints.append(f"Content-Type {kind!r}")
            return body
        whole, protocol = "multipart/encrypted", sealing.protocol
        if protocol == sealing.CREDSSP and body.count(b"OriginalContent") > 1:
            whole = "multipart/x-multi-encrypted"
        if kind != f'{whole};protocol="{protocol}";boundary="{BOUNDARY}"':
            complaints.append(f"Content-Type {kind!r}")
        if f"\tContent-Type: {protocol}\r\n".encode() not in body:
            complaints.append("parts that are sealed by another protocol")
        if not body.endswith(f"{BOUNDARY}--\r\n".encode()):
            complaints.append("no closing boundary")
        return sealing.unwrap_message(body, BOUNDARY)

    def closed(self, envelope):
        """Content type and body of an envelope."""
        sealing = self.sealing
        if sealing is None:
            return PLAIN, envelope
        kind, body = sealing.wrap_message(envelope)
        self.server.misbehaviour.saw(body)
        return f'{kind};protocol="{sealing.protocol}";boundary="{BOUNDARY}"', body


class Server(http.server.ThreadingHTTPServer):
    """Listens on loopback, on a port of the system's choice."""

    daemon_threads = True

    def __init__(self, handler, job, certificates, misbehaviour):
        super().__init__(("127.0.0.1", 0), handler)
        self.job = job
        self.misbehaviour = misbehaviour
        tls = job["tls"]
        self.binding = None
        self.context = None
        # What became of handshakes that failed.
        self.handshakes = []
        if tls is not None:
            self.context = certificates.context(tls, job["authentication"] == "certificate")
            self.binding = certificates.binding(tls.get("binding", "right"))

    def finish_request(self, request, client_address):
        if self.context is None:
            super().finish_request(request, client_address)
            return
        try:
            wrapped = self.context.wrap_socket(request, server_side=True)
        except (ssl.SSLError, OSError) as error:
            self.handshakes.append(str(error))
            return
        with contextlib.closing(wrapped):
            super().finish_request(wrapped, client_address)

    def handle_error(self, request, client_address):
        # Clients that are tried with misbehaviour hang up in the middle.
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)

    def announce(self, out, **more):
        """Says where it listens: a line of JSON."""
        print(json.dumps({"port": self.server_address[1], **more}), file=out, flush=True)
