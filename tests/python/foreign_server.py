"""A WinRM server of third-party parts, for a client that is to be tried: what the client sends is
read by pyspnego, MIT krb5, OpenSSL, pypsrp's framing, xml.etree and psrpcore, and by nothing of
this project.

The first line of standard input is a job, a JSON object:
    "configuration"   name of the session configuration; shells of WinRS there are always
    "path"            of the URL
    "accounts"        lines DOMAIN:user:password
    "limit"           of its life, in seconds
and, if they are to differ from `DEFAULTS` below:
    "authentication"  see foreign_authenticate.LOGONS
    "offers"          other schemes that a refusal names
    "services"        {"krb5_conf", "keytab"} of a key distribution centre (kdc.py)
    "credssp_min_version"
    "credssp_cipher"  name of OpenSSL: of the TLS 1.2 within CredSSP
    "each_request"    whether Kerberos is asked for a token by every request, as IIS does
    "tls"             null for plain HTTP, or an object: see foreign_tls
    "boundary"        "plain" or "spaced", as Exchange has it: of its sealed answers
    "runspaces"       [least, most] that the client should ask for
    "spread"          whether the opening of a pool takes a Receive for each message
    "hold"            seconds that a Receive waits for something to tell
    "misbehaviour"    null, or see foreign_misbehaviour
The first line of standard output is {"port": number, and certificates: see foreign_tls}. It ends
when standard input does and prints, as JSON, every request and every pipeline that it got, with
its complaints about them.
"""

import json
import os
import sys
import tempfile
import threading

DEFAULTS = {
    "authentication": "ntlm",
    "offers": [],
    "services": None,
    "credssp_min_version": 6,
    "credssp_cipher": None,
    "each_request": False,
    "tls": None,
    "boundary": "plain",
    "runspaces": [1, 1],
    "spread": False,
    "hold": 0,
    "misbehaviour": None,
}


def serve(job):
    """Serves until standard input ends; what it has seen."""
    # They look at the environment when they are imported.
    import foreign_winrs
    from foreign_http import Handler, Server
    from foreign_misbehaviour import Misbehaviour
    from foreign_shell import PowerShell
    from foreign_shells import Shells, identify
    from foreign_tls import Certificates

    powershell = "http://schemas.microsoft.com/powershell/" + job["configuration"]
    shells = Shells(job, {powershell: PowerShell, foreign_winrs.URI: foreign_winrs.WinRs})
    misbehaviour = Misbehaviour(job["misbehaviour"])
    certificates = None if job["tls"] is None else Certificates(job["tls"])
    requests = []

    class Connection(Handler):
        """A connection to the shells."""

        numbers = iter(range(1 << 30))

        def setup(self):
            super().setup()
            self.number = next(self.numbers)

        def respond(self, envelope):
            with shells.changed:
                return shells.respond(envelope)

        def identify(self, envelope):
            return identify(envelope)

        def note(self, **record):
            if self.path != job["path"]:
                record["complaints"].append(f"path {self.path}")
            with shells.changed:
                requests.append({"connection": self.number, **record})

    server = Server(Connection, job, certificates, misbehaviour)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    server.announce(sys.stdout, **(certificates.describe() if certificates else {}))
    sys.stdin.read()
    server.shutdown()
    with shells.changed:
        return {
            "requests": requests,
            "handshakes": server.handshakes,
            "pipelines": shells.pipelines,
            "shells": len(shells.shells),
            "elsewhere": misbehaviour.elsewhere.seen if misbehaviour.elsewhere else [],
        }


def main():
    """Prepares the environment that pyspnego and MIT krb5 look at."""
    job = DEFAULTS | json.loads(sys.stdin.readline())
    # Whatever happens to the one who started this.
    timer = threading.Timer(job["limit"], lambda: os._exit(3))
    timer.daemon = True
    timer.start()
    with tempfile.TemporaryDirectory(prefix="foreign-") as folder:
        accounts = os.path.join(folder, "accounts")
        with open(accounts, "w", encoding="utf-8") as file:
            file.write("\n".join(job["accounts"]))
        os.environ["NTLM_USER_FILE"] = accounts
        if services := job["services"]:
            os.environ["KRB5_CONFIG"] = services["krb5_conf"]
            os.environ["KRB5_KTNAME"] = services["keytab"]
            os.environ["KRB5RCACHENAME"] = "dfl:"
            os.environ["KRB5RCACHEDIR"] = folder
        json.dump(serve(job), sys.stdout)


main()
