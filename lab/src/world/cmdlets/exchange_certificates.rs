//! Certificates of Exchange servers: shown, imported from PKCS #12 or as the answer to a request, and
//! requested. The server that is named does the work.

use owaim_inventory::{ExchangeVersion, HostName};
use owaim_proto::clixml::{Object, Value};

use super::super::binder::Bound;
use super::super::certificates::{Certificate, pfx, signing_request};
use super::super::errors::{Category, Failure};
use super::Cx;
use super::exchange_servers::servers;
use super::exchange_settings::controller;
use crate::state::HostState;

/// Bits of a key where the command does not say.
const BITS: i64 = 2048;

/// Over remoting only the bytes of a certificate can be read. A pending request is shown among
/// the certificates.
pub(super) fn get(cx: &mut Cx<'_>, call: &Bound) -> Result<(), Failure> {
    let name = server(cx, call)?;
    let thumbprint = call
        .text("Thumbprint")
        .or_else(|| call.text("Identity").filter(|text| !text.is_empty()));
    let thumbprint = thumbprint.map(|text| text.rsplit('\\').next().unwrap_or_default().to_owned());
    let all = cx.host_named(&name).map_or_else(Vec::new, |host| {
        [host.certificates.clone(), host.requests.clone()].concat()
    });
    let found: Vec<_> = all
        .iter()
        .filter(|c| {
            thumbprint
                .as_deref()
                .is_none_or(|t| c.thumbprint().eq_ignore_ascii_case(t))
        })
        .collect();
    if let (Some(thumbprint), true) = (&thumbprint, found.is_empty()) {
        let missing = Failure::new(
            "[FailureCategory=Cmdlet-CertificateNotFoundException] 58E4A58D",
            Category::InvalidOperation,
            "System.InvalidOperationException",
            format!("The certificate with thumbprint {thumbprint} was not found."),
        );
        cx.error(&missing.about(thumbprint.as_str()));
    }
    for certificate in found {
        cx.output(shown(certificate));
    }
    Ok(())
}

/// Takes a PKCS #12 file with its password; without one, the certificate that answers a pending
/// request.
pub(super) fn import(cx: &mut Cx<'_>, call: &Bound) -> Result<(), Failure> {
    let name = server(cx, call)?;
    controller(cx, call)?;
    let Some(data) = call.get("FileData").and_then(Value::as_bytes) else {
        return Err(Failure::not_modelled(
            "Import-ExchangeCertificate of anything but FileData",
        ));
    };
    let (mut certificate, others) = match call.get("Password") {
        Some(Value::Secret(password)) => {
            let opened = pfx::open(&data, password).ok_or_else(|| unreadable(&name))?;
            (opened.certificate, opened.others)
        }
        _ => (answered(cx, &name, &data)?, Vec::new()),
    };
    let thumbprint = certificate.thumbprint();
    let known = cx.host_named(&name).is_some_and(|host| {
        host.certificates
            .iter()
            .any(|known| known.thumbprint() == thumbprint)
    });
    if known {
        return Err(Failure::new(
            "[FailureCategory=Cmdlet-AddCertificateException] 7A1C33B0",
            Category::WriteError,
            "System.InvalidOperationException",
            format!("{name} has a certificate with the thumbprint {thumbprint} already."),
        ));
    }
    if certificate.key.is_none() {
        return Err(Failure::new(
            "[FailureCategory=Cmdlet-PrivateKeyMissingException] 5C02D9E4",
            Category::InvalidOperation,
            "System.InvalidOperationException",
            format!(
                "The certificate with the thumbprint {thumbprint} comes without its private key."
            ),
        ));
    }
    if !cx.should_process(&format!("{name}: {thumbprint}")) {
        return Ok(());
    }
    if let Some(friendly) = call.text("FriendlyName") {
        certificate.friendly_name = friendly;
    }
    let object = shown(&certificate);
    let public_key = certificate.public_key();
    if let Some(host) = host_mut(cx, &name) {
        // The request is answered.
        host.requests
            .retain(|pending| pending.public_key() != public_key);
        host.certificates.push(certificate);
        for other in others.into_iter().filter(|other| !other.is_root()) {
            if !host.intermediates.iter().any(|i| i.der == other.der) {
                host.intermediates.push(other);
            }
        }
    }
    cx.effect = true;
    cx.output(object);
    Ok(())
}

