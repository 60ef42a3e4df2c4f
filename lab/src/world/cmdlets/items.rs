//! Items of all drives: what is there, and what is in it.

use owaim_proto::clixml::{Object, Value};

use super::super::binder::Bound;
use super::super::errors::{Category, Failure};
use super::super::filesystem::split;
use super::super::iis::POOL;
use super::super::values::{self, wildcard};
use super::Cx;
use super::item_objects as shown;
use super::paths::{self, Place};

/// The object of a place; `None` if nothing is there.
pub(super) fn object_at(cx: &Cx<'_>, place: &Place) -> Option<Object> {
    match place {
        Place::File(path) => cx.host.files.get(path).map(shown::file),
        Place::Key(path) => {
            let key = cx.host.registry.key(path)?;
            Some(shown::key(key, cx.host.registry.children(path).count()))
        }
        Place::Certificate(parts) => match parts.as_slice() {
            [location, store, thumbprint] if location.eq_ignore_ascii_case("LocalMachine") => {
                let found = certificates(cx, store)?
                    .into_iter()
                    .find(|(thumb, _)| thumb.eq_ignore_ascii_case(thumbprint));
                found.map(|(_, object)| object)
            }
            [location, store]
                if location.eq_ignore_ascii_case("LocalMachine")
                    && certificates(cx, store).is_some() =>
            {
                Some(container(
                    "System.Security.Cryptography.X509Certificates.X509Store",
                    store,
                ))
            }
            [location] if location.eq_ignore_ascii_case("LocalMachine") => Some(container(
                "Microsoft.PowerShell.Commands.X509StoreLocation",
                "LocalMachine",
            )),
            _ => None,
        },
        Place::Iis(parts) => match parts.as_slice() {
            [folder] if folder.eq_ignore_ascii_case("AppPools") => {
                Some(container("System.Object", "AppPools"))
            }
            [folder, pool]
                if folder.eq_ignore_ascii_case("AppPools") && pool.eq_ignore_ascii_case(POOL) =>
            {
                let state = if cx.host.iis.started {
                    "Started"
                } else {
                    "Stopped"
                };
                let pool = container(
                    "Microsoft.IIs.PowerShell.Framework.ConfigurationElement",
                    POOL,
                );
                Some(
                    pool.with_note("state", state)
                        .with_note("managedRuntimeVersion", "v4.0"),
                )
            }
            _ => None,
        },
        Place::Environment(name) => {
            let value = match name.to_ascii_lowercase().as_str() {
                "windir" | "systemroot" => "C:\\Windows".to_owned(),
                "computername" => cx.caller.host.short().to_uppercase(),
                "exchangeinstallpath" if cx.host.exchange.is_some() => {
                    format!("{}\\", cx.host.install_root)
                }
                _ => return None,
            };
            let entry = Object::new().with_types([
                "System.Collections.DictionaryEntry",
                "System.ValueType",
                "System.Object",
            ]);
            Some(
                entry
                    .with("Name", name.as_str())
                    .with("Key", name.as_str())
                    .with("Value", value),
            )
        }
    }
}

fn container(type_name: &str, name: &str) -> Object {
    Object::new()
        .with_types([type_name, "System.Object"])
        .with_string(name)
        .with("Name", name)
}

/// The certificates of a store of the local machine; `None` if there is no such store.
fn certificates(cx: &Cx<'_>, store: &str) -> Option<Vec<(String, Object)>> {
    let names_known = cx.host.windows >= owaim_inventory::WindowsVersion::W2012;
    let all = |certificates: &[super::super::certificates::Certificate], store| {
        certificates
            .iter()
            .map(|c| (c.thumbprint(), shown::certificate(c, store, names_known)))
            .collect()
    };
    match store.to_ascii_lowercase().as_str() {
        "my" => Some(all(&cx.host.certificates, "My")),
        "root" => Some(all(&cx.host.roots, "Root")),
        "ca" => Some(all(&cx.host.intermediates, "CA")),
        "request" => Some(all(&cx.host.requests, "REQUEST")),
        "trustedpeople" => Some(Vec::new()),
        _ => None,
    }
}

pub(super) fn get_item(cx: &mut Cx<'_>, call: &Bound) -> Result<(), Failure> {
    for (path, place) in paths::places(cx, call) {
        match object_at(cx, &place) {
            Some(object) => cx.output(object),
            None => cx.error(&Failure::path_not_found(&path)),
        }
    }
    Ok(())
}

