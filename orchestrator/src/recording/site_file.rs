//! The site file of a recording: the same site by its replaced names, as far as a replay needs it.

use toml::{Table, Value};

use super::sanitizer::Sanitizer;

/// How endpoints are reached and whom they trust is of no matter to a replay, and names files that are not there.
const LEFT_OUT: [&str; 4] = ["connections", "credentials", "kerberos", "lab"];
/// What of an endpoint a replay needs.
const OF_ENDPOINTS: [&str; 2] = ["url", "configuration"];

/// A sanitised copy of the site file `text`, without its comments and credentials.
pub(super) fn sanitized(text: &str, sanitizer: &Sanitizer<'_>) -> Result<String, String> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    // Only what the parser says beside the line: the line itself is the site's.
    let table: Table = text
        .parse()
        .map_err(|error: toml::de::Error| error.message().to_owned())?;
    let mut clean = Table::new();
    for (key, value) in table {
        if !LEFT_OUT.contains(&key.as_str()) {
            clean.insert(key, replaced(value, sanitizer));
        }
    }
    let hosts = clean.get_mut("hosts").and_then(Value::as_array_mut);
    for host in hosts.into_iter().flatten() {
        let endpoints = host.get_mut("endpoints").and_then(Value::as_table_mut);
        for (_, endpoint) in endpoints.into_iter().flatten() {
            if let Value::Table(endpoint) = endpoint {
                endpoint.retain(|key, _| OF_ENDPOINTS.contains(&key));
            }
        }
    }
    let mut account = Table::new();
    account.insert("username".into(), r"EXAMPLE\replay".into());
    let mut password = Table::new();
    password.insert("env".into(), "OWAIM_PASSWORD".into());
    account.insert("password".into(), password.into());
    let mut credentials = Table::new();
    credentials.insert("default".into(), account.into());
    clean.insert("credentials".into(), credentials.into());
    let head = "# The site of this recording, by its replaced names. See README.txt.\n\n";
    Ok([head, &clean.to_string()].concat())
}

fn replaced(value: Value, sanitizer: &Sanitizer<'_>) -> Value {
    match value {
        Value::String(text) => Value::String(sanitizer.text(&text)),
        Value::Array(items) => Value::Array(
            items
                .into_iter()
                .map(|item| replaced(item, sanitizer))
                .collect(),
        ),
        Value::Table(table) => Value::Table(
            table
                .into_iter()
                .map(|(key, value)| (sanitizer.text(&key), replaced(value, sanitizer)))
                .collect(),
        ),
        other => other,
    }
}
