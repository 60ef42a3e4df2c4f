"""Logons, by pyspnego's acceptors: what one connection needs to become somebody's.

A job's "authentication" is a key of `LOGONS`. A logon that pyspnego accepts has `complete` set;
what was found out about it is in `facts`.
"""

import base64
import ssl

import gssapi
import spnego
from pypsrp.encryption import WinRMEncryption
from spnego import _credssp
from spnego._ntlm_raw.crypto import md5
from spnego._ntlm_raw.messages import Authenticate, AvId, NTClientChallengeV2
from spnego.exceptions import SpnegoError

# GSS_C_CHANNEL_BOUND_FLAG of MIT krb5: the client's binding was there, and was right.
CHANNEL_BOUND = 2048
MUTUAL = "http://schemas.dmtf.org/wbem/wsman/1/wsman/secprofile/https/mutual"
# A refusal is to be one, and not a token for the client that pyspnego takes for success.
gssapi.SecurityContext.__DEFER_STEP_ERRORS__ = False
# SSL_OP_NO_ENCRYPT_THEN_MAC of OpenSSL, for which Python has no name.
NO_ENCRYPT_THEN_MAC = 1 << 19
# Where in a message of NTLM its type is.
SIGNATURE = b"NTLMSSP\0"


class Refused(Exception):
    """The logon failed."""


class Tokens:
    """A scheme of tokens to and fro."""

    scheme = "Negotiate"
    sealing = WinRMEncryption.SPNEGO

    def __init__(self, job, binding, peer):
        self.job = job
        # Whether every request says anew who sends it: Kerberos at an IIS that is left as it is.
        self.stateless = job["each_request"]
        self.binding = binding
        self.facts = {}
        self.context = self.accept()

    def accept(self):
        """A new context of an acceptor."""
        raise NotImplementedError

    @property
    def complete(self):
        """Whether somebody has logged on."""
        return self.context.complete

    def step(self, value):
        """Takes what follows the scheme in Authorization; gives the token to send back."""
        if self.stateless and self.complete:
            self.context = self.accept()
        try:
            answer = self.context.step(base64.b64decode(value, validate=True))
        # It asks for the flags of a context that has just failed (pyspnego 0.12).
        except (AttributeError, SpnegoError) as error:
            self.context = self.accept()
            raise Refused(str(error)) from error
        if self.complete:
            self.facts["principal"] = self.context.client_principal
            self.facts["by"] = self.context.negotiated_protocol
            self.bound()
        return answer

    def bound(self):
        """Notes whether the client has named the channel. pyspnego and MIT take silence for right."""
        context = getattr(self.context, "_context", None)
        if self.context.negotiated_protocol == "kerberos":
            # Within SPNEGO there is one more around it.
            context = getattr(context, "_context", context)
            self.facts["bound"] = bool(int(context.actual_flags) & CHANNEL_BOUND)

    def ntlm(self, token):
        """Notes what a message of NTLM says."""
        start = token.find(SIGNATURE + b"\x03")
        if start < 0:
            return
        message = Authenticate.unpack(token[start:])
        self.facts.update(
            user=message.user_name, domain=message.domain_name, mic=message.mic is not None
        )
        pairs = NTClientChallengeV2.unpack(message.nt_challenge_response[16:]).av_pairs
        if self.binding:
            expected = md5(self.binding.pack())
            self.facts["bound"] = pairs.get(AvId.channel_bindings) == expected


class Ntlm(Tokens):
    """NTLM alone, without SPNEGO around it."""

    def accept(self):
        return spnego.server(protocol="ntlm", channel_bindings=self.binding)

    def step(self, value):
        self.ntlm(base64.b64decode(value))
        return super().step(value)


class Negotiate(Ntlm):
    """SPNEGO: Kerberos where there is a keytab, and NTLM."""

    def accept(self):
        return spnego.server(
            protocol="negotiate",
            channel_bindings=self.binding,
            options=spnego.NegotiateOptions.use_negotiate,
        )


class Kerberos(Tokens):
    """Kerberos alone."""

    scheme = "Kerberos"
    sealing = WinRMEncryption.KERBEROS

    def accept(self):
        return spnego.server(protocol="kerberos", channel_bindings=self.binding)


class CredSsp(Tokens):
    """CredSSP; within it SPNEGO."""

    scheme = "CredSSP"
    sealing = WinRMEncryption.CREDSSP

    def accept(self):
        tls = _credssp._create_tls_context("accept")
        if self.job["credssp_cipher"]:
            tls.context.maximum_version = ssl.TLSVersion.TLSv1_2
            tls.context.set_ciphers(self.job["credssp_cipher"])
            # SChannel does not have it.
            tls.context.options |= NO_ENCRYPT_THEN_MAC
        return spnego.server(
            protocol="credssp",
            options=spnego.NegotiateOptions.use_negotiate,
            credssp_min_protocol=self.job["credssp_min_version"],
            credssp_tls_context=tls,
        )

    def unsealed(self, header, data):
        """What was sealed. The header is as long as the trailer of its record, which pyspnego does not look at."""
        octets = self.unwrap(header, data)
        cipher, protocol, _ = self.context._tls_object.cipher()
        wanted = _credssp._tls_trailer_length(len(octets), protocol, cipher)
        if len(header) != wanted:
            raise ValueError(f"a header of {len(header)} octets, not {wanted}, by {cipher}")
        return octets

    def step(self, value):
        answer = super().step(value)
        if self.complete:
            self.unwrap, self.context.unwrap_winrm = self.context.unwrap_winrm, self.unsealed
            credential = self.context.get_extra_info("client_credential")
            self.facts.update(
                cipher=self.context._tls_object.cipher()[0],
                version=self.context.get_extra_info("protocol_version"),
                delegated=[credential.domain_name, credential.username, credential.password],
            )
        return answer

    def bound(self):
        """The public key takes the place of a binding."""


class Basic:
    """User and password as they are, with every request."""

    scheme = "Basic"
    sealing = None
    stateless = True

    def __init__(self, job, binding, peer):
        self.accounts = {tuple(line.split(":", 2)) for line in job["accounts"]}
        self.complete = False
        self.facts = {}

    def step(self, value):
        user, _, password = base64.b64decode(value, validate=True).decode().partition(":")
        domain, _, name = user.rpartition("\\")
        self.complete = (domain, name, password) in self.accounts
        if not self.complete:
            raise Refused(f"no such account: {user}")
        self.facts["principal"] = user


class Certificate:
    """The client's certificate in the handshake; a header says that it is meant."""

    scheme = MUTUAL
    sealing = None
    stateless = True

    def __init__(self, job, binding, peer):
        self.peer = peer
        self.complete = False
        self.facts = {}

    def step(self, value):
        self.complete = self.peer is not None
        if not self.complete:
            raise Refused("no certificate")
        self.facts["principal"] = dict(pair for (pair,) in self.peer["subject"])["commonName"]


LOGONS = {
    "ntlm": Ntlm,
    "negotiate": Negotiate,
    "kerberos": Kerberos,
    "credssp": CredSsp,
    "basic": Basic,
    "certificate": Certificate,
}
