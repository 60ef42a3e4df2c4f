//! Files, hashes, items, registry, certificates.

use super::*;

fn read(path: &str) -> Command {
    Command::new("Get-Content")
        .with("LiteralPath", path)
        .with("Encoding", "Byte")
}

#[test]
fn bytes_come_in_all_the_forms_of_windows_powershell() {
    let lab = Lab::new("");
    let whole = lab.windows(BOX, read(WEB_CONFIG).switch("Raw"));
    let raw = whole.objects().next().expect("one object");
    assert!(matches!(raw.base(), Value::Bytes(_)));
    assert_eq!(property(raw, "PSChildName"), "web.config");
    let bytes = raw.as_bytes().expect("bytes").into_owned();
    let list = lab.windows(BOX, read(WEB_CONFIG).with("ReadCount", 0));
    assert_eq!(list.objects().count(), 1);
    assert_eq!(
        list.objects()
            .next()
            .and_then(|v| v.as_bytes().map(std::borrow::Cow::into_owned)),
        Some(bytes.clone())
    );
    let single = lab.windows(
        BOX,
        read("d:/mail/clientaccess/OWA/WEB.CONFIG").with("TotalCount", 3),
    );
    assert_eq!(
        single
            .objects()
            .filter_map(Value::as_i64)
            .collect::<Vec<_>>(),
        [0xef, 0xbb, 0xbf]
    );
    let lines = lab.windows(BOX, Command::new("Get-Content").with("Path", WEB_CONFIG));
    let line = lines.objects().next().expect("a line");
    assert_eq!(
        line.text().as_deref(),
        Some("<?xml version=\"1.0\" encoding=\"utf-8\"?>")
    );
    assert_eq!(property(line, "ReadCount"), "1");
}

#[test]
fn compare_and_write_writes_only_over_what_was_read() {
    let lab = Lab::new("");
    let hash = |lab: &Lab| {
        let output = lab.windows(
            BOX,
            Command::new("Get-FileHash").with("LiteralPath", WEB_CONFIG),
        );
        property(output.objects().next().expect("a hash"), "Hash")
    };
    let old = hash(&lab);
    let pipeline = |expected: &str| {
        Pipeline::new(Command::new("Get-FileHash").with("LiteralPath", WEB_CONFIG))
            .pipe(
                Command::new("Where-Object")
                    .with("Property", "Hash")
                    .switch("EQ")
                    .with("Value", expected),
            )
            .pipe(
                Command::new("Set-Content")
                    .with("Encoding", "Byte")
                    .with("Value", b"new".to_vec()),
            )
    };
    assert!(lab.windows(BOX, pipeline(&"0".repeat(64))).is_clean());
    assert!(
        lab.last().changes && !lab.last().effect,
        "nothing was written"
    );
    assert_eq!(hash(&lab), old);
    assert!(lab.windows(BOX, pipeline(&old.to_lowercase())).is_clean());
    let record = lab.last();
    assert!(record.effect && record.cmdlet == "Set-Content" && record.result == "ok");
    assert_eq!(record.parameters["Value"]["bytes"], 3);
    let now = lab.windows(BOX, read(WEB_CONFIG).switch("Raw"));
    assert_eq!(
        now.objects()
            .next()
            .and_then(|v| v.as_bytes().map(std::borrow::Cow::into_owned)),
        Some(b"new".to_vec())
    );
}

#[test]
fn a_torn_write_leaves_half_a_file_once() {
    let lab = Lab::new("[[faults]]\ncmdlet = \"Set-Content\"\nnth = 1\nkind = \"torn-write\"\n");
    let write = || {
        let command = Command::new("Set-Content")
            .with("LiteralPath", WEB_CONFIG)
            .with("Encoding", "Byte");
        command.with("Value", b"12345678".to_vec())
    };
    let torn = lab.windows(BOX, write());
    assert_eq!(first_error(&torn).id(), "WriteContentError");
    assert!(matches!(torn.state, PipelineState::Failed(_)));
    let left = lab.windows(BOX, read(WEB_CONFIG).switch("Raw"));
    assert_eq!(
        left.objects()
            .next()
            .and_then(|v| v.as_bytes().map(|b| b.len())),
        Some(4)
    );
    assert!(lab.windows(BOX, write()).is_clean());
}

