"""The shells of the foreign server, and what a service tells of itself: the operations of
WS-Management that have nothing to do with what a shell is for.

`Shells` answers requests; `foreign_shell` and `foreign_winrs` are the kinds of shells.
"""

import threading
import xml.etree.ElementTree as ET

import foreign_soap as soap
from foreign_soap import A, C, I, N, RSP, W, X

TIMED_OUT = 2150858793
NO_SUCH_SHELL = 2150858843
INVALID = 2150858767
SHELLS = RSP[1:-1]
COMMANDS = RSP[1:-1] + "/Command"
CONFIG = C[1:-1]
# The largest envelope that is taken, and what is said of it on request.
MOST_KIB = 500


def texts(parent, values):
    """Elements with those texts, in the namespace of shells."""
    for name, text in values:
        ET.SubElement(parent, RSP + name).text = text
    return parent


class Shell:
    """What shells of all kinds have in common. A kind has `inputs`, `outputs` and operations."""

    inputs = outputs = ""

    def __init__(self, shells, request, number):
        self.shells = shells
        self.id = str(number).upper()
        self.resource_uri = request.resource_uri
        self.session = request.session_id
        self.name = None
        self.is_connected = True
        self.commands = {}

    def describe(self):
        """The shell as an element."""
        values = [
            ("ShellId", self.id),
            ("ResourceUri", self.resource_uri),
            ("Owner", "FOREIGN\\owaim"),
            ("ClientIP", "127.0.0.1"),
            ("IdleTimeOut", "PT7200.000S"),
            ("InputStreams", self.inputs),
            ("OutputStreams", self.outputs),
            ("State", "Connected" if self.is_connected else "Disconnected"),
        ]
        if self.name:
            values.insert(1, ("Name", self.name))
        return texts(ET.Element(RSP + "Shell"), values)

    def created(self, request):
        """The body of the answer to Create."""
        resource = ET.Element(X + "ResourceCreated")
        ET.SubElement(resource, A + "Address").text = request.to
        parameters = ET.SubElement(resource, A + "ReferenceParameters")
        ET.SubElement(parameters, W + "ResourceURI").text = self.resource_uri
        selectors = ET.SubElement(parameters, W + "SelectorSet")
        ET.SubElement(selectors, W + "Selector", {"Name": "ShellId"}).text = self.id
        return [resource, self.describe()]

    def has_news(self, request):
        """Whether a Receive would be answered at once."""
        raise NotImplementedError

    def delete(self, request):
        """Ends the shell."""
        request.expect(len(request.body) == 0, "a Delete with a body")
        self.shells.shells.pop(self.id)
        return []

    def get(self, request):
        """Tells of the shell."""
        request.expect(len(request.body) == 0, "a Get with a body")
        return [self.describe()]

    def disconnect(self, request):
        """Lets the client go; the shell stays."""
        for child in request.content(RSP + "Disconnect"):
            request.expect(child.tag == RSP + "IdleTimeOut", f"Disconnect with {child.tag}")
        request.expect(self.is_connected, "a Disconnect of a shell that is disconnected")
        self.is_connected = False
        return []

    def reconnect(self, request):
        """The same client is back."""
        request.expect(not self.is_connected, "a Reconnect of a shell that is connected")
        request.expect(request.session_id == self.session, "a Reconnect of another client")
        self.is_connected = True
        return []


