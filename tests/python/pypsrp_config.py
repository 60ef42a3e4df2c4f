"""Learns through pypsrp how large an envelope may be: a job as JSON on standard input, what came of it on
standard output.

Job:     {"url", "auth", "username", "password", "encryption"}
Results: {"max_envelope": bytes of the largest envelope that the service takes}
"""

import json
import sys

from pypsrp_connection import connect

job = json.load(sys.stdin)
connection = connect(job)
connection.update_max_payload_size()
json.dump({"max_envelope": connection.max_envelope_size}, sys.stdout)
