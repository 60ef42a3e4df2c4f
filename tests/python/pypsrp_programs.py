"""Runs programs through pypsrp's WinRS client: a job as JSON on standard input, what came of it on
standard output. What is run stands here, what must come of it in pywinrm_client.rs."""

import json
import sys
import time

from pypsrp.exceptions import WSManFaultError
from pypsrp.shell import Process, SignalCode, WinRS
from pypsrp_connection import connect


def finished(process):
    """What a program gave, once it has ended."""
    process.end_invoke()
    code = process.rc
    return {"stdout": process.stdout.decode(), "stderr": process.stderr.decode(), "code": code}


def simple(shell, program, arguments=(), no_shell=False):
    """A program that takes no input."""
    process = Process(shell, program, list(arguments), no_shell=no_shell)
    process.invoke()
    process.signal(SignalCode.TERMINATE)
    code = process.rc
    return {"stdout": process.stdout.decode(), "stderr": process.stderr.decode(), "code": code}


def fed(shell, program, pieces):
    """A program that is given those pieces."""
    process = Process(shell, program)
    process.begin_invoke()
    for number, piece in enumerate(pieces, 1):
        process.send(piece, end=number == len(pieces))
    result = finished(process)
    process.signal(SignalCode.TERMINATE)
    return result


def pieces(octets):
    """What fits into an envelope, for pypsrp sends what it is given in one."""
    return [octets[at : at + 90_000] for at in range(0, len(octets), 90_000)]


def interrupted(shell):
    """A program that runs until Ctrl-C."""
    process = Process(shell, "ping", ["-t", "atl-cs-001.litwareinc.com"])
    process.begin_invoke()
    process.poll_invoke()
    time.sleep(1.5)
    process.signal(SignalCode.CTRL_C)
    result = finished(process)
    process.signal(SignalCode.TERMINATE)
    return result


def refused(shell):
    """What a program ends with that the site does not have."""
    try:
        Process(shell, "dir").invoke()
    except WSManFaultError as fault:
        return fault.reason
    return None


def main():
    job = json.load(sys.stdin)
    connection = connect(job)
    large = "x" * (5 << 20)
    shell = WinRS(
        connection,
        codepage=65001,
        environment={"NAME": "\u00e4"},
        working_directory="C:\\Windows",
        no_profile=True,
    )
    with connection, shell:
        results = {
            "hostname": simple(shell, "hostname"),
            "direct": simple(shell, "C:\\Windows\\System32\\whoami.exe", no_shell=True),
            "set": simple(shell, "set", ["NAME"]),
            "cd": simple(shell, "cd"),
            "exit": simple(shell, "exit", ["7"]),
            "nonsense": simple(shell, "nonsense"),
            "more": fed(shell, "more", [b"one\r\n", "zw\u00f6lf\r\n".encode()]),
            "sort": fed(shell, "sort", [b"b\r\n", b"a\r\n"]),
            "large": fed(shell, "more", pieces(large.encode()))["stdout"] == large,
            "ping": interrupted(shell),
            "refused": refused(shell),
        }
    json.dump(results, sys.stdout)


main()
