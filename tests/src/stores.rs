//! [`Stores`]: certificate stores of one server made by hand, as `backend.certificate` sees them.

use std::sync::LazyLock;

use jiff::Timestamp;
use owaim_inventory::Site;
use owaim_proto::clixml::{Object, Value};
use owaim_proto::psrp::{PipelineOutput, PipelineState, Record};
use owaim_steps::{Context, Fact, Facts, Observations, Verdict, steps_for};

/// The name that the certificate has to have.
pub const NAME: &str = "im.fabrikam.test";

/// A site of one server, and no Front End.
const SITE: &str = r#"
[site]
name = "fabrikam"
[lync]
version = "2013"
pool = "fe.fabrikam.test"
site_id = "HQ"
[lync.trusted_application]
pool = "im.fabrikam.test"
id = "Mail"
port = 5201
[exchange]
version = "2013"
admin_host = "box.fabrikam.test"
[policies]
mailbox = ["Default"]
[[hosts]]
name = "box.fabrikam.test"
roles = ["cas", "backend"]
[credentials.default]
username = 'FABRIKAM\lab'
password = { env = "NONE" }
"#;

static PARSED: LazyLock<Site> = LazyLock::new(|| {
    owaim_inventory::parse("site.toml", SITE)
        .unwrap_or_else(|mistakes| panic!("{}", mistakes.render(owaim_inventory::Look::Plain)))
});

/// The DER of what lies in each store.
#[derive(Debug, Clone, Default)]
pub struct Stores {
    /// `My`; every one has its key.
    pub own: Vec<Vec<u8>>,
    /// `CA`
    pub intermediates: Vec<Vec<u8>>,
    /// `Root`
    pub roots: Vec<Vec<u8>>,
}

impl Stores {
    fn output(&self) -> PipelineOutput {
        let record = |store: &str, der: &Vec<u8>| {
            let parent =
                format!("Microsoft.PowerShell.Security\\Certificate::LocalMachine\\{store}");
            let object = Object::new()
                .with("RawData", Value::Bytes(der.clone()))
                .with("HasPrivateKey", store == "My")
                .with("PSParentPath", parent);
            Record::Output(object.into())
        };
        let stores = [
            ("My", &self.own),
            ("CA", &self.intermediates),
            ("Root", &self.roots),
        ];
        let records = stores
            .into_iter()
            .flat_map(|(store, all)| all.iter().map(move |der| record(store, der)));
        PipelineOutput {
            records: records.collect(),
            state: PipelineState::Completed,
        }
    }

    /// What `backend.certificate` makes of them when the server's clock shows `now`.
    ///
    /// # Panics
    ///
    /// If the step cannot even ask.
    pub fn verdict(&self, now: Timestamp) -> Verdict {
        let site: &Site = &PARSED;
        let mut facts = Facts::default();
        facts.learn(&site.exchange.admin_host, Fact::ServerTime(now));
        let cx = Context {
            site,
            facts: &facts,
            earlier: &[],
            remedied: false,
            accepted: &[],
            pfx: None,
        };
        let step = steps_for(site)
            .into_iter()
            .find(|step| step.id() == "backend.certificate")
            .expect("a backend has one");
        let mut seen = Observations::default();
        for query in step.probe(cx, &seen).expect("it can be asked") {
            seen.insert(query, self.output());
        }
        step.assess(cx, &seen).verdict
    }
}
