//! The import: where no certificate of the store will do, that of the site file's PKCS #12 file
//! is put there.
//!
//! Exchange does it for the server named, so the step asks the administrative host. Sent a second
//! time after its answer was lost it does no harm: a server refuses a certificate that it has.

use jiff::Timestamp;
use owaim_inventory::{HostName, Thumbprint};
use owaim_proto::psrp::{Command, Pipeline};

use super::Names;
use crate::{
    Action, Assessment, Certificate, Context, Difference, Fact, Pfx, Place, Problem, Verdict,
};

/// Name of the action.
pub(super) const IMPORT: &str = "import";

/// What becomes of a server without a usable certificate (`problem`), where the run has one to
/// import; `store` are the certificates that are there.
pub(super) fn assess(
    cx: Context<'_>,
    pfx: &Pfx,
    names: &Names,
    now: Timestamp,
    mut problem: Problem,
    store: &[&Thumbprint],
) -> Result<Assessment, Problem> {
    let rule = &cx.site.certificate;
    let mut reasons = pfx.defects(rule, &names.subject, &names.alternative, now);
    if store.contains(&pfx.thumbprint()) {
        reasons.push("it is in the store already".into());
    }
    if !reasons.is_empty() {
        problem.found = format!(
            "{}; importing {} would not help: {}",
            problem.found,
            pfx.thumbprint(),
            reasons.join(", ")
        );
        return Err(problem);
    }
    let wanted = Difference {
        what: "certificate".into(),
        actual: Some(problem.found),
        desired: Some(format!(
            "{} from {}",
            pfx.thumbprint(),
            rule.import
                .as_ref()
                .map_or_else(String::new, |import| import.pfx.display().to_string())
        )),
        diff: None,
    };
    // Known before it is there: what depends on it can be planned.
    Ok(
        Assessment::of(Verdict::Drifted(vec![wanted])).with_fact(Fact::Certificate(Certificate {
            thumbprint: pfx.thumbprint().clone(),
            subject: names.subject.to_string(),
            not_after: pfx.x509().not_after,
        })),
    )
}

/// Puts the certificate and its key into the store of `host`.
pub(super) fn action(cx: Context<'_>, host: &HostName, pfx: &Pfx) -> Action {
    let command = Command::new("Import-ExchangeCertificate")
        .with("FileData", pfx.file().to_vec())
        .with("Password", pfx.password().clone())
        .with("Server", host.as_str());
    Action {
        name: IMPORT,
        place: Place::exchange(&cx.site.exchange.admin_host),
        pipeline: Pipeline::new(command),
        changes: true,
        summary: format!(
            "import the certificate {} with its key into LocalMachine\\My of {host}",
            pfx.thumbprint()
        ),
        saves: Vec::new(),
    }
}
