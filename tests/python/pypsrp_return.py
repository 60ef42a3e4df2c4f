"""Leaves a runspace pool through pypsrp and comes back to it: a job as JSON on standard input, what
came of it on standard output.

Job:     {"url", "auth", "username", "password", "configuration", "encryption"}
Results: {"reconnected": output after the same client came back,
          "found": number of pools that another client finds,
          "output": what that client gets of the pipeline that the first one had started,
          "after": output of a pipeline of its own}
"""

import json
import sys

from pypsrp.powershell import PowerShell, RunspacePool
from pypsrp_connection import connect


def echo(pool, text):
    shell = PowerShell(pool)
    shell.add_cmdlet("Write-Output").add_parameter("InputObject", text)
    return shell


def main():
    job = json.load(sys.stdin)
    pool = RunspacePool(connect(job), configuration_name=job["configuration"])
    pool.open()
    pool.disconnect()
    pool.connect()
    reconnected = echo(pool, "again").invoke()
    echo(pool, "meanwhile").begin_invoke()
    pool.disconnect()

    pools = RunspacePool.get_runspace_pools(connect(job))
    other = pools[0]
    other.connect()
    left = other.create_disconnected_power_shells()[0]
    output = left.connect()
    after = echo(other, "after").invoke()
    other.close()
    json.dump(
        {
            "reconnected": reconnected,
            "found": len(pools),
            "output": output,
            "after": after,
        },
        sys.stdout,
    )


main()
