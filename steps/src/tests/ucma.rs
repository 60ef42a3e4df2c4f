//! `backend.ucma`

use owaim_inventory::ExchangeVersion;
use owaim_proto::clixml::Value;
use owaim_proto::psrp::PipelineOutput;

use super::bench::{Bench, check, fails, gives, host, not_found, object, said};
use crate::backend_ucma::BackendUcma;
use crate::{Fact, Query, Verdict};

const FOLDER: &str = r"E:\UCMA\Runtime\SSP";
const FILE: &str = r"E:\UCMA\Runtime\SSP\Microsoft.Rtc.Internal.Ucweb.dll";

fn step() -> BackendUcma {
    BackendUcma {
        host: host("atl-mbx-001"),
    }
}

/// The registry as given; only [`FILE`] exists on the disk, if it does.
fn server(
    provider: PipelineOutput,
    runtime: PipelineOutput,
    installed: PipelineOutput,
    there: bool,
) -> impl Fn(&Query) -> PipelineOutput {
    move |query| match query.name {
        "provider" => provider.clone(),
        "runtime" => runtime.clone(),
        "installed" => installed.clone(),
        _ => gives([Value::from(
            there
                && said(&query.pipeline) == format!("Test-Path -LiteralPath {FILE} -PathType Leaf"),
        )]),
    }
}

fn provider(path: &str) -> PipelineOutput {
    gives([object([("ImplementationDLLPath", path.into())])])
}

fn runtime(version: &str) -> PipelineOutput {
    gives([object([("Version", version.into())])])
}

fn installed(version: &str) -> PipelineOutput {
    gives([object([("DisplayVersion", version.into())])])
}

fn empty() -> PipelineOutput {
    gives([object([("Other", 1.into())])])
}

fn check_warned(
    name: &str,
    server: impl Fn(&Query) -> PipelineOutput,
    expected: &str,
    warning: &str,
) {
    let (_, found) = Bench::new().look(&step(), server);
    check(name, &found, expected);
    let warnings = &found.warnings;
    assert_eq!(
        warnings.is_empty(),
        warning.is_empty(),
        "{name}: {warnings:?}"
    );
    assert!(
        warnings.iter().all(|text| text.contains(warning)),
        "{name}: {warnings:?}"
    );
}

fn new() -> PipelineOutput {
    runtime("5.0.8308.0")
}

#[test]
fn either_form_of_the_registration_will_do() {
    for (name, server, warning) in [
        (
            "a file",
            server(provider(FILE), new(), not_found(), true),
            "",
        ),
        (
            "a folder",
            server(provider(FOLDER), new(), not_found(), true),
            "",
        ),
        (
            "a folder, with an end",
            server(provider(r"E:\UCMA\Runtime\SSP\"), new(), not_found(), true),
            "",
        ),
        (
            "in quotes",
            server(provider(&format!("\"{FILE}\"")), new(), not_found(), true),
            "",
        ),
        (
            "an early build",
            server(provider(FILE), runtime("5.0.8132.0"), not_found(), true),
            "5.0.8132.0",
        ),
        (
            "by the list of programs",
            server(provider(FILE), not_found(), installed("5.0.8308.0"), true),
            "",
        ),
        (
            "a strange version",
            server(provider(FILE), runtime("new"), not_found(), true),
            "",
        ),
        (
            "no runtime",
            server(provider(FILE), not_found(), not_found(), true),
            "no UCMA runtime",
        ),
    ] {
        check_warned(name, server, "in place", warning);
    }
}

#[test]
fn what_is_missing_has_its_name() {
    for (name, server, expected) in [
        (
            "no key",
            server(not_found(), not_found(), not_found(), true),
            "broken: the registry key is missing, and no UCMA runtime is installed",
        ),
        (
            "no key beside the runtime",
            server(not_found(), new(), not_found(), true),
            "broken: the registry key is missing, although the UCMA runtime 5.0.8308.0 is installed",
        ),
        (
            "no value",
            server(empty(), empty(), installed("5.0.8308.0"), true),
            "broken: the registry value is missing, although",
        ),
        (
            "an empty value",
            server(provider(""), not_found(), empty(), true),
            "broken: the registry value is missing, and no",
        ),
        (
            "no path",
            server(provider("Ucweb.dll"), new(), not_found(), true),
            "broken: the registry value is \"Ucweb.dll\", which is no path, although",
        ),
        (
            "no file",
            server(provider(FILE), new(), not_found(), false),
            r"broken: the file E:\UCMA\Runtime\SSP\Microsoft.Rtc.Internal.Ucweb.dll is missing, although",
        ),
        (
            "no file in the folder",
            server(provider(FOLDER), not_found(), not_found(), false),
            r"broken: the file E:\UCMA\Runtime\SSP\Microsoft.Rtc.Internal.Ucweb.dll is missing, and no",
        ),
        (
            "refused",
            server(
                fails("System.Security.SecurityException", 18),
                new(),
                not_found(),
                true,
            ),
            "broken: Meldung",
        ),
        (
            "version refused",
            server(
                provider(FILE),
                fails("System.Security.SecurityException", 18),
                not_found(),
                true,
            ),
            "broken: Meldung",
        ),
    ] {
        check_warned(name, server, expected, "");
    }
}

#[test]
fn advice_goes_with_the_generation() {
    for (version, part) in [
        (ExchangeVersion::E2013, "UcmaRuntimeSetup.exe"),
        (ExchangeVersion::E2016, "UcmaRuntimeSetup.exe"),
        (ExchangeVersion::E2019, r"UCMARedist\Setup.exe"),
        (ExchangeVersion::Se, r"UCMARedist\Setup.exe"),
    ] {
        let mut bench = Bench::new().knows("atl-mbx-001", Fact::Exchange(version));
        let (_, found) = bench.look(&step(), |_| not_found());
        let Verdict::Broken(problem) = found.verdict else {
            panic!("{version}: {:?}", found.verdict)
        };
        assert!(
            problem.advice.contains(part),
            "{version}: {}",
            problem.advice
        );
    }
    let mut bench = Bench::new().knows("atl-mbx-001", Fact::Exchange(ExchangeVersion::E2010));
    let (_, found) = bench.look(&step(), |query| panic!("{} is asked for", query.name));
    check("2010", &found, "not applicable");
}
