"""WS-Management envelopes of remote shells, read strictly and written by xml.etree alone.

`read` takes nothing for granted: what [MS-WSMV] requires of a request and is not there, and what
a header is not allowed to be, ends up in `Request.complaints`.
"""

import base64
import binascii
import re
import uuid
import xml.etree.ElementTree as ET
from dataclasses import dataclass, field

S = "{http://www.w3.org/2003/05/soap-envelope}"
A = "{http://schemas.xmlsoap.org/ws/2004/08/addressing}"
W = "{http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd}"
P = "{http://schemas.microsoft.com/wbem/wsman/1/wsman.xsd}"
X = "{http://schemas.xmlsoap.org/ws/2004/09/transfer}"
F = "{http://schemas.microsoft.com/wbem/wsman/1/wsmanfault}"
RSP = "{http://schemas.microsoft.com/wbem/wsman/1/windows/shell}"
N = "{http://schemas.xmlsoap.org/ws/2004/09/enumeration}"
C = "{http://schemas.microsoft.com/wbem/wsman/1/config}"
I = "{http://schemas.dmtf.org/wbem/wsman/identity/1/wsmanidentity.xsd}"
PWSH = "{http://schemas.microsoft.com/powershell}"
LANG = "{http://www.w3.org/XML/1998/namespace}lang"

for prefix, name in zip("s a w p x f rsp n cfg i".split(), (S, A, W, P, X, F, RSP, N, C, I)):
    ET.register_namespace(prefix, name[1:-1])

ANONYMOUS = A[1:-1] + "/role/anonymous"
SHELL = RSP[1:-1] + "/"
ENUMERATION = N[1:-1] + "/"
ACTIONS = {
    X[1:-1] + "/Create": "Create",
    X[1:-1] + "/Delete": "Delete",
    X[1:-1] + "/Get": "Get",
    ENUMERATION + "Enumerate": "Enumerate",
    **{
        SHELL + name: name
        for name in (
            "Command", "Send", "Receive", "Signal", "Disconnect", "Reconnect", "Connect"
        )
    },
}
TERMINATE = SHELL + "signal/terminate"
CTRL_C = SHELL + "signal/ctrl_c"
# As Windows spells it, and as pypsrp does; servers take both.
POWERSHELL_CTRL_C = ("powershell/signal/crtl_c", "powershell/signal/ctrl_c")

# The headers of a request: whether they must be there, and whether s:mustUnderstand must be
# "true" on them (None: whatever it says).
HEADERS = {
    A + "To": (True, None),
    A + "ReplyTo": (True, None),
    A + "Action": (True, True),
    A + "MessageID": (True, None),
    W + "ResourceURI": (True, True),
    W + "MaxEnvelopeSize": (True, True),
    W + "OperationTimeout": (True, None),
    W + "Locale": (True, False),
    P + "DataLocale": (False, False),
    P + "SessionId": (False, False),
    P + "OperationID": (False, False),
    P + "SequenceId": (False, False),
    W + "SelectorSet": (False, None),
    W + "OptionSet": (False, None),
}
UUID = r"[0-9A-F]{8}(-[0-9A-F]{4}){3}-[0-9A-F]{12}"
DURATION = r"P(\d+D)?(T(\d+H)?(\d+M)?(\d+(\.\d+)?S)?)?"


@dataclass
class Request:
    """A request and what is wrong with it."""

    action: str = ""
    message_id: str = ""
    to: str = ""
    resource_uri: str = ""
    max_envelope_size: int = 0
    operation_timeout: str = ""
    session_id: str = ""
    operation_id: str = ""
    selectors: dict = field(default_factory=dict)
    options: dict = field(default_factory=dict)
    body: ET.Element | None = None
    complaints: list = field(default_factory=list)

    def expect(self, condition, complaint):
        """Notes `complaint` unless `condition` holds."""
        if not condition:
            self.complaints.append(complaint)

    def content(self, tag):
        """The one element of the body."""
        found = list(self.body) if self.body is not None else []
        if [element.tag for element in found] != [tag]:
            self.complaints.append(f"expected {tag} in the body, found {found}")
            return ET.Element(tag)
        return found[0]

    def identifier(self, element, name):
        """An attribute that is a UUID in the form that shells use: capitals, no braces."""
        text = element.get(name, "")
        if not re.fullmatch(UUID, text):
            self.complaints.append(f"{element.tag} {name}={text!r} is no id of a shell or command")
            return None
        return uuid.UUID(text)

    def octets(self, element):
        """The Base64 text of an element; strict, no blanks."""
        try:
            return base64.b64decode(element.text or "", validate=True)
        except binascii.Error as error:
            self.complaints.append(f"{element.tag}: {error}")
            return b""


def is_duration(text):
    """Whether a text is one of xs:duration, as far as days."""
    return re.fullmatch(DURATION, text) is not None


