//! Changes of items: copying, moving, removing, making; registry values.

use owaim_proto::clixml::Value;

use super::super::binder::Bound;
use super::super::errors::{Category, Failure};
use super::super::filesystem::{Refusal, normal, split};
use super::super::registry::Data;
use super::Cx;
use super::item_objects as shown;
use super::items::{no_property, object_at};
use super::paths::{self, Place};

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
