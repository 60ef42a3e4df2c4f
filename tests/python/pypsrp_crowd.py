"""Opens many shells of pypsrp at once: a job as JSON on standard input, what came of it on standard
output. Runspace pools and shells for programs in turn, each with a connection of its own; all are
open before the first of them is used, and all are used before the first of them is closed."""

import json
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

from pypsrp.powershell import PowerShell, RunspacePool
from pypsrp.shell import Process, WinRS
from pypsrp_connection import connect


def main():
    job = json.load(sys.stdin)
    together = threading.Barrier(job["shells"], timeout=120)

    def member(number):
        """One shell, and what it gave."""
        connection = connect(job, connection_timeout=120)
        shell = WinRS(connection) if number % 2 else RunspacePool(connection)
        with connection, shell:
            together.wait()
            if number % 2:
                process = Process(shell, "echo", [str(number)])
                process.invoke()
                given = process.stdout.decode().strip()
            else:
                pipeline = PowerShell(shell)
                pipeline.add_cmdlet("Write-Output").add_parameter("InputObject", str(number))
                given = "".join(pipeline.invoke())
            together.wait()
        return given

    with ThreadPoolExecutor(job["shells"]) as crowd:
        given = list(crowd.map(member, range(job["shells"])))
    json.dump({"given": given}, sys.stdout)


main()