def read(envelope):
    """The request in `envelope`."""
    request = Request()
    try:
        root = ET.fromstring(envelope.decode("utf-8"))
    except (ET.ParseError, UnicodeDecodeError) as error:
        request.complaints.append(f"not XML in UTF-8: {error}")
        return request
    request.expect(
        [root.tag, *(child.tag for child in root)] == [S + "Envelope", S + "Header", S + "Body"],
        f"expected an envelope of header and body, found {root.tag} of {list(root)}",
    )
    header = root.find(S + "Header")
    request.body = root.find(S + "Body")
    if header is not None:
        _headers(request, header)
    return request


def _headers(request, header):
    present = {}
    for element in header:
        request.expect(element.tag in HEADERS, f"unknown header {element.tag}")
        request.expect(element.tag not in present, f"header {element.tag} twice")
        present[element.tag] = element
        for name in element.attrib:
            known = (S + "mustUnderstand", LANG)
            request.expect(name in known, f"{element.tag} with attribute {name}")
        says = {"true": True, "1": True, "false": False, "0": False, None: None}.get(
            element.get(S + "mustUnderstand"), "nonsense"
        )
        wanted = HEADERS.get(element.tag, (False, None))[1]
        request.expect(
            says != "nonsense" and wanted in (None, says),
            f"{element.tag} with mustUnderstand {says}, expected {wanted}",
        )
    for tag, (needed, _) in HEADERS.items():
        request.expect(not needed or tag in present, f"no header {tag}")

    def text(tag, pattern):
        value = present[tag].text or "" if tag in present else ""
        request.expect(
            tag not in present or re.fullmatch(pattern, value), f"{tag} is {value!r}: not {pattern}"
        )
        return value

    action = text(A + "Action", "|".join(re.escape(uri) for uri in ACTIONS))
    request.action = ACTIONS.get(action, action)
    request.to = text(A + "To", r"https?://\S+")
    request.message_id = text(A + "MessageID", "uuid:" + UUID)
    request.resource_uri = text(W + "ResourceURI", r"http://schemas\.microsoft\.com/\S+")
    request.operation_timeout = text(W + "OperationTimeout", DURATION)
    request.session_id = text(P + "SessionId", "uuid:" + UUID)
    request.operation_id = text(P + "OperationID", "uuid:" + UUID)
    size = text(W + "MaxEnvelopeSize", r"\d{4,7}")
    request.max_envelope_size = int(size) if size.isdigit() else 0
    for tag in (W + "Locale", P + "DataLocale"):
        if tag in present:
            language = present[tag].get(LANG, "")
            request.expect(re.fullmatch(r"[a-z]{2}-[A-Z]{2}", language), f"{tag} of {language!r}")
    if A + "ReplyTo" in present:
        address = [(child.tag, child.text) for child in present[A + "ReplyTo"]]
        request.expect(address == [(A + "Address", ANONYMOUS)], f"ReplyTo {address}")
    for tag, child_tag, target in (
        (W + "SelectorSet", W + "Selector", request.selectors),
        (W + "OptionSet", W + "Option", request.options),
    ):
        for child in present.get(tag, ()):
            request.expect(child.tag == child_tag and "Name" in child.attrib, f"{tag}: {child}")
            request.expect(child.get("Name") not in target, f"{tag}: {child.get('Name')} twice")
            target[child.get("Name")] = (child.text or "", child.get("MustComply"))


def answer(request, body):
    """The envelope that answers `request` with the elements of `body`."""
    action = {uri for uri, name in ACTIONS.items() if name == request.action}.pop() + "Response"
    return _envelope(request, action, body)


def fault(request, code, soap_code, subcode, text):
    """A fault in answer to `request`, as WS-Management's service words it."""
    element = ET.Element(S + "Fault")
    value = ET.SubElement(element, S + "Code")
    ET.SubElement(value, S + "Value").text = "s:" + soap_code
    ET.SubElement(ET.SubElement(value, S + "Subcode"), S + "Value").text = "w:" + subcode
    reason = ET.SubElement(ET.SubElement(element, S + "Reason"), S + "Text", {LANG: "en-US"})
    reason.text = text
    detail = ET.SubElement(element, S + "Detail")
    wsman = ET.SubElement(detail, F + "WSManFault", {"Code": str(code), "Machine": "127.0.0.1"})
    ET.SubElement(wsman, F + "Message").text = text
    return _envelope(request, W[1:-1].rsplit("/", 1)[0] + "/fault", [element])


def _envelope(request, action, body):
    root = ET.Element(S + "Envelope", {LANG: "en-US"})
    header = ET.SubElement(root, S + "Header")
    ET.SubElement(header, A + "Action").text = action
    ET.SubElement(header, A + "MessageID").text = "uuid:" + str(uuid.uuid4()).upper()
    ET.SubElement(header, P + "ActivityId").text = str(uuid.uuid4()).upper()
    ET.SubElement(header, A + "To").text = ANONYMOUS
    ET.SubElement(header, A + "RelatesTo").text = request.message_id
    ET.SubElement(root, S + "Body").extend(body)
    if not any(element.tag.startswith(W) for element in root.iter()):
        # ElementTree declares what tags use; a subcode uses the prefix in its text.
        root.set("xmlns:w", W[1:-1])
    return ET.tostring(root, encoding="utf-8", xml_declaration=False)
