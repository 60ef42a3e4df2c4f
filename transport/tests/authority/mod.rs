//! An authority, the certificates that it issues, and servers that have them.

use std::net::IpAddr;
use std::pin::Pin;

use openssl::asn1::Asn1Time;
use openssl::bn::BigNum;
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::rsa::Rsa;
use openssl::ssl::{Ssl, SslContext, SslContextBuilder, SslMethod};
use openssl::x509::extension::{BasicConstraints, SubjectAlternativeName};
use openssl::x509::{X509, X509Builder, X509Name, X509NameBuilder};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_openssl::SslStream;

/// A certificate with its key.
pub(crate) struct Identity {
    pub(crate) certificate: X509,
    pub(crate) key: PKey<Private>,
}

/// What a certificate is to be like.
#[derive(Clone)]
pub(crate) struct Wanted<'a> {
    pub(crate) names: &'a [&'a str],
    /// Days from now: when its time begins and when it ends.
    pub(crate) days: (i64, i64),
    pub(crate) digest: MessageDigest,
}

/// Good for the server of the tests.
pub(crate) fn good() -> Wanted<'static> {
    Wanted {
        names: &["localhost", "127.0.0.1"],
        days: (-1, 30),
        digest: MessageDigest::sha256(),
    }
}

pub(crate) fn rsa_key() -> PKey<Private> {
    PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap()
}

pub(crate) fn ec_key() -> PKey<Private> {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
    PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap()
}

fn name(common: &str) -> X509Name {
    let mut name = X509NameBuilder::new().unwrap();
    name.append_entry_by_text("CN", common).unwrap();
    name.build()
}

fn day(days: i64) -> Asn1Time {
    let now = std::time::SystemTime::now();
    let now = now.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    Asn1Time::from_unix(i64::try_from(now).unwrap() + days * 86_400).unwrap()
}

fn start(subject: &X509Name, issuer: &X509Name, key: &PKey<Private>) -> X509Builder {
    let mut builder = X509::builder().unwrap();
    builder.set_version(2).unwrap();
    let mut serial = BigNum::new().unwrap();
    serial
        .rand(120, openssl::bn::MsbOption::MAYBE_ZERO, false)
        .unwrap();
    builder
        .set_serial_number(&serial.to_asn1_integer().unwrap())
        .unwrap();
    builder.set_subject_name(subject).unwrap();
    builder.set_issuer_name(issuer).unwrap();
    builder.set_pubkey(key).unwrap();
    builder
}

/// A certificate that vouches for others.
pub(crate) fn authority(common: &str) -> Identity {
    let key = ec_key();
    let name = name(common);
    let mut builder = start(&name, &name, &key);
    builder.set_not_before(&day(-2)).unwrap();
    builder.set_not_after(&day(60)).unwrap();
    let constraints = BasicConstraints::new().critical().ca().build().unwrap();
    builder.append_extension(constraints).unwrap();
    builder.sign(&key, MessageDigest::sha256()).unwrap();
    Identity {
        certificate: builder.build(),
        key,
    }
}

impl Identity {
    /// A certificate for `key` that this one vouches for.
    pub(crate) fn issue(&self, wanted: &Wanted<'_>, key: PKey<Private>) -> Identity {
        let issuer = self.certificate.subject_name().to_owned().unwrap();
        leaf(wanted, &issuer, &self.key, key)
    }

    pub(crate) fn pem(&self) -> String {
        String::from_utf8(self.certificate.to_pem().unwrap()).unwrap()
    }

    pub(crate) fn der(&self) -> Vec<u8> {
        self.certificate.to_der().unwrap()
    }

    pub(crate) fn pin(&self) -> [u8; 32] {
        let digest = self.certificate.digest(MessageDigest::sha256()).unwrap();
        <[u8; 32]>::try_from(&*digest).unwrap()
    }

    pub(crate) fn key_pem(&self) -> String {
        String::from_utf8(self.key.private_key_to_pem_pkcs8().unwrap()).unwrap()
    }

    /// How a server with this certificate is set up, before what is special about it.
    pub(crate) fn server(&self) -> SslContextBuilder {
        let mut context = SslContext::builder(SslMethod::tls_server()).unwrap();
        // Whatever a test wants of a certificate, the server is to have it.
        context.set_security_level(0);
        context.set_certificate(&self.certificate).unwrap();
        context.set_private_key(&self.key).unwrap();
        context
    }
}

/// A certificate that nobody else vouches for.
pub(crate) fn self_signed(wanted: &Wanted<'_>) -> Identity {
    let key = ec_key();
    leaf(wanted, &name(wanted.names[0]), &key.clone(), key)
}

fn leaf(
    wanted: &Wanted<'_>,
    issuer: &X509Name,
    issuer_key: &PKey<Private>,
    key: PKey<Private>,
) -> Identity {
    let mut builder = start(&name(wanted.names[0]), issuer, &key);
    builder.set_not_before(&day(wanted.days.0)).unwrap();
    builder.set_not_after(&day(wanted.days.1)).unwrap();
    let mut names = SubjectAlternativeName::new();
    for name in wanted.names {
        if name.parse::<IpAddr>().is_ok() {
            names.ip(name);
        } else {
            names.dns(name);
        }
    }
    let names = names.build(&builder.x509v3_context(None, None)).unwrap();
    builder.append_extension(names).unwrap();
    builder.sign(issuer_key, wanted.digest).unwrap();
    Identity {
        certificate: builder.build(),
        key,
    }
}

/// The server's half of a handshake; `None` if it failed. What the client still says is heard then, so that
/// the alert reaches it.
pub(crate) async fn accept(
    context: &SslContext,
    stream: TcpStream,
) -> Option<SslStream<TcpStream>> {
    let mut stream = SslStream::new(Ssl::new(context).unwrap(), stream).unwrap();
    if Pin::new(&mut stream).accept().await.is_ok() {
        return Some(stream);
    }
    let _ = stream.get_mut().shutdown().await;
    let _ = stream.get_mut().read_to_end(&mut Vec::new()).await;
    None
}