#[test]
fn what_is_wrong_with_a_path_is_told_by_the_id() {
    let lab = Lab::new(
        "[hosts.\"box-a.fabrikam.test\"]\nread_only = ['D:\\Mail\\ClientAccess\\Owa\\web.config']\n",
    );
    let set = |path: &str| {
        Command::new("Set-Content")
            .with("LiteralPath", path)
            .with("Value", "x")
    };
    let copy = |to: &str| {
        Command::new("Copy-Item")
            .with("LiteralPath", WEB_CONFIG)
            .with("Destination", to)
    };
    let value = |name: &str| {
        let key = "HKLM:\\SOFTWARE\\Microsoft\\ExchangeServer\\v15\\Setup";
        Command::new("Get-ItemProperty")
            .with("LiteralPath", key)
            .with("Name", name)
    };
    for (command, expected) in [
        (
            read("D:\\Mail\\nothing"),
            "PathNotFound,Microsoft.PowerShell.Commands.GetContentCommand",
        ),
        (
            read("Q:\\x"),
            "DriveNotFound,Microsoft.PowerShell.Commands.GetContentCommand",
        ),
        (
            read("D:\\Mail"),
            "GetContentReaderUnauthorizedAccessError,Microsoft.PowerShell.Commands.GetContentCommand",
        ),
        (
            Command::new("Get-Item").arg("D:\\x"),
            "PathNotFound,Microsoft.PowerShell.Commands.GetItemCommand",
        ),
        (
            Command::new("Get-FileHash").arg("D:\\x"),
            "FileNotFound,Get-FileHash",
        ),
        (
            set(WEB_CONFIG),
            "GetContentWriterUnauthorizedAccessError,Microsoft.PowerShell.Commands.SetContentCommand",
        ),
        (
            set("D:\\no\\x"),
            "GetContentWriterDirectoryNotFoundError,Microsoft.PowerShell.Commands.SetContentCommand",
        ),
        (
            copy("D:\\no\\x"),
            "CopyFileInfoItemIOError,Microsoft.PowerShell.Commands.CopyItemCommand",
        ),
        (
            value("Nothing"),
            "System.Management.Automation.PSArgumentException,Microsoft.PowerShell.Commands.GetItemPropertyCommand",
        ),
        (Command::new("Get-Nothing"), "CommandNotFoundException"),
        (
            Command::new("Get-OwaVirtualDirectory"),
            "CommandNotFoundException",
        ),
        (
            Command::new("Get-Item").with("Nothing", "x"),
            "NamedParameterNotFound,Microsoft.PowerShell.Commands.GetItemCommand",
        ),
        (Command::script("Get-Date"), "NotModelledByTheLab"),
        (
            Command::new("Invoke-Command").with("ScriptBlock", Value::ScriptBlock("x".into())),
            "NotModelledByTheLab,Microsoft.PowerShell.Commands.InvokeCommandCommand",
        ),
    ] {
        let output = lab.windows(BOX, command.clone());
        assert_eq!(first_error(&output).error_id, expected, "{command:?}");
        assert_eq!(output.objects().count(), 0, "{command:?}");
    }
    let missing = lab.windows(BOX, Command::new("Get-Nothing"));
    assert_eq!(first_error(&missing).category.code, 13);
    let quiet = lab.windows(BOX, read("D:\\x").with("ErrorAction", "SilentlyContinue"));
    assert!(quiet.is_clean());
    let stopped = lab.windows(BOX, read("D:\\x").with("ErrorAction", "Stop"));
    assert!(matches!(stopped.state, PipelineState::Failed(_)));
}

