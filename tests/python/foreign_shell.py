"""A shell of PowerShell: psrpcore's runspace pool behind the operations of WS-Management.

`Shell` answers requests; what its pipelines do is `foreign_commands`.
"""

import base64
import xml.etree.ElementTree as ET

import foreign_commands
import foreign_soap as soap
from foreign_soap import A, RSP, W, X
from psrpcore import (
    CreatePipelineEvent,
    EndOfPipelineInputEvent,
    InitRunspacePoolEvent,
    PipelineHostResponseEvent,
    PSRPPayload,
    PublicKeyEvent,
    ServerPipeline,
    ServerRunspacePool,
    SessionCapabilityEvent,
    StreamType,
)
from psrpcore.types import PSInvocationState

TIMED_OUT = 2150858793
NO_SUCH_SHELL = 2150858843
INVALID = 2150858767
ENDED = (PSInvocationState.Completed, PSInvocationState.Failed, PSInvocationState.Stopped)
SHELL_STATE = RSP[1:-1] + "/CommandState/"
# Most bytes of fragments in one answer, and so the size of a fragment.
PIECE = 32 << 10


class Command:
    """A pipeline in a shell: its output, cut into pieces, and how it wants to be treated."""

    def __init__(self, pipeline):
        self.pipeline = pipeline
        self.pieces = []
        # How many more Receives find nothing to tell.
        self.silent = 0
        # Whether the end is told in a Receive of its own, after the last output.
        self.late = False


class Shells:
    """All shells of a server, and what was asked of it."""

    def __init__(self, configuration, path):
        self.resource_uri = "http://schemas.microsoft.com/powershell/" + configuration
        self.path = path
        self.shells = {}
        self.pipelines = []

    def respond(self, envelope):
        """Status, envelope and record of the answer to `envelope`."""
        request = soap.read(envelope)
        request.expect(len(envelope) <= 150 << 10, f"an envelope of {len(envelope)} bytes")
        request.expect(request.to.endswith(self.path), f"to {request.to}")
        request.expect(request.resource_uri == self.resource_uri, f"of {request.resource_uri}")
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
        if request.action == "Create":
            shell = Shell(self, request)
            self.shells[shell.id] = shell
            body = shell.created(request)
        else:
            (selector, _) = request.selectors.get("ShellId", ("", None))
            request.expect(len(request.selectors) == 1 and selector, f"{request.selectors}")
            shell = self.shells.get(selector)
            if shell is None:
                text = "The request contained invalid selectors for the resource."
                fault = soap.fault(request, NO_SUCH_SHELL, "Sender", "InvalidSelectors", text)
                return 500, fault
            body = getattr(shell, request.action.lower())(request)
        if request.complaints:
            return 500, None
        if body is None:
            text = "The WS-Management service cannot complete the operation within the time."
            return 500, soap.fault(request, TIMED_OUT, "Receiver", "TimedOut", text)
        return 200, soap.answer(request, body)