pub(super) fn get_child_item(cx: &mut Cx<'_>, call: &Bound) -> Result<(), Failure> {
    let mut call = call.clone();
    if !call.has("Path") && !call.has("LiteralPath") {
        call.set_path("C:\\");
    }
    let (filter, include) = (call.text("Filter"), call.texts("Include"));
    let wanted = |name: &str| {
        filter.as_deref().is_none_or(|f| wildcard(f, name))
            && (include.is_empty() || include.iter().any(|i| wildcard(i, name)))
    };
    for (path, place) in paths::places(cx, &call) {
        let children: Option<Vec<(String, Object)>> = match &place {
            Place::File(folder) => cx.host.files.get(folder).map(|node| {
                let inside: Vec<_> = match (&node.content, call.switch("Recurse")) {
                    (Some(_), _) => vec![node.clone()],
                    (None, true) => cx.host.files.below(folder),
                    (None, false) => cx.host.files.children(folder).cloned().collect(),
                };
                inside
                    .iter()
                    .filter(|n| {
                        !(call.switch("File") && n.content.is_none()
                            || call.switch("Directory") && n.content.is_some())
                    })
                    .map(|n| (split(&n.path).1.to_owned(), shown::file(n)))
                    .collect()
            }),
            Place::Key(key) => cx.host.registry.key(key).map(|_| {
                let registry = &cx.host.registry;
                let child = |k: &super::super::registry::Key| {
                    (
                        split(&k.path).1.to_owned(),
                        shown::key(k, registry.children(&k.path).count()),
                    )
                };
                registry.children(key).map(child).collect()
            }),
            Place::Certificate(parts) => match parts.as_slice() {
                [location, store] if location.eq_ignore_ascii_case("LocalMachine") => {
                    certificates(cx, store)
                }
                [location] if location.eq_ignore_ascii_case("LocalMachine") => Some(
                    ["My", "Root", "CA", "TrustedPeople"]
                        .into_iter()
                        .map(|s| {
                            (
                                s.into(),
                                container(
                                    "System.Security.Cryptography.X509Certificates.X509Store",
                                    s,
                                ),
                            )
                        })
                        .collect(),
                ),
                _ => object_at(cx, &place).map(|object| vec![(path.clone(), object)]),
            },
            Place::Iis(parts) => object_at(cx, &place).map(|object| match parts.as_slice() {
                [_] => {
                    let pool = Place::Iis(vec!["AppPools".into(), POOL.into()]);
                    object_at(cx, &pool)
                        .map(|o| (POOL.to_owned(), o))
                        .into_iter()
                        .collect()
                }
                _ => vec![(POOL.into(), object)],
            }),
            Place::Environment(_) => {
                object_at(cx, &place).map(|object| vec![(path.clone(), object)])
            }
        };
        match children {
            None => cx.error(&Failure::path_not_found(&path)),
            Some(children) => {
                for (name, object) in children.into_iter().filter(|(name, _)| wanted(name)) {
                    if call.switch("Name") {
                        cx.output(name);
                    } else {
                        cx.output(object);
                    }
                }
            }
        }
    }
    Ok(())
}

pub(super) fn get_item_property(cx: &mut Cx<'_>, call: &Bound) -> Result<(), Failure> {
    let names = call.texts("Name");
    for (path, place) in paths::places(cx, call) {
        match &place {
            Place::Key(key) => {
                let Some(found) = cx.host.registry.key(key) else {
                    cx.error(&Failure::path_not_found(&path));
                    continue;
                };
                let has = |name: &String| {
                    name.contains(['*', '?'])
                        || found
                            .values
                            .iter()
                            .any(|(n, _)| n.eq_ignore_ascii_case(name))
                };
                let missing = names.iter().find(|name| !has(name)).cloned();
                let object = shown::key_values(found, &names);
                match missing {
                    Some(name) => cx.error(&no_property(&name, &path)),
                    None => cx.output(object),
                }
            }
            _ => match object_at(cx, &place) {
                Some(object) => cx.output(object),
                None => cx.error(&Failure::path_not_found(&path)),
            },
        }
    }
    Ok(())
}

pub(super) fn no_property(name: &str, path: &str) -> Failure {
    Failure::new(
        "System.Management.Automation.PSArgumentException",
        Category::InvalidArgument,
        "System.Management.Automation.PSArgumentException",
        format!("Property {name} does not exist at path {path}."),
    )
    .about(name)
}

