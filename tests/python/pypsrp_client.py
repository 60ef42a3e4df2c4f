"""Runs pipelines through pypsrp: a job as JSON on standard input, the results on standard output.

Job:     {"url", "auth", "username", "password", "configuration", "encryption", "options",
          "pipelines": [[{"cmdlet", "parameters"} or {"script"}, ...], ...]}
Results: {"pipelines": [{"state", "output", "errors", "warnings"}, ...]}
         or {"failure": {"type", "text"}} where no session came about.

`options` are those of pypsrp's WSMan, as they are.

A generic runner on purpose: what is run and what must come of it stands in pypsrp_client.rs.
"""

import json
import sys

from pypsrp.complex_objects import ObjectMeta, PSInvocationState
from pypsrp.exceptions import AuthenticationError, WinRMError, WinRMTransportError, WSManFaultError
from pypsrp.powershell import PowerShell, RunspacePool
from pypsrp_connection import connect
from requests.exceptions import RequestException
from requests_credssp.exceptions import AuthenticationException, NTStatusException

STATES = {
    value: name.lower() for name, value in vars(PSInvocationState).items() if name.isupper()
}


def plain(value):
    """What pypsrp made of an object, as JSON."""
    if isinstance(value, bytes):
        return {"bytes": list(value)}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if hasattr(value, "extended_properties"):
        properties = {**value.adapted_properties, **value.extended_properties}
        return {
            "types": list(value.types),
            "text": value.to_string,
            "properties": {name: plain(item) for name, item in properties.items()},
        }
    return str(value)


def argument(pool, value):
    """An argument of a job as pypsrp takes it."""
    if isinstance(value, dict) and set(value) == {"secret"}:
        pool.exchange_keys()
        return pool.serialize(value["secret"], ObjectMeta("SS"))
    if isinstance(value, dict) and set(value) == {"bytes"}:
        return bytes(value["bytes"])
    return value


def run(pool, commands):
    """One pipeline and everything that it gave."""
    shell = PowerShell(pool)
    for command in commands:
        if "script" in command:
            shell.add_script(command["script"])
        else:
            shell.add_cmdlet(command["cmdlet"])
            for name, value in command.get("parameters", {}).items():
                shell.add_parameter(name, argument(pool, value))
    output = shell.invoke()
    errors = [
        {"id": error.fq_error, "category": error.category, "text": str(error)}
        for error in shell.streams.error
    ]
    return {
        "state": STATES[shell.state],
        "output": [plain(item) for item in output],
        "errors": errors,
        "warnings": [record.message for record in shell.streams.warning],
    }


def main():
    job = json.load(sys.stdin)
    connection = connect(job, **job.get("options", {}))
    try:
        with RunspacePool(connection, configuration_name=job["configuration"]) as pool:
            results = {"pipelines": [run(pool, commands) for commands in job["pipelines"]]}
    except (
        AuthenticationError,
        AuthenticationException,
        NTStatusException,
        RequestException,
        ValueError,  # nothing is offered that it was told to use
        WinRMError,
        WinRMTransportError,
        WSManFaultError,
    ) as failure:
        results = {"failure": {"type": type(failure).__name__, "text": str(failure)}}
    json.dump(results, sys.stdout)


main()