#[test]
fn items_are_shown_copied_moved_and_removed() {
    let lab = Lab::new("");
    let item = lab.windows(
        BOX,
        Command::new("Get-Item").with("LiteralPath", WEB_CONFIG),
    );
    let item = item.objects().next().expect("a file");
    assert!(item.as_object().is_some_and(|o| o.is("System.IO.FileInfo")));
    assert!(property(item, "LastWriteTimeUtc").ends_with('Z'));
    assert!(
        item.get("Length")
            .and_then(Value::as_i64)
            .is_some_and(|n| n > 7000)
    );
    let backup = "D:\\Mail\\ClientAccess\\Owa\\web.config.owaim";
    let test = |path: &str| {
        let output = lab.windows(BOX, Command::new("Test-Path").with("LiteralPath", path));
        output
            .objects()
            .next()
            .and_then(Value::as_bool)
            .expect("a boolean")
    };
    let copy = Command::new("Copy-Item")
        .with("LiteralPath", WEB_CONFIG)
        .with("Destination", backup);
    let what_if = lab.windows(BOX, copy.clone().switch("WhatIf"));
    assert!(what_if.is_clean() && !lab.last().effect && !test(backup));
    assert!(lab.windows(BOX, copy).is_clean() && test(backup));
    let rename = Command::new("Rename-Item")
        .with("LiteralPath", backup)
        .with("NewName", "kept");
    assert!(lab.windows(BOX, rename).is_clean());
    let list = lab.windows(
        BOX,
        Command::new("Get-ChildItem")
            .with("LiteralPath", "D:\\Mail\\ClientAccess\\Owa")
            .switch("Name"),
    );
    assert_eq!(texts(&list), ["kept", "web.config"]);
    let remove =
        Command::new("Remove-Item").with("LiteralPath", "D:\\Mail\\ClientAccess\\Owa\\kept");
    assert!(lab.windows(BOX, remove).is_clean() && !test("D:\\Mail\\ClientAccess\\Owa\\kept"));
    let folder = Command::new("New-Item")
        .with("Path", "D:\\Mail\\New\\Folder")
        .with("ItemType", "Directory");
    let made = lab.windows(BOX, folder);
    assert!(made.is_clean() && test("D:\\mail\\new"), "{made:?}");
}

#[test]
fn the_registry_knows_where_exchange_is() {
    let lab = Lab::new("");
    let key = "HKLM:\\SOFTWARE\\Microsoft\\ExchangeServer\\v15\\Setup";
    for (host, root) in [
        (BOX, "D:\\Mail\\"),
        (
            FRONT,
            "C:\\Program Files\\Microsoft\\Exchange Server\\V15\\",
        ),
    ] {
        let output = lab.windows(
            host,
            Command::new("Get-ItemProperty")
                .with("LiteralPath", key)
                .with("Name", "MsiInstallPath"),
        );
        let values = output.objects().next().expect("values");
        assert_eq!(property(values, "MsiInstallPath"), root);
        assert!(
            values.get("MsiBuildMajor").is_none(),
            "only what was asked for"
        );
    }
    let set = Command::new("Set-ItemProperty")
        .with("LiteralPath", key)
        .with("Name", "Mark")
        .with("Value", 7);
    assert!(lab.windows(BOX, set).is_clean());
    let output = lab.windows(BOX, Command::new("Get-ItemProperty").arg(key).arg("Mark"));
    assert_eq!(
        output
            .objects()
            .next()
            .and_then(|v| v.get("Mark")?.as_i64()),
        Some(7)
    );
}

