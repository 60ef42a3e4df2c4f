"""Certificates and TLS of the foreign server, by cryptography and the OpenSSL of Python's ssl.

A job's "tls" is an object, all of it optional:
    "flaw"      what is wrong with the server's certificate: "expired", "early", "name",
                "self-signed" or "unknown" (of an authority that the client is not told of)
    "digest"    hash of its signature: "sha256", "sha384" or "sha512"
    "key"       "rsa" or "ec"
    "ciphers"   names of OpenSSL, for TLS 1.2 and older
    "versions"  [oldest, newest]: "1.0" to "1.3"
    "binding"   "right", or "wrong": the acceptor is told of another certificate
"""

import datetime
import ipaddress
import os
import ssl
import subprocess
import tempfile

import spnego.channel_bindings
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from pypsrp.negotiate import HTTPNegotiateAuth

NAMES = ("localhost", "server.litwareinc.com")
VERSIONS = {
    "1.0": ssl.TLSVersion.TLSv1,
    "1.1": ssl.TLSVersion.TLSv1_1,
    "1.2": ssl.TLSVersion.TLSv1_2,
    "1.3": ssl.TLSVersion.TLSv1_3,
}
NOW = datetime.datetime.now(datetime.timezone.utc)
YEAR = datetime.timedelta(days=365)


class Holder:
    """A certificate with its key."""

    def __init__(self, name, issuer=None, *, extensions, kind="rsa", digest="sha256", years=(-1, 1)):
        if kind == "ec":
            self.key = ec.generate_private_key(ec.SECP256R1())
        else:
            self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        issuer = issuer or self
        builder = (
            x509.CertificateBuilder()
            .subject_name(self.name)
            .issuer_name(issuer.name)
            .public_key(self.key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(NOW + years[0] * YEAR)
            .not_valid_after(NOW + years[1] * YEAR)
        )
        for extension in extensions:
            critical = isinstance(extension, x509.BasicConstraints)
            builder = builder.add_extension(extension, critical=critical)
        self.certificate = builder.sign(issuer.key, getattr(hashes, digest.upper())())

    def pem(self):
        """The certificate as text."""
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode()

    def der(self):
        """The certificate as octets."""
        return self.certificate.public_bytes(serialization.Encoding.DER)

    def key_pem(self):
        """The key as text, PKCS #8."""
        return self.key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ).decode()


def authority(name):
    """A new authority."""
    return Holder(name, extensions=[x509.BasicConstraints(ca=True, path_length=None)])


class Certificates:
    """The authority, the server and the users of one server."""

    def __init__(self, tls):
        flaw = tls.get("flaw")
        self.authority = authority("Foreign root")
        other = authority("Unknown root")
        names = ("other.litwareinc.com",) if flaw == "name" else NAMES
        alternatives = [x509.DNSName(name) for name in names]
        if flaw != "name":
            alternatives.append(x509.IPAddress(ipaddress.ip_address("127.0.0.1")))
        self.server = Holder(
            names[0],
            {"self-signed": None, "unknown": other}.get(flaw, self.authority),
            extensions=[
                x509.SubjectAlternativeName(alternatives),
                x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]),
            ],
            kind=tls.get("key", "rsa"),
            digest=tls.get("digest", "sha256"),
            years={"expired": (-2, -1), "early": (1, 2)}.get(flaw, (-1, 1)),
        )
        client = [x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])]
        self.user = Holder("owaim", self.authority, extensions=client)
        self.stranger = Holder("stranger", other, extensions=client)

    def describe(self):
        """What the client's side is told of them."""
        users = {
            name: {"chain": holder.pem(), "key": holder.key_pem()}
            for name, holder in (("user", self.user), ("stranger", self.stranger))
        }
        digest = hashes.Hash(hashes.SHA256())
        digest.update(self.server.der())
        return {"ca": self.authority.pem(), "pin": digest.finalize().hex(), **users}

    def binding(self, which):
        """The channel binding of the server's certificate, as pypsrp works it out."""
        holder = self.authority if which == "wrong" else self.server
        digest = HTTPNegotiateAuth._get_certificate_hash(holder.der())
        return spnego.channel_bindings.GssChannelBindings(
            application_data=b"tls-server-end-point:" + digest
        )

    def context(self, tls, ask):
        """The server's half of TLS; `ask` for a certificate of the client."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        oldest, newest = tls.get("versions", ("1.2", "1.3"))
        context.minimum_version = VERSIONS[oldest]
        context.maximum_version = VERSIONS[newest]
        ciphers = tls.get("ciphers", "DEFAULT")
        # What is older than TLS 1.2 needs SHA-1, which OpenSSL takes at its lowest level only.
        context.set_ciphers(ciphers if oldest >= "1.2" else f"{ciphers}:@SECLEVEL=0")
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "server.pem")
            with open(path, "w", encoding="ascii") as file:
                file.write(self.server.pem() + self.server.key_pem())
            context.load_cert_chain(path)
            if "DHE-" in ciphers.replace("ECDHE-", ""):
                group = ["openssl", "dhparam", "-dsaparam", "-out", path, "2048"]
                subprocess.run(group, check=True, capture_output=True)
                context.load_dh_params(path)
        if ask:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(cadata=self.authority.pem())
        return context