class Shell:
    """One shell."""

    def __init__(self, shells, request):
        self.shells = shells
        self.pieces = []
        self.commands = {}
        self.pool = ServerRunspacePool()
        request.expect(
            request.options == {"protocolversion": ("2.3", "true")}, f"options {request.options}"
        )
        request.expect(not request.selectors, f"selectors {request.selectors}")
        shell = request.content(RSP + "Shell")
        self.uuid = request.identifier(shell, "ShellId")
        self.id = shell.get("ShellId")
        # The order is that of the schema of [MS-WSMV] 2.2.4.37.
        order = ["IdleTimeOut", "InputStreams", "OutputStreams", "creationXml"]
        found = [child.tag.partition("}")[2] for child in shell]
        request.expect(found == [name for name in order if name in found], f"Shell of {found}")
        texts = {child.tag: child.text for child in shell}
        request.expect(texts.get(RSP + "InputStreams") == "stdin pr", f"{texts}")
        request.expect(texts.get(RSP + "OutputStreams") == "stdout", f"{texts}")
        creation = shell.find(soap.PWSH + "creationXml")
        octets = request.octets(creation) if creation is not None else b""
        events = [type(event) for event in self.feed(octets, None)]
        wanted = [SessionCapabilityEvent, InitRunspacePoolEvent]
        request.expect(events == wanted, f"the pool was opened with {events}")
        request.expect(self.pool.runspace_pool_id == self.uuid, "ids of shell and pool differ")
        runspaces = (self.pool.min_runspaces, self.pool.max_runspaces)
        request.expect(runspaces == (1, 1), f"{runspaces} runspaces")
        self.drain()

    def feed(self, octets, command, stream=StreamType.default):
        """Gives octets to the pool; yields what comes of them."""
        pipeline = command.pipeline.pipeline_id if command else None
        self.pool.receive_data(PSRPPayload(octets, stream, pipeline))
        while event := self.pool.next_event():
            yield event

    def drain(self):
        """Takes what the pool wants to send into the pieces of whom it is for."""
        while payload := self.pool.data_to_send(PIECE):
            command = self.commands.get(payload.pipeline_id)
            (command or self).pieces.append(payload.data)

    def created(self, request):
        """The body of the answer to Create."""
        resource = ET.Element(X + "ResourceCreated")
        ET.SubElement(resource, A + "Address").text = request.to
        parameters = ET.SubElement(resource, A + "ReferenceParameters")
        ET.SubElement(parameters, W + "ResourceURI").text = self.shells.resource_uri
        selectors = ET.SubElement(parameters, W + "SelectorSet")
        ET.SubElement(selectors, W + "Selector", {"Name": "ShellId"}).text = self.id
        shell = ET.Element(RSP + "Shell")
        for name, text in (
            ("ShellId", self.id),
            ("ResourceUri", self.shells.resource_uri),
            ("Owner", "FOREIGN\\owaim"),
            ("ClientIP", "127.0.0.1"),
            ("IdleTimeOut", "PT7200.000S"),
            ("InputStreams", "stdin pr"),
            ("OutputStreams", "stdout"),
            ("State", "Connected"),
        ):
            ET.SubElement(shell, RSP + name).text = text
        return [resource, shell]

    def command(self, request):
        """Takes a pipeline; the answer's body names it."""
        line = request.content(RSP + "CommandLine")
        request.expect(not request.options, f"options {request.options}")
        found = [child.tag for child in line]
        request.expect(found == [RSP + "Command", RSP + "Arguments"], f"CommandLine of {found}")
        request.expect(not line[0].text, f"a command {line[0].text!r}")
        number = request.identifier(line, "CommandId")
        request.expect(number not in self.commands, "an id of a command that there is")
        command = Command(ServerPipeline(self.pool, number))
        self.commands[number] = command
        self.take(request, command, request.octets(line[1]), StreamType.default)
        response = ET.Element(RSP + "CommandResponse")
        ET.SubElement(response, RSP + "CommandId").text = str(number).upper()
        return [response]

    def send(self, request):
        """Takes input, of a pipeline or of the pool."""
        (stream,) = request.content(RSP + "Send") or [None]
        if stream is None or stream.tag != RSP + "Stream":
            request.complaints.append("a Send of no stream")
            return []
        name = stream.get("Name")
        request.expect(name in ("stdin", "pr"), f"a stream {name}")
        kind = StreamType.prompt_response if name == "pr" else StreamType.default
        octets = request.octets(stream)
        request.expect(octets, "a Send of nothing")
        command = None
        if "CommandId" in stream.attrib:
            command = self.commands.get(request.identifier(stream, "CommandId"))
            request.expect(command, "a Send to no command")
        if not request.complaints:
            self.take(request, command, octets, kind)
        return [ET.Element(RSP + "SendResponse")]

    def take(self, request, command, octets, kind):
        """What a client sent, and what comes of it."""
        for event in self.feed(octets, command, kind):
            # psrpcore answers by itself: the session key waits for the pool's Receive.
            if isinstance(event, PublicKeyEvent):
                request.expect(command is None, f"{event} came to a pipeline")
                continue
            # The pool speaks for itself while it opens; afterwards all is some pipeline's.
            request.expect(
                command and event.pipeline_id == command.pipeline.pipeline_id,
                f"{event} came to another pipeline",
            )
            if isinstance(event, CreatePipelineEvent):
                self.shells.pipelines.append(foreign_commands.describe(event.pipeline))
                foreign_commands.start(command, event.pipeline)
            elif isinstance(event, EndOfPipelineInputEvent):
                self.shells.pipelines[-1]["input_ended"] = True
            elif isinstance(event, PipelineHostResponseEvent):
                request.expect(kind == StreamType.prompt_response, f"{event} over stdin")
                foreign_commands.go_on(command, event)
            else:
                request.complaints.append(f"nobody asked for {event}")
        self.drain()

    def receive(self, request):
        """Output: one piece at a time, the fault of a time-out if there is none."""
        desired = request.content(RSP + "Receive").find(RSP + "DesiredStream")
        if desired is None or desired.text != "stdout":
            request.complaints.append("a Receive of something else than stdout")
            return []
        keep_alive = request.options.pop("WSMAN_CMDSHELL_OPTION_KEEPALIVE", ("TRUE", None))[0]
        request.expect(keep_alive.upper() == "TRUE" and not request.options, f"{request.options}")
        response = ET.Element(RSP + "ReceiveResponse")
        if "CommandId" not in desired.attrib:
            if not self.pieces:
                return None
            self.stream(response, self.pieces.pop(0), {})
            return [response]
        number = request.identifier(desired, "CommandId")
        command = self.commands.get(number)
        request.expect(command, "a Receive of no command")
        if request.complaints:
            return []
        ended = command.pipeline.state in ENDED
        if command.silent or not (command.pieces or ended):
            command.silent = max(command.silent - 1, 0)
            return None
        name = {"CommandId": str(number).upper()}
        had = bool(command.pieces)
        if had:
            self.stream(response, command.pieces.pop(0), name)
        done = ended and not command.pieces and not (command.late and had)
        state = SHELL_STATE + ("Done" if done else "Running")
        element = ET.SubElement(response, RSP + "CommandState", {**name, "State": state})
        if done:
            ET.SubElement(element, RSP + "ExitCode").text = "0"
            self.end(number)
        return [response]

    def end(self, number):
        """Forgets a command."""
        self.commands.pop(number).pipeline.close()

    @staticmethod
    def stream(response, octets, name):
        """Adds a piece of stdout to an answer."""
        element = ET.SubElement(response, RSP + "Stream", {"Name": "stdout", **name})
        element.text = base64.b64encode(octets).decode()

    def signal(self, request):
        """Ends a command."""
        signal = request.content(RSP + "Signal")
        code = signal.findtext(RSP + "Code", "")
        request.expect(code.lower() == soap.TERMINATE, f"a signal {code}")
        number = request.identifier(signal, "CommandId")
        request.expect(number in self.commands, "a Signal to no command")
        if not request.complaints:
            command = self.commands[number]
            if command.pipeline.state not in ENDED:
                command.pipeline.stop()
                self.pool.data_to_send()
            self.end(number)
        return [ET.Element(RSP + "SignalResponse")]

    def delete(self, request):
        """Ends the shell."""
        request.expect(len(request.body) == 0, "a Delete with a body")
        self.shells.shells.pop(self.id)
        return []