#[test]
fn certificates_are_what_the_overlay_says() {
    use x509_parser::prelude::FromDer as _;
    let lab =
        Lab::new("[[defects]]\nhost = \"box-b.fabrikam.test\"\ndefect = \"certificate-renewed\"\n");
    let all = |host: &str| {
        let output = lab.windows(
            host,
            Command::new("Get-ChildItem").with("LiteralPath", "Cert:\\LocalMachine\\My"),
        );
        output.objects().cloned().collect::<Vec<_>>()
    };
    let ours = |c: &&Value| property(c, "Subject") == "CN=im.fabrikam.test";
    assert_eq!(all(BOX).iter().filter(ours).count(), 1);
    assert_eq!(all("box-b.fabrikam.test").iter().filter(ours).count(), 2);
    for certificate in all(BOX) {
        let der = certificate
            .get("RawData")
            .and_then(Value::as_bytes)
            .expect("bytes")
            .into_owned();
        let (_, parsed) = x509_parser::certificate::X509Certificate::from_der(&der).expect("DER");
        assert_eq!(
            parsed.subject().to_string(),
            property(&certificate, "Subject")
        );
        let thumbprint = property(&certificate, "Thumbprint");
        let path = format!("Cert:\\LocalMachine\\My\\{}", thumbprint.to_lowercase());
        let single = lab.windows(BOX, Command::new("Get-Item").with("LiteralPath", path));
        assert_eq!(
            property(
                single.objects().next().expect("a certificate"),
                "Thumbprint"
            ),
            thumbprint
        );
    }
    let names = all(BOX)
        .iter()
        .find(ours)
        .and_then(|c| c.get("DnsNameList")?.items().map(<[_]>::to_vec))
        .expect("names");
    let names: Vec<String> = names.iter().filter_map(Value::text).collect();
    assert_eq!(names, ["im.fabrikam.test", BOX]);
}

#[test]
fn an_older_host_refuses_what_is_newer() {
    let lab = Lab::new("");
    let old = "box-c.fabrikam.test";
    let root = "C:\\Program Files\\Microsoft\\Exchange Server\\V15\\ClientAccess\\Owa\\web.config";
    let output = lab.windows(old, Command::new("Get-FileHash").with("LiteralPath", root));
    assert_eq!(first_error(&output).error_id, "CommandNotFoundException");
    let output = lab.windows(
        old,
        Command::new("Get-Variable")
            .with("Name", "PSVersionTable")
            .switch("ValueOnly"),
    );
    let version = output.objects().next().and_then(|t| {
        let entries = t.as_object()?.entries()?;
        entries
            .iter()
            .find(|(k, _)| k.text().as_deref() == Some("PSVersion"))?
            .1
            .text()
    });
    assert_eq!(version.as_deref(), Some("3.0"));
    assert!(
        lab.windows(
            BOX,
            Command::new("Get-FileHash").with("LiteralPath", WEB_CONFIG)
        )
        .is_clean()
    );
}

#[test]
fn statements_fail_alone_and_objects_flow_between_commands() {
    let lab = Lab::new("");
    let pipeline = Pipeline::new(Command::new("Get-Nothing"))
        .then(Command::new("Write-Output").with("InputObject", "on"));
    let output = lab.windows(BOX, pipeline);
    assert_eq!(
        (texts(&output), output.errors().count()),
        (vec!["on".to_owned()], 1)
    );
    assert_eq!(output.state, PipelineState::Completed);
    let list = Value::from(vec![Value::from(3), 1.into(), 2.into()]);
    let sorted = Pipeline::new(Command::new("Write-Output").with("InputObject", list))
        .pipe(Command::new("Sort-Object").switch("Descending"))
        .pipe(Command::new("Select-Object").with("First", 2));
    assert_eq!(texts(&lab.windows(BOX, sorted)), ["3", "2"]);
    let counted = Pipeline::new(Command::new("Get-Service")).pipe(Command::new("Measure-Object"));
    let output = lab.windows(BOX, counted);
    assert!(
        output
            .objects()
            .next()
            .and_then(|m| m.get("Count")?.as_i64())
            .is_some_and(|n| n > 5)
    );
    let input = [Object::new().with("LiteralPath", WEB_CONFIG).into()];
    let reads = Pipeline {
        takes_input: true,
        ..Pipeline::new(Command::new("Get-Content").switch("Raw"))
    };
    let output = finished(
        lab.world
            .run(&lab.caller(BOX, EndpointKind::Windows), &reads, &input),
    );
    assert_eq!(output.objects().count(), 1, "input of the client binds too");
    assert!(
        output
            .records
            .iter()
            .all(|r| matches!(r, Record::Output(_)))
    );
}
