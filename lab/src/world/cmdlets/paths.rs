//! Paths of providers: which drive a path is on, and what its wildcards stand for.

use super::super::binder::Bound;
use super::super::errors::Failure;
use super::super::filesystem::{normal, split};
use super::super::values::wildcard;
use super::Cx;

/// A path on one of the drives that the lab has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// A file or folder: whole path.
    File(String),
    /// A registry key: path below `HKEY_LOCAL_MACHINE`.
    Key(String),
    /// The certificate drive: parts below `Cert:`.
    Certificate(Vec<String>),
    /// The drive of IIS: parts below `IIS:`.
    Iis(Vec<String>),
    /// The variable drive: a name.
    Environment(String),
}

/// Finds the drive of `path`.
pub(super) fn place(cx: &Cx<'_>, path: &str) -> Result<Place, Failure> {
    let bare = match path.split_once("::") {
        Some((provider, rest)) => match provider
            .rsplit('\\')
            .next()
            .unwrap_or(provider)
            .to_ascii_lowercase()
            .as_str()
        {
            "registry" => {
                let rest = normal(rest);
                let below = ["HKEY_LOCAL_MACHINE", "HKLM"].into_iter().find_map(|hive| {
                    let (start, end) = rest.split_at_checked(hive.len())?;
                    start
                        .eq_ignore_ascii_case(hive)
                        .then(|| end.trim_start_matches('\\').to_owned())
                });
                return below
                    .map(Place::Key)
                    .ok_or_else(|| Failure::path_not_found(path));
            }
            "certificate" => return Ok(Place::Certificate(parts(rest))),
            "filesystem" => rest,
            other => return Err(Failure::drive_not_found(other)),
        },
        None => path,
    };
    let Some((drive, rest)) = bare.split_once(':') else {
        // Relative to the profile of the account, where a session begins.
        let user = cx.caller.user.rsplit('\\').next().unwrap_or_default();
        let user = user.split('@').next().unwrap_or_default();
        return Ok(Place::File(normal(&format!(
            "C:\\Users\\{user}\\Documents\\{bare}"
        ))));
    };
    match drive.to_ascii_uppercase().as_str() {
        "HKLM" => Ok(Place::Key(normal(rest))),
        "CERT" => Ok(Place::Certificate(parts(rest))),
        "IIS" if cx.host.exchange.is_some() => Ok(Place::Iis(parts(rest))),
        "ENV" => Ok(Place::Environment(
            rest.trim_start_matches(['\\', '/']).into(),
        )),
        _ if cx.host.files.has_drive(&format!("{drive}:")) => Ok(Place::File(normal(bare))),
        _ => Err(Failure::drive_not_found(drive)),
    }
}

fn parts(text: &str) -> Vec<String> {
    text.split(['\\', '/'])
        .filter(|part| !part.is_empty())
        .map(Into::into)
        .collect()
}

/// The paths of a call, and whether wildcards in them count.
pub(super) fn given(call: &Bound) -> (Vec<String>, bool) {
    if call.has("LiteralPath") {
        (call.texts("LiteralPath"), false)
    } else {
        (call.texts("Path"), true)
    }
}

/// The places that a call names. A file path with wildcards in its last part stands for what
/// matches; one path that is wrong is an error of its own.
pub(super) fn places(cx: &mut Cx<'_>, call: &Bound) -> Vec<(String, Place)> {
    let (paths, wild) = given(call);
    let mut found = Vec::new();
    for path in paths {
        let Some(there) = ({
            let result = place(cx, &path);
            cx.checked(result)
        }) else {
            continue;
        };
        match &there {
            Place::File(file) if wild && split(file).1.contains(['*', '?']) => {
                let (folder, pattern) = split(file);
                let matching: Vec<String> = cx
                    .host
                    .files
                    .children(folder)
                    .filter(|node| wildcard(pattern, split(&node.path).1))
                    .map(|node| node.path.clone())
                    .collect();
                found.extend(matching.into_iter().map(|p| (p.clone(), Place::File(p))));
            }
            _ => found.push((path, there)),
        }
    }
    found
}
