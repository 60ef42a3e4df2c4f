//! Items of all drives: what is there, copying, moving, removing; registry values.

use owaim_proto::clixml::{Object, Value};

use super::super::binder::Bound;
use super::super::errors::{Category, Failure};
use super::super::filesystem::{Refusal, normal, split};
use super::super::iis::POOL;
use super::super::registry::Data;
use super::super::values::{self, wildcard};
use super::Cx;
use super::item_objects as shown;
use super::paths::{self, Place};

/// The object of a place; `None` if nothing is there.
fn object_at(cx: &Cx<'_>, place: &Place) -> Option<Object> {
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
    let show = |c: &super::super::certificates::Certificate, store| {
        (c.thumbprint(), shown::certificate(c, store, names_known))
    };
    match store.to_ascii_lowercase().as_str() {
        "my" => Some(cx.host.certificates.iter().map(|c| show(c, "My")).collect()),
        "root" => {
            let mut root = cx.state.authority.certificate.clone();
            root.key = None;
            Some(vec![show(&root, "Root")])
        }
        "ca" | "trustedpeople" => Some(Vec::new()),
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
                        cx.output(name)
                    } else {
                        cx.output(object)
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

fn no_property(name: &str, path: &str) -> Failure {
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

/// `Set-ItemProperty` and `New-ItemProperty`: values of the registry, the read-only attribute.
pub(super) fn set_item_property(cx: &mut Cx<'_>, call: &Bound) -> Result<(), Failure> {
    let Some(name) = call.text("Name") else {
        return Err(Failure::not_modelled("setting several properties at once"));
    };
    let value = call.get("Value").cloned().unwrap_or(Value::Null);
    for (path, place) in paths::places(cx, call) {
        match &place {
            Place::Key(key) if cx.host.registry.key(key).is_some() => {
                if cx.should_process(&format!("Item: {path} Property: {name}")) {
                    let data = match value.as_i64().and_then(|n| i32::try_from(n).ok()) {
                        Some(number) => Data::Number(number),
                        None => Data::Text(value.text().unwrap_or_default()),
                    };
                    cx.host.registry.set(key, &name, data);
                    cx.effect = true;
                }
            }
            Place::File(file)
                if name.eq_ignore_ascii_case("IsReadOnly") && cx.host.files.get(file).is_some() =>
            {
                if cx.should_process(&path) {
                    cx.host
                        .files
                        .set_read_only(file, value.as_bool().unwrap_or(false));
                    cx.effect = true;
                }
            }
            Place::File(file) if cx.host.files.get(file).is_some() => {
                return Err(Failure::not_modelled(&format!("the file property {name}")));
            }
            _ => cx.error(&Failure::path_not_found(&path)),
        }
    }
    Ok(())
}

pub(super) fn remove_item_property(cx: &mut Cx<'_>, call: &Bound) -> Result<(), Failure> {
    for (path, place) in paths::places(cx, call) {
        for name in call.texts("Name") {
            match &place {
                Place::Key(key) if cx.host.registry.value(key, &name).is_some() => {
                    if cx.should_process(&format!("Item: {path} Property: {name}")) {
                        cx.host.registry.remove_value(key, &name);
                        cx.effect = true;
                    }
                }
                _ => cx.error(&no_property(&name, &path)),
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

/// The file path of `path`, which a destination must be.
fn file_path(cx: &Cx<'_>, path: &str) -> Result<String, Failure> {
    match paths::place(cx, path)? {
        Place::File(file) => Ok(file),
        _ => Err(Failure::not_modelled("this change on that drive")),
    }
}

pub(super) fn copy_item(cx: &mut Cx<'_>, call: &Bound) -> Result<(), Failure> {
    let destination = file_path(cx, &call.text("Destination").unwrap_or_default())?;
    for (path, place) in paths::places(cx, call) {
        let Place::File(from) = place else {
            return Err(Failure::not_modelled("copying on that drive"));
        };
        if cx.host.files.get(&from).is_none() {
            cx.error(&Failure::path_not_found(&path));
            continue;
        }
        if !cx.should_process(&format!("Item: {path} Destination: {destination}")) {
            continue;
        }
        match cx
            .host
            .files
            .copy(&from, &destination, call.switch("Force"), cx.now)
        {
            Ok(target) => {
                cx.effect = true;
                let object = cx.host.files.get(&target).map(shown::file);
                if let Some(object) = object.filter(|_| call.switch("PassThru")) {
                    cx.output(object);
                }
            }
            Err(Refusal::Missing) => cx.error(&no_folder("CopyFileInfoItemIOError", &destination)),
            Err(_) => cx.error(&Failure::access_denied(
                "CopyFileInfoItemUnauthorizedAccessError",
                &destination,
            )),
        }
    }
    Ok(())
}

fn no_folder(id: &'static str, path: &str) -> Failure {
    Failure::new(
        id,
        Category::WriteError,
        "System.IO.DirectoryNotFoundException",
        format!("Could not find a part of the path '{path}'."),
    )
    .about(path)
}

pub(super) fn move_item(cx: &mut Cx<'_>, call: &Bound) -> Result<(), Failure> {
    let destination = call.text("Destination").unwrap_or_default();
    for (path, place) in paths::places(cx, call) {
        rename(cx, call, &path, &place, &destination)?;
    }
    Ok(())
}

pub(super) fn rename_item(cx: &mut Cx<'_>, call: &Bound) -> Result<(), Failure> {
    let name = call.text("NewName").unwrap_or_default();
    for (path, place) in paths::places(cx, call) {
        let Place::File(from) = &place else {
            return Err(Failure::not_modelled("renaming on that drive"));
        };
        let target = if name.contains('\\') {
            name.clone()
        } else {
            format!("{}\\{name}", split(from).0)
        };
        rename(cx, call, &path, &place, &target)?;
    }
    Ok(())
}

fn rename(
    cx: &mut Cx<'_>,
    call: &Bound,
    path: &str,
    place: &Place,
    target: &str,
) -> Result<(), Failure> {
    let Place::File(from) = place else {
        return Err(Failure::not_modelled("moving on that drive"));
    };
    let target = file_path(cx, target)?;
    if cx.host.files.get(from).is_none() {
        cx.error(&Failure::path_not_found(path));
        return Ok(());
    }
    if !cx.should_process(&format!("Item: {path} Destination: {target}")) {
        return Ok(());
    }
    let (cannot, exists) = match cx.cmdlet.name {
        "Move-Item" => ("MoveFileInfoItemIOError", "MoveFileInfoItemIOError"),
        _ => ("RenameItemIOError", "RenameItemIOError"),
    };
    match cx.host.files.rename(from, &target, call.switch("Force")) {
        Ok(moved) => {
            cx.effect = true;
            let object = cx.host.files.get(&moved).map(shown::file);
            if let Some(object) = object.filter(|_| call.switch("PassThru")) {
                cx.output(object);
            }
        }
        Err(Refusal::Exists) => cx.error(
            &Failure::new(
                exists,
                Category::WriteError,
                "System.IO.IOException",
                "Cannot create a file when that file already exists.",
            )
            .about(target),
        ),
        Err(_) => cx.error(&no_folder(cannot, &target)),
    }
    Ok(())
}

pub(super) fn remove_item(cx: &mut Cx<'_>, call: &Bound) -> Result<(), Failure> {
    for (path, place) in paths::places(cx, call) {
        let Place::File(file) = place else {
            return Err(Failure::not_modelled("removing on that drive"));
        };
        if cx.host.files.get(&file).is_none() {
            cx.error(&Failure::path_not_found(&path));
            continue;
        }
        if !cx.should_process(&path) {
            continue;
        }
        match cx
            .host
            .files
            .remove(&file, call.switch("Recurse"), call.switch("Force"))
        {
            Ok(()) => cx.effect = true,
            Err(Refusal::NotEmpty) => cx.error(
                &Failure::new(
                    "DirectoryNotEmpty",
                    Category::WriteError,
                    "System.IO.IOException",
                    format!("Directory {path} cannot be removed because it is not empty."),
                )
                .about(path),
            ),
            Err(_) => cx.error(&Failure::access_denied(
                "RemoveFileSystemItemUnAuthorizedAccess",
                &path,
            )),
        }
    }
    Ok(())
}

pub(super) fn new_item(cx: &mut Cx<'_>, call: &Bound) -> Result<(), Failure> {
    let kind = call
        .text("ItemType")
        .unwrap_or_else(|| "File".into())
        .to_ascii_lowercase();
    let mut targets = call.texts("Path");
    if let Some(name) = call.text("Name") {
        targets = if targets.is_empty() {
            vec![name]
        } else {
            targets.iter().map(|p| format!("{p}\\{name}")).collect()
        };
    }
    for path in targets {
        let place = paths::place(cx, &path)?;
        if !cx.should_process(&format!("Destination: {path}")) {
            continue;
        }
        match &place {
            Place::File(file) if kind.starts_with('d') => {
                if cx.host.files.get(file).is_some() && !call.switch("Force") {
                    cx.error(&exists("DirectoryExist", &path));
                    continue;
                }
                cx.host.files.make_folders(file, cx.now);
            }
            Place::File(file) if kind.starts_with('f') => {
                if cx.host.files.get(file).is_some() && !call.switch("Force") {
                    cx.error(&exists("NewItemIOError", &path));
                    continue;
                }
                let bytes = match call.get("Value") {
                    Some(value) => value.text().unwrap_or_default().into_bytes(),
                    None => Vec::new(),
                };
                if call.switch("Force") {
                    cx.host.files.make_folders(split(&normal(file)).0, cx.now);
                }
                if let Err(refusal) = cx.host.files.write(file, bytes, cx.now) {
                    let failure = match refusal {
                        Refusal::Missing => no_folder("NewItemIOError", &path),
                        _ => Failure::access_denied("NewItemUnauthorizedAccessError", &path),
                    };
                    cx.error(&failure);
                    continue;
                }
            }
            Place::Key(key) => {
                cx.host.registry.make(key);
            }
            _ => return Err(Failure::not_modelled("making that kind of item")),
        }
        cx.effect = true;
        if let Some(object) = object_at(cx, &place) {
            cx.output(object);
        }
    }
    Ok(())
}

fn exists(id: &'static str, path: &str) -> Failure {
    Failure::new(
        id,
        Category::ResourceExists,
        "System.IO.IOException",
        format!("An item with the specified name {path} already exists."),
    )
    .about(path)
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
