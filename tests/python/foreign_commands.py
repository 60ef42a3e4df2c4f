"""What pipelines of the foreign server do: a few commands of its own, written with psrpcore.

Show-Argument     an object for each argument: its name, its type as psrpcore knows it, its value
Get-Thing         a record of each stream
Get-Nothing       the null value
Get-Much          -Count strings of -Length characters
Measure-Octets    the octets of -Data, and their number
Measure-Secret    of -Password, a secure string: its length, the SHA-256 of its UTF-8; and back it goes
Read-Answer       asks the client's host; tells what it answered
Wait-Thing        ends after -Times Receives that had nothing to tell
Get-Late          its end comes in a Receive of its own
Stop-Here         ends by an error
Copy-Input        what is piped into it
Wait-End          never ends
"""

import datetime
import hashlib

from psrpcore.types import (
    CommandMetadataCount,
    CommandTypes,
    ErrorCategory,
    ErrorCategoryInfo,
    ErrorRecord,
    HostMethodIdentifier,
    NETException,
    PSByte,
    PSByteArray,
    PSCustomObject,
    PSDateTime,
    PSInt64,
    PSInvocationState,
    PSVersion,
)


def kind(value):
    """How psrpcore calls the type of a value."""
    return "null" if value is None else type(value).__name__


def describe(shell):
    """A pipeline as psrpcore understood it, as JSON."""
    commands = [
        {
            "name": str(command.command_text),
            "is_script": bool(command.is_script),
            "ends_statement": command.end_of_statement,
            "arguments": [
                [None if name is None else str(name), kind(value)]
                for name, value in command.parameters
            ],
            "merges": sorted({int(command.merge_error), int(command.merge_my)}),
        }
        for command in shell.commands
    ]
    return {
        "commands": commands,
        "no_input": shell.no_input,
        "add_to_history": shell.add_to_history,
        "host_is_null": shell.host.IsHostNull,
        "input_ended": False,
    }


def start(running, shell):
    """Runs a pipeline as far as it goes without an answer."""
    pipeline = running.pipeline
    pipeline.start()
    # A statement is what its last command gives.
    waits = [act(running, command) for command in shell.commands if command.end_of_statement]
    if not any(waits):
        pipeline.complete()


def act(running, command):
    """What a command does; true if the pipeline is not to end with it."""
    pipeline = running.pipeline
    arguments = {name: value for name, value in command.parameters if name is not None}
    match command.command_text:
        case "Show-Argument":
            for name, value in command.parameters:
                pipeline.write_output(PSCustomObject(Name=name, Type=kind(value), Value=value))
        case "Get-Thing":
            every_stream(pipeline)
        case "Get-Nothing":
            pipeline.write_output(None)
        case "Get-Much":
            for number in range(arguments["Count"]):
                pipeline.write_output(f"{number:06}".ljust(arguments["Length"], "x"))
        case "Measure-Octets":
            data = arguments["Data"]
            pipeline.write_output(len(data))
            pipeline.write_output(PSByteArray(data))
        case "Measure-Secret":
            password = arguments["Password"]
            text = password.decrypt()
            pipeline.write_output(kind(password))
            pipeline.write_output(len(text))
            pipeline.write_output(hashlib.sha256(text.encode()).hexdigest())
            pipeline.write_output(password)
        case "Read-Answer":
            pipeline.host_call(HostMethodIdentifier.WriteLine2, ["on the way"])
            pipeline.host_call(HostMethodIdentifier.ReadLine)
            return True
        case "Wait-Thing":
            running.silent = arguments["Times"]
        case "Get-Late":
            running.late = True
            pipeline.write_output("late")
        case "Copy-Input":
            running.echoes = True
            return True
        case "Wait-End":
            return True
        case "Stop-Here":
            error = record("Stopped", "this is as far as it goes", ErrorCategory.InvalidOperation)
            pipeline._change_state(PSInvocationState.Failed, error)
            return True
        case name:
            text = f"The term '{name}' is not recognized"
            error = record("CommandNotFoundException", text, ErrorCategory.ObjectNotFound)
            pipeline._change_state(PSInvocationState.Failed, error)
            return True
    return False


def take(running, value):
    """An object that is piped in."""
    if running.echoes:
        running.pipeline.write_output(value)


def input_ended(running):
    """No more objects are piped in."""
    if running.echoes:
        running.pipeline.complete()


def metadata(running, query):
    """What there is of commands, as objects of Get-Command."""
    pipeline = running.pipeline
    pipeline.start()
    names = [name for name in ("Copy-Input", "Get-Thing") if name in query.name]
    pipeline.write_output(CommandMetadataCount(Count=len(names)))
    for name in names:
        pipeline.write_output(
            PSCustomObject(
                PSTypeName="Selected.System.Management.Automation.CmdletInfo",
                Name=name,
                Namespace="Foreign",
                HelpUri="",
                CommandType=CommandTypes.Cmdlet,
                ResolvedCommandName=None,
                OutputType=[],
                Parameters={},
            )
        )
    pipeline.complete()


def go_on(running, event):
    """The answer of the client's host has come."""
    error = event.error
    running.pipeline.write_output(
        PSCustomObject(
            Call=event.ci,
            Method=event.method_identifier.name,
            Result=event.result,
            Error=error and error.FullyQualifiedErrorId,
            Message=error and error.Exception.Message,
        )
    )
    running.pipeline.complete()


def record(error_id, message, category):
    """An error record."""
    return ErrorRecord(
        Exception=NETException(Message=message),
        CategoryInfo=ErrorCategoryInfo(Category=category, Reason="Exception", TargetName="thing"),
        TargetObject="thing",
        FullyQualifiedErrorId=error_id,
    )


def every_stream(pipeline):
    """A record of each stream, output first."""
    pipeline.write_output(
        PSCustomObject(
            PSTypeName="Foreign.Thing",
            Name="ünïcode <&> \u2028 \U0001f4e7 _x0041_ \r\n\t end",
            Count=3,
            Large=PSInt64(2**40),
            Flag=True,
            Nothing=None,
            Part=PSByte(7),
            Version=PSVersion("15.1.2507.6"),
            Since=PSDateTime(2026, 11, 23, 1, 2, 3, tzinfo=datetime.timezone.utc),
            List=["a", 1, None],
            Table={"key": "value"},
            Inner=PSCustomObject(Deep="yes"),
            Level=ErrorCategory.ObjectNotFound,
        )
    )
    error_id = "NoThing,Foreign.Commands.GetThing"
    error = record(error_id, "there is no thing", ErrorCategory.ObjectNotFound)
    pipeline.write_error(
        error.Exception, error.CategoryInfo, error.TargetObject, error.FullyQualifiedErrorId
    )
    pipeline.write_warning("wet paint")
    pipeline.write_verbose("in many words")
    pipeline.write_debug("line 1")
    pipeline.write_progress("painting", 1, "half done", percent_complete=50)
    pipeline.write_information("for your information", "Get-Thing")