/// Makes a request; self-made certificates are not modelled.
pub(super) fn new(cx: &mut Cx<'_>, call: &Bound) -> Result<(), Failure> {
    if !call.switch("GenerateRequest") {
        return Err(Failure::not_modelled(
            "New-ExchangeCertificate without GenerateRequest",
        ));
    }
    let name = server(cx, call)?;
    controller(cx, call)?;
    let bits = call.number("KeySize").unwrap_or(BITS);
    let bits = usize::try_from(bits)
        .ok()
        .filter(|bits| [2048, 4096].contains(bits))
        .ok_or_else(|| Failure::not_modelled(&format!("a key of {bits} bits")))?;
    let modern = cx
        .host_named(&name)
        .and_then(|host| host.exchange)
        .is_some_and(|version| version >= ExchangeVersion::E2013);
    if call.switch("BinaryEncoded") || call.has("RequestFile") && !modern {
        return Err(Failure::not_modelled("this form of a request"));
    }
    let subject = call
        .text("SubjectName")
        .unwrap_or_else(|| format!("CN={}", name.short()));
    let names: Vec<String> = call
        .texts("DomainName")
        .iter()
        .flat_map(|text| text.split(','))
        .map(|name| name.trim().to_owned())
        .filter(|name| !name.is_empty())
        .collect();
    if !cx.should_process(&format!("{name}: {subject}")) {
        return Ok(());
    }
    let friendly = call
        .text("FriendlyName")
        .unwrap_or_else(|| "Microsoft Exchange".into());
    let made = signing_request::make(&subject, &names, bits, &friendly, cx.now);
    let made = made.map_err(|reason| {
        Failure::argument(
            "ParameterArgumentTransformationError",
            "SubjectName",
            &reason,
        )
    })?;
    if let Some(host) = host_mut(cx, &name) {
        host.requests.push(made.pending);
    }
    cx.effect = true;
    cx.output(Value::from(made.text));
    Ok(())
}

/// The certificate of `data`, with the key of the request that it answers.
fn answered(cx: &Cx<'_>, name: &HostName, data: &[u8]) -> Result<Certificate, Failure> {
    let mut certificate = Certificate::from_der(data).ok_or_else(|| unreadable(name))?;
    let public_key = certificate.public_key();
    let pending = cx.host_named(name).and_then(|host| {
        host.requests
            .iter()
            .find(|pending| pending.public_key() == public_key)
    });
    if let Some(pending) = pending {
        certificate.friendly_name.clone_from(&pending.friendly_name);
        certificate.key.clone_from(&pending.key);
    }
    Ok(certificate)
}

/// A server says the same of a wrong password and of what is no such file.
fn unreadable(name: &HostName) -> Failure {
    Failure::new(
        "[FailureCategory=Cmdlet-ImportCertificateDataInvalidException] 2F5D1A97",
        Category::InvalidData,
        "Microsoft.Exchange.Management.SystemConfigurationTasks.ImportCertificateDataInvalidException",
        format!("{name} cannot open the data: it is no certificate, or the password is wrong."),
    )
}

/// The server that the command is about.
fn server(cx: &Cx<'_>, call: &Bound) -> Result<HostName, Failure> {
    let server = call
        .text("Server")
        .unwrap_or_else(|| cx.caller.host.to_string());
    match servers(cx, Some(&server), None).into_iter().next() {
        Some(name) => Ok(name),
        None => Err(Failure::no_object(&server, &controller(cx, call)?)),
    }
}

fn host_mut<'a>(cx: &'a mut Cx<'_>, name: &HostName) -> Option<&'a mut HostState> {
    if *name == cx.caller.host {
        Some(&mut cx.host)
    } else {
        cx.state.hosts.get_mut(name)
    }
}

fn shown(certificate: &Certificate) -> Object {
    Object::new()
        .with_types([
            "Microsoft.Exchange.Management.SystemConfigurationTasks.ExchangeCertificate",
            "System.Security.Cryptography.X509Certificates.X509Certificate2",
            "System.Security.Cryptography.X509Certificates.X509Certificate",
            "System.Object",
        ])
        .with_string(format!("[Subject]\r\n  {}\r\n", certificate.subject))
        .with("RawData", Value::Bytes(certificate.der.clone()))
}
