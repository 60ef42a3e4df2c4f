"""Runs programs through pywinrm: a job as JSON on standard input, the results on standard output.

Job:     {"url", "options", "shell": {...}, "programs": [{"program", "arguments", "input"}, ...]}
Results: {"programs": [{"stdout", "stderr", "code"}, ...]}
         or {"failure": {"type", "text"}} where something did not come about.

`options` are those of pywinrm's Protocol and `shell` those of its open_shell, as they are. `input`
is a list of pieces, the last of which ends it.
"""

import json
import sys
import warnings

from requests.exceptions import RequestException
from requests_credssp.exceptions import AuthenticationException, NTStatusException
from winrm.exceptions import WinRMError, WinRMTransportError, WSManFaultError
from winrm.protocol import Protocol


def run(protocol, shell, job):
    """One program and everything that it gave."""
    command = protocol.run_command(shell, job["program"], job.get("arguments", ()))
    try:
        pieces = job.get("input", ())
        for number, piece in enumerate(pieces, 1):
            protocol.send_command_input(shell, command, piece, end=number == len(pieces))
        stdout, stderr, code = protocol.get_command_output(shell, command)
    finally:
        protocol.cleanup_command(shell, command)
    return {"stdout": stdout.decode("cp437"), "stderr": stderr.decode("cp437"), "code": code}


def main():
    warnings.simplefilter("ignore")
    job = json.load(sys.stdin)
    protocol = Protocol(endpoint=job["url"], **job["options"])
    # Protocol passes on no such option. NTLM as it is, not in SPNEGO: ARCHITECTURE.md says why.
    protocol.transport.credssp_auth_mechanism = "ntlm"
    try:
        shell = protocol.open_shell(**job.get("shell", {}))
        try:
            results = {"programs": [run(protocol, shell, program) for program in job["programs"]]}
        finally:
            protocol.close_shell(shell)
    except (
        AuthenticationException,
        NTStatusException,
        RequestException,
        WinRMError,
        WinRMTransportError,
        WSManFaultError,
    ) as failure:
        results = {"failure": {"type": type(failure).__name__, "text": str(failure)}}
    json.dump(results, sys.stdout)


main()
