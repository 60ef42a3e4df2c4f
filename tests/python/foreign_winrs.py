"""A shell for programs (WinRS), with programs of its own.

echo ARGUMENT…     prints its arguments, ended by CRLF
cat                prints what comes in
fail TEXT CODE     prints TEXT to stderr and exits with CODE
show               prints its environment, folder and code page as JSON
chatter COUNT      COUNT lines to stdout and stderr, in turn, each in an answer of its own
clixml             an error and progress as powershell.exe prints them to a pipe, by psrpcore
wait               runs until somebody presses Ctrl-C
"""

import base64
import json
import uuid
import xml.etree.ElementTree as ET

import foreign_soap as soap
from foreign_shells import Shell
from foreign_soap import RSP
from psrpcore import ClixmlShell
from psrpcore.types import ProgressRecord

URI = RSP[1:-1] + "/cmd"
STATE = RSP[1:-1] + "/CommandState/"
# STATUS_CONTROL_C_EXIT
INTERRUPTED = 0xC000013A
# Options of a shell and of a command, with what they may say.
OF_SHELL = {"WINRS_NOPROFILE": ("TRUE", "FALSE"), "WINRS_CODEPAGE": ("437", "1252", "65001")}
OF_COMMAND = {
    "WINRS_CONSOLEMODE_STDIN": ("TRUE", "FALSE"),
    "WINRS_SKIP_CMD_SHELL": ("TRUE", "FALSE"),
}


def options(request, known):
    """The options of a request, by name."""
    for name, (value, _) in request.options.items():
        request.expect(value.upper() in known.get(name, ()), f"option {name}={value}")
    return {name: value for name, (value, _) in request.options.items()}


class Program:
    """A program that runs: what it has to say, and its exit code once it has ended."""

    def __init__(self, shell, name, arguments):
        self.shell = shell
        self.pieces = []
        self.code = None
        self.takes_input = False
        start = getattr(self, f"run_{name}", None)
        if start:
            start(*arguments)
        else:
            self.say("stderr", f"'{name}' is not recognized as an internal or external command\r\n")
            self.code = 1

    def say(self, stream, text):
        """Prints."""
        self.pieces.append((stream, text if isinstance(text, bytes) else text.encode()))

    def run_echo(self, *arguments):
        self.say("stdout", " ".join(arguments) + "\r\n")
        self.code = 0

    def run_cat(self):
        self.takes_input = True

    def run_fail(self, text, code):
        self.say("stderr", text)
        self.code = int(code)

    def run_show(self):
        self.say("stdout", json.dumps(self.shell.settings))
        self.code = 0

    def run_chatter(self, count):
        for number in range(int(count)):
            self.say(("stdout", "stderr")[number % 2], f"line {number}\r\n")
        self.code = 0

    def run_clixml(self):
        printer = ClixmlShell()
        printer.write_progress(
            1,
            ProgressRecord(
                Activity="Preparing modules for first use.",
                ActivityId=0,
                StatusDescription=" ",
                PercentComplete=-1,
            ),
        )
        printer.write_error("it is _x000D_ broken\r\n")
        self.say("stderr", printer.data_to_send().replace("\n", "\r\n", 1))
        self.code = 1

    def run_wait(self):
        self.say("stdout", "waiting\r\n")

    def take(self, octets, ends):
        """What comes in."""
        if octets:
            self.say("stdout", octets)
        if ends:
            self.code = 0