pub(super) fn get_item_property_value(cx: &mut Cx<'_>, call: &Bound) -> Result<(), Failure> {
    for (path, place) in paths::places(cx, call) {
        for name in call.texts("Name") {
            let value = match &place {
                Place::Key(key) => cx.host.registry.value(key, &name).map(shown::data),
                _ => object_at(cx, &place).and_then(|o| o.get(&name).cloned()),
            };
            match value {
                Some(value) => cx.output(value),
                None => cx.error(&no_property(&name, &path)),
            }
        }
    }
    Ok(())
}

pub(super) fn test_path(cx: &mut Cx<'_>, call: &Bound) -> Result<(), Failure> {
    let kind = call.text("PathType").unwrap_or_else(|| "Any".into());
    let (paths, wild) = paths::given(call);
    for path in paths {
        let found = paths::place(cx, &path).ok().is_some_and(|place| {
            if let (Place::File(file), true) = (&place, wild && path.contains(['*', '?'])) {
                let (folder, pattern) = split(file);
                return cx
                    .host
                    .files
                    .children(folder)
                    .any(|n| wildcard(pattern, split(&n.path).1));
            }
            let leaf = match &place {
                Place::File(file) => cx.host.files.read(file).is_some(),
                Place::Certificate(parts) => parts.len() == 3,
                _ => false,
            };
            object_at(cx, &place).is_some()
                && match kind.as_str() {
                    "Leaf" => leaf,
                    "Container" => !leaf,
                    _ => true,
                }
        });
        cx.output(found);
    }
    Ok(())
}

pub(super) fn resolve_path(cx: &mut Cx<'_>, call: &Bound) -> Result<(), Failure> {
    for (path, place) in paths::places(cx, call) {
        match object_at(cx, &place) {
            Some(object) => {
                let full = object.to_string.clone().unwrap_or_else(|| path.clone());
                let resolved = Object::new()
                    .with_types(["System.Management.Automation.PathInfo", "System.Object"])
                    .with_string(full.as_str())
                    .with("ProviderPath", full.as_str())
                    .with("Path", full);
                cx.output(resolved);
            }
            None => cx.error(&Failure::path_not_found(&path)),
        }
    }
    Ok(())
}

pub(super) fn get_acl(cx: &mut Cx<'_>, call: &Bound) -> Result<(), Failure> {
    for (path, place) in paths::places(cx, call) {
        let Some(object) = object_at(cx, &place) else {
            cx.error(&Failure::path_not_found(&path));
            continue;
        };
        let full = object.to_string.unwrap_or(path);
        let rules = [
            "NT AUTHORITY\\SYSTEM Allow  FullControl",
            "BUILTIN\\Administrators Allow  FullControl",
        ];
        let acl = Object::new()
            .with_types([
                "System.Security.AccessControl.FileSecurity",
                "System.Object",
            ])
            .with_string("System.Security.AccessControl.FileSecurity")
            .with_note(
                "Path",
                format!("Microsoft.PowerShell.Core\\FileSystem::{full}"),
            )
            .with_note("Owner", "BUILTIN\\Administrators")
            .with_note("Group", "NT AUTHORITY\\SYSTEM")
            .with_note(
                "Access",
                values::array(rules.into_iter().map(Value::from).collect()),
            )
            .with_note("Sddl", "O:BAG:SYD:(A;ID;FA;;;SY)(A;ID;FA;;;BA)")
            .with_note("AccessToString", rules.join("\n"));
        cx.output(acl);
    }
    Ok(())
}

pub(super) fn join_path(cx: &mut Cx<'_>, call: &Bound) -> Result<(), Failure> {
    let child = call.text("ChildPath").unwrap_or_default();
    for path in call.texts("Path") {
        cx.output(format!(
            "{}\\{}",
            path.trim_end_matches('\\'),
            child.trim_start_matches('\\')
        ));
    }
    Ok(())
}

pub(super) fn split_path(cx: &mut Cx<'_>, call: &Bound) -> Result<(), Failure> {
    for path in paths::given(call).0 {
        let trimmed = path.trim_end_matches('\\');
        let (parent, leaf) = split(trimmed);
        let part = match (call.switch("Leaf"), call.switch("Qualifier")) {
            (true, _) => leaf,
            (_, true) => trimmed.get(..2).unwrap_or_default(),
            _ => parent,
        };
        cx.output(part);
    }
    Ok(())
}