class Shells:
    """All shells of a server, and what was asked of it."""

    def __init__(self, job, kinds):
        self.job = job
        self.path = job["path"]
        # What makes a shell, by its resource URI.
        self.kinds = kinds
        self.shells = {}
        # Every pipeline and every command, as it was understood.
        self.pipelines = []
        # Notified after each request: a Receive waits for what others bring about.
        self.changed = threading.Condition()

    def respond(self, envelope):
        """Status, envelope and record of the answer to `envelope`."""
        request = soap.read(envelope)
        request.expect(len(envelope) <= MOST_KIB << 10, f"an envelope of {len(envelope)} bytes")
        request.expect(request.to.endswith(self.path), f"to {request.to}")
        try:
            status, answer = self.operate(request)
        except Exception as error:  # whatever psrpcore thinks of what it got
            request.complaints.append(f"{type(error).__name__}: {error}")
            status, answer = 500, None
        if answer is None:
            text = "; ".join(request.complaints)
            answer = soap.fault(request, INVALID, "Sender", "InvalidParameter", text)
        request.expect(
            len(answer) <= request.max_envelope_size, "no room for an answer in MaxEnvelopeSize"
        )
        record = {
            "action": request.action,
            "session": request.session_id,
            "timeout": request.operation_timeout,
            "room": request.max_envelope_size,
            "size": len(envelope),
            "status": status,
            "complaints": request.complaints,
        }
        return status, answer, record

    def operate(self, request):
        """Status and envelope of the answer; without an envelope, the complaints are it."""
        if request.complaints:
            return 500, None
        service = {
            ("Get", CONFIG): self.configuration,
            ("Enumerate", SHELLS): self.enumerate,
            ("Enumerate", COMMANDS): self.enumerate,
        }
        if request.action == "Create":
            kind = self.kinds.get(request.resource_uri)
            request.expect(kind, f"a shell of {request.resource_uri}")
            if request.complaints:
                return 500, None
            shell = kind(self, request)
            self.shells[shell.id] = shell
            body = shell.created(request)
        elif operation := service.get((request.action, request.resource_uri)):
            body = operation(request)
        else:
            (selector, _) = request.selectors.get("ShellId", ("", None))
            request.expect(len(request.selectors) == 1 and selector, f"{request.selectors}")
            shell = self.shells.get(selector)
            if shell is None:
                text = "The request contained invalid selectors for the resource."
                fault = soap.fault(request, NO_SUCH_SHELL, "Sender", "InvalidSelectors", text)
                return 500, fault
            uris = (shell.resource_uri, *([SHELLS] if request.action == "Get" else []))
            request.expect(request.resource_uri in uris, f"of {request.resource_uri}")
            away = ("Delete", "Get", "Reconnect", "Connect")
            request.expect(
                shell.is_connected or request.action in away,
                f"a {request.action} to a shell that is disconnected",
            )
            if request.action == "Receive":
                self.changed.wait_for(lambda: shell.has_news(request), self.job["hold"])
            body = getattr(shell, request.action.lower())(request)
        self.changed.notify_all()
        if request.complaints:
            return 500, None
        if body is None:
            text = "The WS-Management service cannot complete the operation within the time."
            return 500, soap.fault(request, TIMED_OUT, "Receiver", "TimedOut", text)
        return 200, soap.answer(request, body)

    def configuration(self, request):
        """The configuration of the service, as far as anybody asks."""
        request.expect(len(request.body) == 0, "a Get with a body")
        config = ET.Element(C + "Config")
        ET.SubElement(config, C + "MaxEnvelopeSizekb").text = str(MOST_KIB)
        return [config]

    def enumerate(self, request):
        """All shells, or the commands of one."""
        wanted = request.content(N + "Enumerate")
        optimize = wanted.find(W + "OptimizeEnumeration")
        request.expect(optimize is not None, "an Enumerate that wants to pull")
        response = ET.Element(N + "EnumerateResponse")
        ET.SubElement(response, N + "EnumerationContext")
        items = ET.SubElement(response, W + "Items")
        if request.resource_uri == SHELLS:
            items.extend(shell.describe() for shell in self.shells.values())
        else:
            selector = wanted.find(f"{W}Filter/{W}SelectorSet/{W}Selector[@Name='ShellId']")
            request.expect(selector is not None, "an Enumerate of commands of no shell")
            if request.complaints:
                return []
            for number in self.shells[selector.text].commands:
                values = [("CommandId", str(number).upper()), ("State", "Running")]
                items.append(texts(ET.Element(RSP + "Command"), values))
        ET.SubElement(response, W + "EndOfSequence")
        return [response]


def identify(envelope):
    """Status, envelope and record of the answer to an Identify of somebody unknown."""
    root = ET.fromstring(envelope.decode("utf-8"))
    complaints = []
    wanted = [soap.S + "Envelope", soap.S + "Header", soap.S + "Body", I + "Identify"]
    found = [element.tag for element in root.iter()]
    if found != wanted:
        complaints.append(f"an Identify of {found}")
    answer = ET.Element(soap.S + "Envelope")
    ET.SubElement(answer, soap.S + "Header")
    response = ET.SubElement(ET.SubElement(answer, soap.S + "Body"), I + "IdentifyResponse")
    for name, text in (
        ("ProtocolVersion", W[1:-1]),
        ("ProductVendor", "Foreign"),
        ("ProductVersion", "OS: 0.0.0 SP: 0.0 Stack: 3.0"),
    ):
        ET.SubElement(response, I + name).text = text
    record = {"action": "Identify", "status": 200, "complaints": complaints}
    return 200, ET.tostring(answer, encoding="utf-8"), record