class WinRs(Shell):
    """One shell."""

    inputs, outputs = "stdin", "stdout stderr"

    def __init__(self, shells, request):
        shell = request.content(RSP + "Shell")
        number = uuid.uuid4()
        if "ShellId" in shell.attrib:
            number = request.identifier(shell, "ShellId")
        super().__init__(shells, request, number)
        known = options(request, OF_SHELL)
        request.expect(not request.selectors, f"selectors {request.selectors}")
        children = {child.tag: child for child in shell}
        request.expect(len(children) == len(shell), f"Shell of {list(shell)}")
        of_all = ("InputStreams", "OutputStreams", "Environment", "IdleTimeOut", "Lifetime")
        for tag in children:
            name = tag.removeprefix(RSP)
            request.expect(name in (*of_all, "Name", "WorkingDirectory"), f"Shell of {tag}")
        for tag, streams in (("InputStreams", self.inputs), ("OutputStreams", self.outputs)):
            found = shell.findtext(RSP + tag)
            request.expect(found == streams, f"{tag} of {found!r}")
        for tag in ("IdleTimeOut", "Lifetime"):
            duration = shell.findtext(RSP + tag)
            request.expect(duration is None or soap.is_duration(duration), f"{tag} {duration!r}")
        self.name = shell.findtext(RSP + "Name")
        variables = children.get(RSP + "Environment", ())
        for variable in variables:
            request.expect(variable.tag == RSP + "Variable", f"Environment of {variable.tag}")
        self.settings = {
            "environment": {variable.get("Name"): variable.text or "" for variable in variables},
            "folder": shell.findtext(RSP + "WorkingDirectory"),
            "codepage": known.get("WINRS_CODEPAGE"),
            "no_profile": known.get("WINRS_NOPROFILE"),
            "idle": shell.findtext(RSP + "IdleTimeOut"),
        }

    def command(self, request):
        """Starts a program."""
        line = request.content(RSP + "CommandLine")
        options(request, OF_COMMAND)
        tags = [child.tag for child in line]
        wanted = [RSP + "Command"] + [RSP + "Arguments"] * (len(tags) - 1)
        request.expect(tags == wanted, f"CommandLine of {tags}")
        number = uuid.uuid4()
        if "CommandId" in line.attrib:
            number = request.identifier(line, "CommandId")
        if request.complaints:
            return []
        name, *arguments = [child.text or "" for child in line]
        self.shells.pipelines.append({"program": name, "arguments": arguments})
        self.commands[number] = Program(self, name.strip('"'), arguments)
        response = ET.Element(RSP + "CommandResponse")
        ET.SubElement(response, RSP + "CommandId").text = str(number).upper()
        return [response]

    def of(self, request, element):
        """The program that an element is for."""
        program = self.commands.get(request.identifier(element, "CommandId"))
        request.expect(program, f"a {request.action} to no command")
        return program

    def send(self, request):
        """Input."""
        for stream in request.content(RSP + "Send"):
            request.expect(stream.get("Name") == "stdin", f"a stream {stream.get('Name')}")
            program = self.of(request, stream)
            octets = request.octets(stream)
            ends = stream.get("End", "false").lower() in ("true", "1")
            if program:
                request.expect(program.takes_input and program.code is None, "nobody reads that")
                program.take(octets, ends)
        return [ET.Element(RSP + "SendResponse")]

    def has_news(self, request):
        desired = request.content(RSP + "Receive").find(RSP + "DesiredStream")
        number = request.identifier(desired, "CommandId") if desired is not None else None
        program = self.commands.get(number)
        return program is None or program.pieces or program.code is not None

    def receive(self, request):
        """Output: one piece at a time."""
        keep_alive = request.options.pop("WSMAN_CMDSHELL_OPTION_KEEPALIVE", ("TRUE", None))[0]
        request.expect(keep_alive.upper() == "TRUE" and not request.options, f"{request.options}")
        desired = request.content(RSP + "Receive").find(RSP + "DesiredStream")
        if desired is None or desired.text != self.outputs:
            request.complaints.append("a Receive of something else than stdout stderr")
            return []
        program = self.of(request, desired)
        if request.complaints:
            return []
        if not program.pieces and program.code is None:
            return None
        name = {"CommandId": desired.get("CommandId")}
        response = ET.Element(RSP + "ReceiveResponse")
        if program.pieces:
            stream, octets = program.pieces.pop(0)
            element = ET.SubElement(response, RSP + "Stream", {"Name": stream, **name})
            element.text = base64.b64encode(octets).decode()
        done = program.code is not None and not program.pieces
        if done:
            for stream in self.outputs.split():
                ET.SubElement(response, RSP + "Stream", {"Name": stream, **name, "End": "true"})
        state = {**name, "State": STATE + ("Done" if done else "Running")}
        element = ET.SubElement(response, RSP + "CommandState", state)
        if done:
            ET.SubElement(element, RSP + "ExitCode").text = str(program.code)
        return [response]

    def signal(self, request):
        """Ctrl-C, or the end of a program."""
        signal = request.content(RSP + "Signal")
        code = signal.findtext(RSP + "Code", "")
        program = self.of(request, signal)
        if code == soap.CTRL_C:
            if program and program.code is None:
                program.code = INTERRUPTED
        else:
            request.expect(code.lower() == soap.TERMINATE, f"a signal {code}")
            self.commands.pop(request.identifier(signal, "CommandId"), None)
        return [ET.Element(RSP + "SignalResponse")]

    def connect(self, request):
        """Another client comes for the shell."""
        request.content(RSP + "Connect")
        request.expect(not self.is_connected, "a Connect to a shell that is connected")
        self.is_connected = True
        self.session = request.session_id
        return [ET.Element(RSP + "ConnectResponse")]
