//! [`locate`]: which key distribution centres a realm has.

use hickory_resolver::TokioResolver;
use hickory_resolver::proto::rr::RData;

use super::error::KerberosError;
use super::kdc::{Kdc, Speaks};
use super::krb5_conf::Krb5Conf;

/// Most centres that are asked: a forest may have hundreds, and each takes its time to be silent.
const MAX_KDCS: usize = 8;

/// The centres of `realm`: `given` if there are any, else those of `krb5.conf`, else those that
/// DNS names.
pub(super) async fn locate(
    realm: &str,
    given: &[String],
    conf: &Krb5Conf,
) -> Result<Vec<Kdc>, KerberosError> {
    let named = if given.is_empty() {
        // Proxies over HTTPS ([MS-KKDCP]) stand there too, and are not spoken.
        let kdcs = conf.kdcs(realm).iter();
        kdcs.filter_map(|kdc| Kdc::parse(kdc).ok()).collect()
    } else {
        let kdcs = given.iter().map(|kdc| Kdc::parse(kdc));
        kdcs.collect::<Result<Vec<_>, _>>()?
    };
    if !named.is_empty() {
        return Ok(named);
    }
    let nowhere = |looked: String| KerberosError::NoKdc {
        realm: realm.into(),
        looked: format!(
            "none is given in the site file, none is in {}, and {looked}",
            if conf.files.is_empty() {
                "krb5.conf (there is no such file)".to_owned()
            } else {
                let files: Vec<String> = conf
                    .files
                    .iter()
                    .map(|file| file.display().to_string())
                    .collect();
                files.join(", ")
            }
        ),
    };
    if !conf.dns_lookup_kdc {
        return Err(nowhere("dns_lookup_kdc forbids to ask DNS".into()));
    }
    by_dns(realm).await.map_err(nowhere)
}

/// What an SRV record says (RFC 2782).
#[derive(Debug, Clone, PartialEq, Eq)]
struct Record {
    priority: u16,
    weight: u16,
    kdc: Kdc,
}

async fn by_dns(realm: &str) -> Result<Vec<Kdc>, String> {
    let resolver = TokioResolver::builder_tokio()
        .and_then(hickory_resolver::ResolverBuilder::build)
        .map_err(|error| format!("DNS cannot be asked: {error}"))?;
    let mut failed = Vec::new();
    // Whoever is named for UDP answers TCP too; the other way round is not certain.
    for (protocol, speaks) in [("_udp", Speaks::Both), ("_tcp", Speaks::Tcp)] {
        let name = format!("_kerberos.{protocol}.{realm}.");
        match resolver.srv_lookup(name.as_str()).await {
            Ok(found) => {
                let records = found.answers().iter().filter_map(|record| {
                    let RData::SRV(srv) = &record.data else {
                        return None;
                    };
                    let host = srv.target.to_utf8();
                    let host = host.trim_end_matches('.');
                    // A target of "." says that there is decidedly no such service.
                    (!host.is_empty()).then(|| Record {
                        priority: srv.priority,
                        weight: srv.weight,
                        kdc: Kdc {
                            host: host.into(),
                            port: srv.port,
                            speaks,
                        },
                    })
                });
                let kdcs = in_order(records.collect(), |total| fastrand::u32(..=total));
                if !kdcs.is_empty() {
                    return Ok(kdcs);
                }
                failed.push(format!("{name} names none"));
            }
            Err(error) => failed.push(format!("{name}: {error}")),
        }
    }
    Err(format!("DNS has none: {}", failed.join("; ")))
}

/// The centres of `records` in the order in which they are to be asked (RFC 2782): the lowest
/// priority first, and among equals by lot, `draw` giving a number up to the sum of their weights.
fn in_order(mut records: Vec<Record>, draw: impl Fn(u32) -> u32) -> Vec<Kdc> {
    // Those without weight go first in each draw, so that they have a chance at all.
    records.sort_by_key(|record| (record.priority, record.weight));
    let mut kdcs = Vec::new();
    while let Some(first) = records.first() {
        let equals = records.partition_point(|record| record.priority == first.priority);
        let weights = records[..equals]
            .iter()
            .map(|record| u32::from(record.weight));
        let drawn = draw(weights.clone().sum());
        let running = weights.scan(0, |sum, weight| {
            *sum += weight;
            Some(*sum)
        });
        let at = running.take_while(|sum| *sum < drawn).count();
        kdcs.push(records.remove(at.min(equals - 1)).kdc);
    }
    kdcs.truncate(MAX_KDCS);
    kdcs
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::{Kdc, Krb5Conf, MAX_KDCS, Record, Speaks, in_order, locate};

    fn record(priority: u16, weight: u16, host: &str) -> Record {
        Record {
            priority,
            weight,
            kdc: Kdc {
                host: host.into(),
                port: 88,
                speaks: Speaks::Both,
            },
        }
    }

    #[test]
    fn priorities_go_before_weights_and_weights_are_odds() {
        let records = || {
            vec![
                record(10, 100, "late"),
                record(0, 0, "unlikely"),
                record(0, 60, "likely"),
                record(0, 40, "less likely"),
            ]
        };
        let order = |draw: fn(u32) -> u32| -> Vec<String> {
            let kdcs = in_order(records(), draw);
            kdcs.into_iter().map(|kdc| kdc.host).collect()
        };
        assert_eq!(order(|_| 0), ["unlikely", "less likely", "likely", "late"]);
        assert_eq!(
            order(|total| total),
            ["likely", "less likely", "unlikely", "late"]
        );
        assert_eq!(order(|_| 1), ["less likely", "likely", "unlikely", "late"]);
        let many = (0..100).map(|_| record(0, u16::MAX, "dc")).collect();
        assert_eq!(in_order(many, |total| total).len(), MAX_KDCS);
        assert!(in_order(Vec::new(), |_| 0).is_empty());
    }

    #[tokio::test]
    async fn what_is_given_goes_first_and_dns_may_be_forbidden() {
        let conf = Krb5Conf {
            dns_lookup_kdc: false,
            ..Krb5Conf::default()
        };
        let given = ["tcp://dc2".to_owned(), "dc1:750".to_owned()];
        let kdcs = locate("R.EXAMPLE", &given, &conf).await.unwrap();
        let shown: Vec<String> = kdcs.iter().map(Kdc::to_string).collect();
        assert_eq!(shown, ["tcp://dc2:88", "dc1:750"]);
        let error = locate("R.EXAMPLE", &[], &conf)
            .await
            .unwrap_err()
            .to_string();
        assert!(error.contains("dns_lookup_kdc"), "{error}");
        let wrong = ["https://proxy/KdcProxy".to_owned()];
        assert!(locate("R.EXAMPLE", &wrong, &conf).await.is_err());
    }
}
