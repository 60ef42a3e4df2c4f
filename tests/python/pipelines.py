"""One session, many pipelines: pipelines.py ENDPOINTS.json COUNT whole|selected, for scripts/bench-clients.sh.

Asks for every OWA virtual directory COUNT times, with pypsrp over one NTLM session at the Exchange endpoint of an endpoint
file: for all that it has, or for the 40 properties of bench_properties.txt. Prints as JSON how many objects and properties
came back.
"""

import json
import os
import sys
from urllib.parse import urlsplit

from pypsrp.powershell import PowerShell, RunspacePool
from pypsrp.wsman import WSMan


def main():
    path, count, what = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    with open(os.path.join(os.path.dirname(__file__), "bench_properties.txt"), encoding="utf-8") as file:
        names = file.read().split()
    with open(path, encoding="utf-8") as file:
        endpoints = json.load(file)["endpoints"]
    entry = next(entry for entry in endpoints if entry["kind"] == "exchange")
    url = urlsplit(entry["url"])
    connection = WSMan(
        url.hostname,
        port=url.port,
        path=url.path.strip("/"),
        ssl=False,
        auth="ntlm",
        username=entry["username"],
        password=entry["password"],
        encryption="always",
    )
    objects = properties = 0
    with RunspacePool(connection, configuration_name=entry["configuration"]) as pool:
        for _ in range(count):
            # Within `with`: a pool that is not given its ended pipelines back takes no more after a thousand.
            with PowerShell(pool) as shell:
                shell.add_cmdlet("Get-OwaVirtualDirectory").add_parameter("ADPropertiesOnly", True)
                if what == "selected":
                    shell.add_cmdlet("Select-Object").add_parameter("Property", names)
                output = shell.invoke()
            if shell.had_errors:
                sys.exit(f"the pipeline failed: {shell.streams.error}")
            for item in output:
                objects += 1
                properties += len(item.adapted_properties) + len(item.extended_properties)
    json.dump({"objects": objects, "properties": properties}, sys.stdout)


main()
