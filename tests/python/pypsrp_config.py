"""Learns through pypsrp how large an envelope may be: a job as JSON on standard input, what came of it on
standard output.

Job:     {"url", "auth", "username", "password", "encryption"}
Results: {"max_envelope": bytes of the largest envelope that the service takes}
"""

import json
import sys
from urllib.parse import urlsplit

from pypsrp.wsman import WSMan

job = json.load(sys.stdin)
url = urlsplit(job["url"])
connection = WSMan(
    url.hostname,
    port=url.port,
    path=url.path.strip("/"),
    ssl=False,
    auth=job["auth"],
    username=job["username"],
    password=job["password"],
    encryption=job["encryption"],
)
connection.update_max_payload_size()
json.dump({"max_envelope": connection.max_envelope_size}, sys.stdout)
