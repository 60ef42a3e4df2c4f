//! JSON Schema of the site file, for editors.
//!
//! It says which keys there are and what kind of value each takes. What depends on several
//! places at once is left to [`parse`](crate::parse()), which is the judge in any case.

use serde_json::{Map, Value, json};

use crate::{
    Auth, EndpointKind, ExchangeVersion, LyncVersion, MinTls, PHASES, Role, STEP_IDS, StartupMode,
};

/// JSON Schema (draft 2020-12) of the site file.
pub fn schema() -> Value {
    let mut root = section(
        "A site whose Outlook Web App has instant messaging",
        &[
            "site",
            "lync",
            "exchange",
            "policies",
            "hosts",
            "credentials",
        ],
        json!({
            "site": section("The site", &["name"], json!({
                "name": text("Names the folder that runs are kept in", r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"),
            })),
            "lync": lync(),
            "exchange": section("Exchange as a whole", &["version"], json!({
                "version": version("Generation of every host that does not say otherwise", &ExchangeVersion::ALL.map(ExchangeVersion::name)),
                "admin_host": host_name("The host that serves organization-wide objects; default: the first client access server"),
                "domain_controller": host_name("Domain controller that writes and read-backs are pinned to"),
            })),
            "certificate": section("How the certificate is found on each backend", &[], json!({
                "subject": host_name("Its common name and an alternative name; default: the trusted pool"),
                "thumbprint": { "description": "Exactly this certificate", "type": "string" },
                "warn_days": whole("Days before expiry from which on a warning is given", 0, 3650, 30),
                "import": section("What is imported where there is no such certificate", &["pfx", "password"], json!({
                    "pfx": text("PKCS #12 file with certificate and key, relative to the site file", "^.+$"),
                    "password": password(),
                })),
                "request": {
                    "description": "Whether a certificate is requested where there is none and nothing to import",
                    "type": "boolean", "default": false,
                },
            })),
            "policies": section("OWA mailbox policies in scope", &["mailbox"], json!({
                "mailbox": {
                    "description": "Names, \"all\", or \"in-use\": those that some mailbox has",
                    "oneOf": [
                        { "enum": ["all", "in-use"] },
                        { "type": "array", "minItems": 1, "uniqueItems": true, "items": text("Name of a policy", r"^[^*?\[\]]+$") },
                    ],
                },
            })),
            "users": section("Users whose prerequisites are looked at", &[], json!({
                "sample": {
                    "description": "Their addresses",
                    "type": "array", "uniqueItems": true, "default": [],
                    "items": text("Address of one user", r"^[^@*?\[\]\s]+@[^@*?\[\]\s]+$"),
                },
            })),
            "unified_messaging": section("What may be changed of Unified Messaging besides its dial plans", &[], json!({
                "startup_mode": {
                    "description": "Startup mode for services of secured dial plans that answer no secured calls; changing it restarts the service",
                    "enum": StartupMode::ALL.map(StartupMode::name),
                },
            })),
            "lab": section("The simulated site of this file", &["with"], json!({
                "with": text("File that describes what it begins with, relative to this one", r"\S"),
            })),
            "endpoints": endpoints(),
            "kerberos": section("Where tickets come from", &[], json!({
                "realm": text("Realm of the accounts; default: that of the user name, of krb5.conf, or the domain of the servers", "^[A-Za-z0-9.-]+$"),
                "kdc": {
                    "description": "Its key distribution centres in the order in which they are asked; default: those of krb5.conf, then those that DNS names",
                    "type": "array", "minItems": 1,
                    "items": text("Server, server:port, either with tcp:// or udp:// before it", r"^((tcp|udp)://)?[^@/?#]+/?$"),
                },
            })),
            "hosts": { "description": "Every server", "type": "array", "minItems": 1, "items": host() },
            "credentials": credentials(),
            "retry": retry(),
            "limits": section("How much may happen at once", &[], json!({
                "parallel": whole("Steps at work in the whole run", 1, 256, 16),
                "per_host": whole("Steps at work on one host", 1, 16, 2),
                "recycles": whole("Application pools of one group being recycled", 1, 64, 1),
            })),
        }),
    );
    root["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    root["title"] = json!("owaim site file");
    root
}

fn lync() -> Value {
    let application = section(
        "Outlook Web App as Lync knows it",
        &["pool", "id", "port"],
        json!({
            "pool": host_name("The trusted application pool"),
            "id": text("Id of the application: letters and digits", "^[A-Za-z0-9]+$"),
            "port": {
                "description": "Port of the application; those of SIP services are refused",
                "type": "integer", "minimum": 1, "maximum": 65535,
                "not": { "enum": [5060, 5061, 5062, 5063, 5065, 5066, 5067, 5068] },
            },
            "computers": {
                "description": "Computers of the pool, each a backend; default: one with the pool's own name",
                "type": "array", "minItems": 1, "uniqueItems": true,
                "items": host_name("Fully qualified name of a backend"),
            },
        }),
    );
    section(
        "Lync Server or Skype for Business Server",
        &["version", "pool", "site_id", "trusted_application"],
        json!({
            "version": version("Generation", &LyncVersion::ALL.map(LyncVersion::name)),
            "pool": host_name("The Front End pool"),
            "site_id": text("SiteId of Get-CsSite, without the prefix Site:", r"^[^*?\[\]]+$"),
            "trusted_application": application,
        }),
    )
}

fn host() -> Value {
    let endpoint = |kind: EndpointKind| {
        let mut properties = connection(&MinTls::ALL);
        properties["url"] = text(
            "Whole URL, without user name and password",
            "^https?://[^@]+$",
        );
        properties["configuration"] = text(
            &format!(
                "Session configuration; default: {}",
                kind.default_configuration()
            ),
            "^[A-Za-z0-9._-]+$",
        );
        section(
            &format!(
                "Where and how the {} endpoint is reached, if not by default",
                kind.name()
            ),
            &[],
            properties,
        )
    };
    section(
        "A server",
        &["name", "roles"],
        json!({
            "name": host_name("Its fully qualified name"),
            "roles": {
                "description": "What it does",
                "type": "array", "minItems": 1, "uniqueItems": true,
                "items": { "enum": Role::ALL.map(Role::name) },
            },
            "exchange_version": version("Generation of Exchange, where it differs", &ExchangeVersion::ALL.map(ExchangeVersion::name)),
            "install_root": text("Where Exchange is installed; default: read from the server", "^[A-Za-z]:"),
            "group": text("Servers that share users; default: \"default\"", "^[A-Za-z0-9._-]+$"),
            "endpoints": section("Endpoints that differ from the defaults", &[], by_kind(endpoint)),
        }),
    )
}

/// How endpoints are reached: for all of them, and by kind.
fn endpoints() -> Value {
    const SAFE: [MinTls; 2] = [MinTls::V1_2, MinTls::V1_3];
    let mut properties = connection(&SAFE);
    for kind in EndpointKind::ALL {
        let description = format!("How endpoints of the kind {} are reached", kind.name());
        properties[kind.name()] = section(&description, &[], connection(&SAFE));
    }
    section(
        "How endpoints are reached; the most specific key wins: host, then kind, then these",
        &[],
        properties,
    )
}

fn connection(versions: &[MinTls]) -> Value {
    let flag = |description: &str| json!({ "description": description, "type": "boolean", "default": false });
    let versions: Vec<&str> = versions.iter().map(|version| version.name()).collect();
    json!({
        "auth": {
            "description": "How the server is shown who asks; default: kerberos for exchange, else negotiate",
            "enum": Auth::ALL.map(Auth::name),
        },
        "allow_ntlm_fallback": flag("Whether negotiate may use NTLM where Kerberos cannot"),
        "allow_plaintext": flag("Whether basic may send its password over plain HTTP"),
        "service": text("The service's principal; default: HTTP/ with the host's name", "^[^/]+/[^/]+$"),
        "delegate": flag("Whether the server gets a ticket to go on with from there"),
        "ca": text("PEM file of authorities that are trusted besides the system's, relative to the site file", r"\S"),
        "pin": text("SHA-256 of the one certificate that the server must have", r"^\s*([sS][hH][aA]256:)?[0-9A-Fa-f: ]+$"),
        "min_tls": { "description": "Oldest version of TLS that will do", "enum": versions, "default": "1.2" },
        "insecure_skip_verify": flag("Whether any certificate will do; warns on every run"),
        "proxy": text("URL of the HTTP proxy on the way", "^http://[^@/]+/?$"),
    })
}

fn password() -> Value {
    json!({
        "description": "Where the password is taken from; never the password",
        "oneOf": [
            section("", &["env"], json!({ "env": text("Environment variable", "^[A-Za-z_][A-Za-z0-9_]*$") })),
            section("", &["file"], json!({ "file": text("File; its first line counts", "^.+$") })),
            section("", &["prompt"], json!({ "prompt": { "const": true } })),
        ],
    })
}

fn credentials() -> Value {
    let credential = || {
        let mut credential = section(
            "A user name and where its password or key is, a certificate, a ticket cache, or the current logon",
            &[],
            json!({
                "logon": {
                    "description": "Whoever has logged on to the Windows that owaim runs on",
                    "const": true,
                },
                "ticket_cache": {
                    "description": "The ticket that kinit has fetched",
                    "const": true,
                },
                "username": text(r"DOMAIN\user, user@domain or user", "^.+$"),
                "password": password(),
                "keytab": text("File with the user's Kerberos key, relative to the site file", r"\S"),
                "certificate": text("PKCS #12 file with certificate and key, relative to the site file", r"\S"),
            }),
        );
        credential["oneOf"] = json!([
            { "required": ["username", "password"] },
            { "required": ["username", "keytab"] },
            { "required": ["certificate", "password"] },
            { "required": ["logon"] },
            { "required": ["ticket_cache"] },
        ]);
        credential
    };
    section(
        "References to credentials; the most specific one wins: host, then endpoint kind, then default",
        &["default"],
        json!({
            "default": credential(),
            "endpoints": section("By endpoint kind", &[], by_kind(|_| credential())),
            "hosts": { "description": "By host", "type": "object", "additionalProperties": credential() },
        }),
    )
}

fn retry() -> Value {
    let duration = |description: &str| json!({ "description": description, "type": "string", "examples": ["30s", "5m"] });
    let policy = section(
        "How one step is tried again",
        &[],
        json!({
            "attempts": whole("Attempts in all, the first included", 1, 100, 3),
            "base_delay": duration("Upper bound of the first wait; doubles with every attempt"),
            "max_delay": duration("Upper bound of any wait"),
            "attempt_timeout": duration("How long the reads of one look may take together, and each change by itself"),
            "deadline": duration("How long all attempts together may take"),
        }),
    );
    let names: Vec<String> = PHASES
        .iter()
        .chain(&STEP_IDS)
        .map(|name| name.replace('.', r"\."))
        .collect();
    json!({
        "description": "Retry policies: a step's own, else its phase's, else the default",
        "type": "object",
        "properties": { "default": policy },
        "patternProperties": { format!("^({})$", names.join("|")): policy },
        "additionalProperties": false,
    })
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "every caller makes it on the spot"
)]
fn section(description: &str, required: &[&str], properties: Value) -> Value {
    json!({
        "description": description,
        "type": "object",
        "required": required,
        "properties": properties,
        "additionalProperties": false,
    })
}

fn by_kind(of: impl Fn(EndpointKind) -> Value) -> Value {
    EndpointKind::ALL
        .into_iter()
        .map(|kind| (kind.name().to_owned(), of(kind)))
        .collect::<Map<_, _>>()
        .into()
}

fn text(description: &str, pattern: &str) -> Value {
    json!({ "description": description, "type": "string", "pattern": pattern })
}

fn host_name(description: &str) -> Value {
    text(description, r"^[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+$")
}

fn whole(description: &str, minimum: u32, maximum: u32, default: u32) -> Value {
    json!({ "description": description, "type": "integer", "minimum": minimum, "maximum": maximum, "default": default })
}

/// A generation: as a text, or as a number where it is one.
fn version(description: &str, names: &[&str]) -> Value {
    let mut choices: Vec<Value> = names.iter().map(|name| json!(name)).collect();
    choices.extend(
        names
            .iter()
            .filter_map(|name| name.parse::<u32>().ok())
            .map(Value::from),
    );
    json!({ "description": description, "enum": choices })
}
