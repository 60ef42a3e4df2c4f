"""A shell of PowerShell: psrpcore's runspace pool behind the operations of WS-Management.

`PowerShell` answers requests; what its pipelines do is `foreign_commands`.
"""

import base64
import struct
import xml.etree.ElementTree as ET

import foreign_commands
import foreign_soap as soap
from foreign_shells import Shell
from foreign_soap import RSP
from psrpcore import (
    ConnectRunspacePoolEvent,
    CreatePipelineEvent,
    EndOfPipelineInputEvent,
    GetAvailableRunspacesEvent,
    GetCommandMetadataEvent,
    InitRunspacePoolEvent,
    PipelineHostResponseEvent,
    PipelineInputEvent,
    PSRPPayload,
    PublicKeyEvent,
    ResetRunspaceStateEvent,
    ServerPipeline,
    ServerRunspacePool,
    SessionCapabilityEvent,
    SetMaxRunspacesEvent,
    SetMinRunspacesEvent,
    StreamType,
)
from psrpcore.types import PSInvocationState

ENDED = (PSInvocationState.Completed, PSInvocationState.Failed, PSInvocationState.Stopped)
# What is asked of the pool, and not of a pipeline of it.
OF_POOL = (
    GetAvailableRunspacesEvent,
    ResetRunspaceStateEvent,
    SetMaxRunspacesEvent,
    SetMinRunspacesEvent,
)
SHELL_STATE = RSP[1:-1] + "/CommandState/"
# Most bytes of fragments in one answer, and so the size of a fragment.
PIECE = 32 << 10
# Head of a fragment: object, number, flags, length of what follows ([MS-PSRP] 2.2.4).
FRAGMENT = struct.Struct(">QQBI")


def fragments(octets):
    """Yields the fragments that stand one after the other in `octets`."""
    while octets:
        size = FRAGMENT.size + FRAGMENT.unpack_from(octets)[3]
        yield octets[:size]
        octets = octets[size:]


class Command:
    """A pipeline in a shell: its output, cut into pieces, and how it wants to be treated."""

    def __init__(self, pipeline):
        self.pipeline = pipeline
        self.pieces = []
        # Where it stands in the record of all pipelines.
        self.record = None
        # How many more Receives find nothing to tell.
        self.silent = 0
        # Whether the end is told in a Receive of its own, after the last output.
        self.late = False
        # Whether what is piped into it comes out again.
        self.echoes = False

    @property
    def ended(self):
        """Whether nothing more will come of it."""
        return self.pipeline.state in ENDED


