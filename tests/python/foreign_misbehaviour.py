"""What the foreign server does wrong on purpose.

A job's "misbehaviour" is {"kind": a method of `Misbehaviour`, "at": the action whose answers are
spoiled, or "logon", "after": how many of them are not}. Everything until then is as it should be.
"""

import base64
import gzip
import http.server
import socket
import struct
import threading
import time
import uuid

import foreign_soap as soap

MIB = 1 << 20
# Enough for every limit, and far more than a client should have in memory.
HUGE = 100 * MIB
DEEP = 10_000
# Head of a fragment and of a message ([MS-PSRP] 2.2.4, 2.2.1).
FRAGMENT = struct.Struct(">QQBI")
MESSAGE = struct.Struct("<II16s16s")
TO_CLIENT, PIPELINE_OUTPUT = 1, 0x00041004
LAUGHS = (
    '<!DOCTYPE x [<!ENTITY a "haha">'
    + "".join(f'<!ENTITY {b} "{f"&{a};" * 10}">' for a, b in zip("abcdefgh", "bcdefghi"))
    + "]>"
)


# What comes in place of the acceptor's tokens.
TOKENS = {
    "truncated": lambda octets: octets[: len(octets) // 2],
    "garbage": lambda octets: bytes(reversed(octets)),
    "echoed": lambda octets: b"x" * len(octets),
    "huge": lambda octets: octets + bytes(MIB),
    "deep": lambda octets: b"".join(b"\x30\x84" + n.to_bytes(4) for n in range(60_000, 6, -6)),
}


class Elsewhere(http.server.ThreadingHTTPServer):
    """The host that requests are redirected to: notes that somebody came."""

    def __init__(self):
        super().__init__(("127.0.0.2", 0), http.server.BaseHTTPRequestHandler)
        self.seen = []
        threading.Thread(target=self.serve_forever, daemon=True).start()
        # Whoever comes is noted, so that nothing noted says that nobody came.
        with socket.create_connection(self.server_address) as visitor:
            visitor.sendall(b"\r\n")
            visitor.shutdown(socket.SHUT_WR)
            visitor.recv(1)
        assert len(self.seen) == 1, self.seen
        self.seen.clear()

    def get_request(self):
        connection, peer = super().get_request()
        self.seen.append(peer[0])
        return connection, peer


class Misbehaviour:
    """How a server misbehaves; not at all without a kind."""

    def __init__(self, job):
        self.job = job or {}
        # How many answers of that action are as they should be before.
        self.after = self.job.get("after", 0)
        self.previous = None
        self.last = None
        # Of fragments that never end.
        self.number = 0
        self.command = None
        self.elsewhere = None
        if self.job.get("kind") == "redirect":
            self.elsewhere = Elsewhere()

    def is_due(self, record):
        """Whether the answer to that request is to be spoiled."""
        if self.job.get("at") != record.get("action"):
            return False
        self.after -= 1
        return self.after < 0

    def saw(self, body):
        """Remembers a sealed body, to send it again."""
        self.previous, self.last = self.last, body

    def answer(self, handler, status, envelope):
        """Answers, in its way."""
        getattr(self, self.job["kind"])(handler, status, envelope)

    def token(self, octets):
        """The token to send back in a logon in place of `octets`."""
        if self.job.get("at") != "logon" or not octets:
            return octets
        return TOKENS[self.job["kind"]](octets)

    # What is wrong with the envelope; the rest is right.

    def entities(self, handler, status, envelope):
        """Ten to the ninth laughs."""
        text = envelope.decode().replace("</s:Body>", "<x>&i;</x></s:Body>", 1)
        handler.answer(status, *handler.closed((LAUGHS + text).encode()))

    def external(self, handler, status, envelope):
        """An entity that is a file of the client's machine."""
        text = envelope.decode().replace("</s:Body>", "<x>&f;</x></s:Body>", 1)
        doctype = '<!DOCTYPE x [<!ENTITY f SYSTEM "file:///etc/hostname">]>'
        handler.answer(status, *handler.closed((doctype + text).encode()))

    def deep_xml(self, handler, status, envelope):
        """Elements in elements."""
        deep = "<x>" * DEEP + "</x>" * DEEP
        text = envelope.decode().replace("</s:Body>", f"{deep}</s:Body>", 1)
        handler.answer(status, *handler.closed(text.encode()))

    def deep_clixml(self, handler, status, envelope):
        """Lists in lists, in an answer that is right otherwise."""
        value = "".join(f"<Obj RefId='{number}'><LST>" for number in range(DEEP))
        value += "</LST></Obj>" * DEEP
        self.output(handler, envelope, value)

    def entities_clixml(self, handler, status, envelope):
        """Laughs in the CLIXML of an object."""
        self.output(handler, envelope, f"{LAUGHS}<S>&i;</S>")

    def output(self, handler, envelope, value):
        """A Receive whose stream is one object."""
        message = MESSAGE.pack(TO_CLIENT, PIPELINE_OUTPUT, b"\0" * 16, uuid.uuid4().bytes)
        message += value.encode()
        octets = FRAGMENT.pack(1 << 32, 0, 3, len(message)) + message
        handler.answer(200, *handler.closed(self.streamed(envelope, octets)))

    def endless(self, handler, status, envelope):
        """One object in fragments that never end."""
        piece = b"\xef\xbb\xbf" + b"x" * (256 << 10)
        octets = FRAGMENT.pack(1 << 32, self.number, int(self.number == 0), len(piece)) + piece
        self.number += 1
        handler.answer(200, *handler.closed(self.streamed(envelope, octets)))

    def streamed(self, envelope, octets):
        """The answer to a Receive of a command, with another stream, which does not end it. The
        real server has told all and knows no such command any more after the first."""
        root = soap.ET.fromstring(envelope)
        stream = root.find(f".//{soap.RSP}Stream")
        if stream is not None:
            self.command = stream.get("CommandId")
        root.find(f".//{soap.A}Action").text = soap.SHELL + "ReceiveResponse"
        body = root.find(soap.S + "Body")
        body.clear()
        name = {"CommandId": self.command}
        response = soap.ET.SubElement(body, soap.RSP + "ReceiveResponse")
        stream = soap.ET.SubElement(response, soap.RSP + "Stream", {"Name": "stdout", **name})
        stream.text = base64.b64encode(octets).decode()
        state = {**name, "State": soap.SHELL + "CommandState/Running"}
        soap.ET.SubElement(response, soap.RSP + "CommandState", state)
        return soap.ET.tostring(root, encoding="utf-8")

    # What is wrong with the sealed body.

    def tampered(self, handler, status, envelope):
        """A bit of the sealed octets is not what it was."""
        kind, body = handler.closed(envelope)
        at = len(body) - 60
        handler.answer(status, kind, body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :])

    def signature(self, handler, status, envelope):
        """A bit of the signature is not what it was."""
        kind, body = handler.closed(envelope)
        at = body.index(b"octet-stream\r\n") + len(b"octet-stream\r\n") + 4 + 6
        handler.answer(status, kind, body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :])

    def replayed(self, handler, status, envelope):
        """The answer before once more."""
        kind, _ = handler.closed(envelope)
        handler.answer(status, kind, self.previous)

    def truncated(self, handler, status, envelope):
        """Half of the body, honestly announced."""
        kind, body = handler.closed(envelope)
        handler.answer(status, kind, body[: len(body) // 2])

    def unclosed(self, handler, status, envelope):
        """No closing boundary."""
        kind, body = handler.closed(envelope)
        handler.answer(status, kind, body[: body.rindex(b"--Encrypted Boundary--")])

    def longer(self, handler, status, envelope):
        """A Length that promises one octet more."""
        self.relabelled(handler, status, envelope, lambda length: length + 1)

    def shorter(self, handler, status, envelope):
        """A Length that promises less."""
        self.relabelled(handler, status, envelope, lambda length: length // 2)

    def boundless(self, handler, status, envelope):
        """A Length that nobody can have memory for."""
        self.relabelled(handler, status, envelope, lambda _: 1 << 62)

    @staticmethod
    def relabelled(handler, status, envelope, change):
        kind, body = handler.closed(envelope)
        before, mark, after = body.partition(b"Length=")
        length, line, rest = after.partition(b"\r\n")
        text = str(change(int(length))).encode()
        handler.answer(status, kind, before + mark + text + line + rest)

    def plain(self, handler, status, envelope):
        """The right answer, readable for all."""
        handler.answer(status, "application/soap+xml;charset=UTF-8", envelope)

    # What is wrong with the answer of HTTP.

    def cut(self, handler, status, envelope):
        """The connection ends in the middle."""
        kind, body = handler.closed(envelope)
        self.head(handler, status, kind, [("Content-Length", len(body))])
        handler.wfile.write(body[: len(body) // 2])
        handler.close_connection = True

    def gzipped(self, handler, status, envelope):
        """1 GiB of nothing, in one of MiB, with an encoding that nobody asked for."""
        member = gzip.compress(bytes(16 * MIB), 9)
        kind, _ = handler.closed(envelope)
        body = member * 64
        length = [("Content-Encoding", "gzip"), ("Content-Length", len(body))]
        self.head(handler, status, kind, length)
        handler.wfile.write(body)

    def huge(self, handler, status, envelope):
        """100 MiB, announced."""
        self.flood(handler, status, envelope, [("Content-Length", HUGE)], b"%b")

    def chunked(self, handler, status, envelope):
        """100 MiB, in chunks of which nobody knows how many will come."""
        self.flood(handler, status, envelope, [("Transfer-Encoding", "chunked")], b"10000\r\n%b\r\n")

    def flood(self, handler, status, envelope, length, form):
        kind, _ = handler.closed(envelope)
        self.head(handler, status, kind, length)
        for _ in range(HUGE >> 16):
            handler.wfile.write(form % (b"x" * (1 << 16)))
        handler.close_connection = True

    def slow(self, handler, status, envelope):
        """An octet a second."""
        kind, body = handler.closed(envelope)
        self.head(handler, status, kind, [("Content-Length", len(body))])
        for octet in body:
            handler.wfile.write(bytes([octet]))
            time.sleep(1)

    def redirect(self, handler, status, envelope):
        """To another host, which would get whatever comes."""
        address, port = self.elsewhere.server_address
        place = f"http://{address}:{port}/wsman"
        self.head(handler, 307, None, [("Location", place), ("Content-Length", 0)])

    @staticmethod
    def head(handler, status, kind, headers):
        """The head of an answer."""
        handler.send_response(status)
        if kind:
            handler.send_header("Content-Type", kind)
        for name, value in headers:
            handler.send_header(name, str(value))
        handler.end_headers()
