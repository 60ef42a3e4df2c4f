"""A key distribution centre for one test: MIT krb5's, on loopback, with a database of its own.

The first line of standard input is a JSON object:
    "realm"         name of the realm
    "password"      of every user
    "host"          name of the server whose services get keys
    "clock"         seconds by which its clock is ahead (libfaketime)
    "max_datagram"  most bytes of an answer over UDP; longer ones are asked for again over TCP
    "limit"         of its life, in seconds
The first line of standard output is {"port", "krb5_conf", "keytab", "user_keytab"}: the port, for
UDP and TCP, and files that last as long as this does. It ends when standard input does.

Users      owaim (has to prove itself), eager (need not), disabled, expired, stale (its password
           has expired), camellia (has a key of a kind that Windows does not know)
Services   HTTP, HOST, WSMAN and TERMSRV of the host, of localhost and of 127.0.0.1, with their
           keys in "keytab"; HTTP/camellia.DOMAIN takes nothing but Camellia
"user_keytab" has the key of owaim.
"""

import json
import os
import pathlib
import socket
import subprocess
import sys
import tempfile
import threading
import time

# Debian has them where only the administrator's PATH leads.
os.environ["PATH"] += ":/usr/sbin:/sbin"
SERVICES = ("HTTP", "HOST", "WSMAN", "TERMSRV")
CAMELLIA = "camellia256-cts-cmac"
# Where Debian puts it; the loader fills in the part that differs between machines.
FAKETIME = "/usr/$LIB/faketime/libfaketime.so.1"


def free_port():
    """A port that nobody has, neither for TCP nor for UDP."""
    while True:
        with socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
            tcp.bind(("127.0.0.1", 0))
            port = tcp.getsockname()[1]
            try:
                udp.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def configure(folder, job, port):
    """Writes the configuration of the centre and of its clients."""
    realm, domain = job["realm"], job["realm"].lower()
    (folder / "krb5.conf").write_text(
        f"""[libdefaults]
    default_realm = {realm}
    dns_lookup_kdc = false
    dns_lookup_realm = false
    dns_canonicalize_hostname = false
    rdns = false
    # Tickets of users are only for those who ask the centre themselves.
    default_ccache_name = FILE:{folder}/ccache
    default_keytab_name = FILE:{folder}/keytab
[realms]
    {realm} = {{
        kdc = 127.0.0.1:{port}
    }}
[domain_realm]
    .{domain} = {realm}
    {domain} = {realm}
    localhost = {realm}
    127.0.0.1 = {realm}
"""
    )
    (folder / "kdc.conf").write_text(
        f"""[kdcdefaults]
    kdc_listen = 127.0.0.1:{port}
    kdc_tcp_listen = 127.0.0.1:{port}
    kdc_max_dgram_reply_size = {job["max_datagram"]}
[realms]
    {realm} = {{
        database_name = {folder}/principal
        key_stash_file = {folder}/stash
        acl_file = {folder}/acl
        supported_enctypes = aes256-cts-hmac-sha1-96:normal aes128-cts-hmac-sha1-96:normal
    }}
[logging]
    default = FILE:{folder}/log
"""
    )


def principals(folder, job):
    """What kadmin is told."""
    domain, password = job["realm"].lower(), job["password"]
    past = '"2020-01-01 00:00"'
    for user in (
        "+requires_preauth owaim",
        "-requires_preauth eager",
        "+requires_preauth -allow_tix disabled",
        f"+requires_preauth -expire {past} expired",
        f"+requires_preauth -pwexpire {past} stale",
        f"+requires_preauth -e {CAMELLIA}:normal camellia",
    ):
        yield f'add_principal -pw "{password}" {user}'
    for host in (job["host"], "localhost", "127.0.0.1"):
        for service in SERVICES:
            yield f"add_principal -randkey +ok_as_delegate {service}/{host}"
            yield f"ktadd -k {folder}/keytab {service}/{host}"
    yield f"add_principal -randkey -e {CAMELLIA}:normal HTTP/camellia.{domain}"
    yield f"set_string HTTP/camellia.{domain} session_enctypes {CAMELLIA}"
    yield f"ktadd -norandkey -k {folder}/user.keytab owaim"


def tell(command, text):
    """Runs a command that reads `text`; it must not complain."""
    result = subprocess.run(command, input=text, text=True, capture_output=True, check=False)
    # kadmin reports by its output alone.
    complaints = [line for line in result.stderr.splitlines() if " while " in line]
    if result.returncode or complaints:
        raise SystemExit(f"{command}: {result.returncode} {result.stdout}{result.stderr}")


def ready(process, log):
    """Waits until the centre says that it has begun: `False` if it ends before, its port being taken."""
    for _ in range(500):
        if log.exists() and "commencing operation" in log.read_text():
            return True
        if process.poll() is not None:
            return False
        time.sleep(0.02)
    raise SystemExit(f"krb5kdc does not begin: {log.read_text() if log.exists() else ''}")


def start(folder, job, environment):
    """The centre and its port. Between looking for a port and using it somebody else may take it."""
    log = folder / "log"
    command = ["krb5kdc", "-n", "-r", job["realm"]]
    for _ in range(5):
        port = free_port()
        configure(folder, job, port)
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL, env=environment)
        try:
            if ready(process, log):
                return process, port
        except BaseException:
            process.kill()
            raise
    raise SystemExit(f"no krb5kdc: {log.read_text() if log.exists() else ''}")


def main():
    """Starts it, tells where it is, and ends it."""
    job = json.loads(sys.stdin.readline())
    with tempfile.TemporaryDirectory(prefix="kdc-") as name:
        folder = pathlib.Path(name)
        os.environ["KRB5_CONFIG"] = str(folder / "krb5.conf")
        os.environ["KRB5_KDC_PROFILE"] = str(folder / "kdc.conf")
        realm = job["realm"]
        # What makes the database asks for no port.
        configure(folder, job, free_port())
        tell(["kdb5_util", "create", "-s", "-r", realm, "-P", "master"], "")
        tell(["kadmin.local", "-r", realm], "\n".join(principals(folder, job)) + "\n")
        clock = {}
        if job["clock"]:
            clock = {"LD_PRELOAD": FAKETIME, "FAKETIME": f"{job['clock']:+}"}
        process, port = start(folder, job, {**os.environ, **clock})
        with process:
            # Whatever happens to the one who started this.
            timer = threading.Timer(job["limit"], process.kill)
            timer.daemon = True
            timer.start()
            try:
                files = {
                    "krb5_conf": "krb5.conf",
                    "keytab": "keytab",
                    "user_keytab": "user.keytab",
                }
                paths = {key: str(folder / file) for key, file in files.items()}
                print(json.dumps({"port": port, **paths}), flush=True)
                sys.stdin.read()
            finally:
                process.terminate()
                timer.cancel()


main()