class PowerShell(Shell):
    """One shell."""

    inputs, outputs = "stdin pr", "stdout"

    def __init__(self, shells, request):
        shell = request.content(RSP + "Shell")
        super().__init__(shells, request, request.identifier(shell, "ShellId"))
        self.pieces = []
        self.name = shell.get("Name")
        self.pool = ServerRunspacePool()
        version = request.options.get("protocolversion", ("", None))
        request.expect(
            version in (("2.3", "true"), ("2.2", "true"), ("2.1", "true"))
            and len(request.options) == 1,
            f"options {request.options}",
        )
        request.expect(not request.selectors, f"selectors {request.selectors}")
        # The order is that of the schema of [MS-WSMV] 2.2.4.37.
        order = ["IdleTimeOut", "InputStreams", "OutputStreams", "creationXml"]
        found = [child.tag.partition("}")[2] for child in shell]
        request.expect(sorted(found) == sorted(set(found) & set(order)), f"Shell of {found}")
        texts = {child.tag: child.text for child in shell}
        request.expect(texts.get(RSP + "InputStreams") == self.inputs, f"{texts}")
        request.expect(texts.get(RSP + "OutputStreams") == self.outputs, f"{texts}")
        creation = shell.find(soap.PWSH + "creationXml")
        octets = request.octets(creation) if creation is not None else b""
        events = [type(event) for event in self.feed(octets, None)]
        wanted = [SessionCapabilityEvent, InitRunspacePoolEvent]
        request.expect(events == wanted, f"the pool was opened with {events}")
        request.expect(str(self.pool.runspace_pool_id).upper() == self.id, "ids differ")
        runspaces = [self.pool.min_runspaces, self.pool.max_runspaces]
        request.expect(runspaces == shells.job["runspaces"], f"{runspaces} runspaces")
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

    def command(self, request):
        """Takes a pipeline; the answer's body names it."""
        line = request.content(RSP + "CommandLine")
        (skips, _) = request.options.pop("WINRS_SKIP_CMD_SHELL", ("FALSE", None))
        request.expect(skips.upper() == "FALSE" and not request.options, f"{request.options}")
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
            if isinstance(event, OF_POOL):
                request.expect(command is None, f"{event} came to a pipeline")
                asks = isinstance(event, GetAvailableRunspacesEvent)
                free = self.pool.max_runspaces - len(self.commands)
                self.pool.runspace_availability_response(event.ci, free if asks else True)
                continue
            # The pool speaks for itself while it opens; afterwards all is some pipeline's.
            request.expect(
                command and event.pipeline_id == command.pipeline.pipeline_id,
                f"{event} came to another pipeline",
            )
            if isinstance(event, CreatePipelineEvent):
                command.record = foreign_commands.describe(event.pipeline)
                self.shells.pipelines.append(command.record)
                foreign_commands.start(command, event.pipeline)
            elif isinstance(event, GetCommandMetadataEvent):
                foreign_commands.metadata(command, event.pipeline)
            elif isinstance(event, PipelineInputEvent):
                foreign_commands.take(command, event.data)
            elif isinstance(event, EndOfPipelineInputEvent):
                command.record["input_ended"] = True
                foreign_commands.input_ended(command)
            elif isinstance(event, PipelineHostResponseEvent):
                request.expect(kind == StreamType.prompt_response, f"{event} over stdin")
                foreign_commands.go_on(command, event)
            else:
                request.complaints.append(f"nobody asked for {event}")
        self.drain()

    def has_news(self, request):
        desired = request.content(RSP + "Receive").find(RSP + "DesiredStream")
        if desired is None or "CommandId" not in desired.attrib:
            return bool(self.pieces)
        command = self.commands.get(request.identifier(desired, "CommandId"))
        return command is None or command.silent or command.pieces or command.ended

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
        if command.silent or not (command.pieces or command.ended):
            command.silent = max(command.silent - 1, 0)
            return None
        name = {"CommandId": str(number).upper()}
        had = bool(command.pieces)
        if had:
            self.stream(response, command.pieces.pop(0), name)
        done = command.ended and not command.pieces and not (command.late and had)
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
        """Stops a command, or ends it."""
        signal = request.content(RSP + "Signal")
        code = signal.findtext(RSP + "Code", "")
        stops = code in soap.POWERSHELL_CTRL_C
        request.expect(stops or code.lower() == soap.TERMINATE, f"a signal {code}")
        number = request.identifier(signal, "CommandId")
        request.expect(number in self.commands, "a Signal to no command")
        if not request.complaints:
            command = self.commands[number]
            if not command.ended:
                command.pipeline.stop()
            if stops:
                self.drain()
            else:
                self.pool.data_to_send()
                self.end(number)
        return [ET.Element(RSP + "SignalResponse")]

    def connect(self, request):
        """Another client comes for the pool, or for a command of it."""
        connect = request.content(RSP + "Connect")
        response = ET.Element(RSP + "ConnectResponse")
        if "CommandId" in connect.attrib:
            number = request.identifier(connect, "CommandId")
            request.expect(number in self.commands, "a Connect to no command")
            request.expect(self.is_connected, "a Connect to a command of a shell that is away")
            return [response]
        request.expect(not self.is_connected, "a Connect to a shell that is connected")
        version = request.options.get("protocolversion", ("", None))
        request.expect(version == ("2.3", "true"), f"options {request.options}")
        self.is_connected = True
        self.session = request.session_id
        self.pool.disconnect()
        self.pool.connect()
        # psrpcore leaves it to its user to say who answers.
        self.pool.prepare_message(self.pool.our_capability)
        request.expect(len(connect) == 1, f"a Connect of {list(connect)}")
        events = [type(event) for event in self.feed(request.octets(connect[0]), None)]
        wanted = [SessionCapabilityEvent, ConnectRunspacePoolEvent]
        request.expect(events == wanted, f"the pool was connected with {events}")
        said = list(fragments(self.pool.data_to_send().data))
        # Capability and size of the pool come at once, its data and state with a Receive.
        content = ET.SubElement(response, soap.PWSH + "connectResponseXml")
        content.text = base64.b64encode(b"".join(said[:2])).decode()
        self.pieces.append(b"".join(said[2:]))
        return [response]
