//! [`Kdc`]: a key distribution centre, and how it is asked (RFC 4120, section 7.2).
//!
//! UDP first, TCP where a message is too long for it or no datagram comes back. Which centres a
//! realm has is [`locate`](super::locate)'s business, and what is asked that of `sspi`.

use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::{Instant, timeout, timeout_at};

use super::error::{KerberosError, Said, code};

/// The port that IANA gave to Kerberos.
const PORT: u16 = 88;
/// How long one centre may take in all, and how much of that a datagram may.
const PATIENCE: Duration = Duration::from_secs(3);
const DATAGRAM_PATIENCE: Duration = Duration::from_secs(1);
/// Longest request that goes as a datagram, in octets: what MIT's `udp_preference_limit` is by default.
const MAX_DATAGRAM: usize = 1465;
/// Longest answer that is read, in octets. A ticket is below 64 KiB: its service must be able to take it.
const MAX_ANSWER: usize = 128 << 10;

/// A key distribution centre.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Kdc {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) speaks: Speaks,
}

/// What a centre is asked by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Speaks {
    Both,
    Udp,
    Tcp,
}

impl std::fmt::Display for Kdc {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let scheme = match self.speaks {
            Speaks::Both => "",
            Speaks::Udp => "udp://",
            Speaks::Tcp => "tcp://",
        };
        if self.host.contains(':') {
            write!(f, "{scheme}[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{scheme}{}:{}", self.host, self.port)
        }
    }
}

impl Kdc {
    /// What `text` names: `host`, `host:port`, `[address]:port`, with `tcp://` or `udp://` before
    /// it, or `tcp/` or `udp/` as MIT writes it.
    pub(super) fn parse(text: &str) -> Result<Self, KerberosError> {
        let wrong = || KerberosError::Name {
            name: text.into(),
            expected: "a key distribution centre is host, host:port, tcp://host:port or udp://host:port",
        };
        let schemes = [
            ("tcp://", Speaks::Tcp),
            ("udp://", Speaks::Udp),
            ("tcp/", Speaks::Tcp),
            ("udp/", Speaks::Udp),
        ];
        let (rest, speaks) = schemes
            .iter()
            .find_map(|(prefix, speaks)| Some((text.strip_prefix(prefix)?, *speaks)))
            .unwrap_or((text, Speaks::Both));
        let (host, port) = match rest.strip_prefix('[') {
            Some(rest) => {
                let (host, rest) = rest.split_once(']').ok_or_else(wrong)?;
                match rest {
                    "" => (host, None),
                    _ => (host, Some(rest.strip_prefix(':').ok_or_else(wrong)?)),
                }
            }
            // More than one colon and no brackets: an address of IPv6 without a port.
            None => match rest.split_once(':') {
                Some((host, port)) if !port.contains(':') => (host, Some(port)),
                _ => (rest, None),
            },
        };
        let port = match port {
            Some(port) => port.parse().map_err(|_| wrong())?,
            None => PORT,
        };
        if host.is_empty() || host.contains(['/', ' ', '@']) {
            return Err(wrong());
        }
        Ok(Self {
            host: host.into(),
            port,
            speaks,
        })
    }

    /// Its answer to `request`, or what came of each way of asking.
    async fn ask(&self, request: &[u8]) -> Result<Vec<u8>, String> {
        let deadline = Instant::now() + PATIENCE;
        let name = (self.host.as_str(), self.port);
        let addresses: Vec<SocketAddr> =
            match timeout_at(deadline, tokio::net::lookup_host(name)).await {
                Ok(Ok(addresses)) => addresses.collect(),
                Ok(Err(error)) => return Err(format!("{self}: {error}")),
                Err(_) => return Err(format!("{self}: no address within {PATIENCE:?}")),
            };
        let mut tried = Vec::new();
        if self.speaks != Speaks::Tcp && request.len() <= MAX_DATAGRAM {
            let patience = Instant::now() + DATAGRAM_PATIENCE;
            match in_turn(&addresses, patience, |address| {
                by_datagram(address, request)
            })
            .await
            {
                Ok(answer) if !is_too_big(&answer) => return Ok(answer),
                Ok(_) => tried.push("its answer is too long for UDP".to_owned()),
                Err(detail) => tried.push(format!("by UDP: {detail}")),
            }
        }
        if self.speaks != Speaks::Udp {
            match in_turn(&addresses, deadline, |address| by_stream(address, request)).await {
                Ok(answer) => return Ok(answer),
                Err(detail) => tried.push(format!("by TCP: {detail}")),
            }
        }
        if tried.is_empty() {
            tried.push(format!(
                "{} octets are too many for UDP, and TCP is not allowed",
                request.len()
            ));
        }
        Err(format!("{self}: {}", tried.join(", ")))
    }
}

/// The first answer to `request` that one of `kdcs` gives, asked in turn, and which of them gave it.
pub(super) async fn ask(
    realm: &str,
    kdcs: &[Kdc],
    request: &[u8],
) -> Result<(Vec<u8>, usize), KerberosError> {
    let mut tried = Vec::new();
    for (at, kdc) in kdcs.iter().enumerate() {
        match kdc.ask(request).await {
            Ok(answer) => match Said::in_message(&answer, SystemTime::now()) {
                Some(said) if said.code == code::SERVICE_UNAVAILABLE => {
                    tried.push(format!("{kdc}: it says that it is not available"));
                }
                _ => return Ok((answer, at)),
            },
            Err(detail) => tried.push(detail),
        }
    }
    Err(KerberosError::Unreachable {
        realm: realm.into(),
        tried,
    })
}

fn is_too_big(answer: &[u8]) -> bool {
    Said::in_message(answer, SystemTime::now())
        .is_some_and(|said| said.code == code::TOO_BIG_FOR_UDP)
}

/// What `ask` gets of the first of `addresses` that answers, or what came of each. One that is silent
/// may take an even share of what is left until `deadline`, so that the next ones get their turn.
async fn in_turn<F: Future<Output = std::io::Result<Vec<u8>>>>(
    addresses: &[SocketAddr],
    deadline: Instant,
    ask: impl Fn(SocketAddr) -> F,
) -> Result<Vec<u8>, String> {
    let mut tried = Vec::new();
    let mut left = u32::try_from(addresses.len()).unwrap_or(u32::MAX);
    for &address in addresses {
        let share = deadline.saturating_duration_since(Instant::now()) / left.max(1);
        left = left.saturating_sub(1);
        match timeout(share, ask(address)).await {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(error)) => tried.push(format!("{address}: {error}")),
            Err(_) => tried.push(format!("{address}: no answer within {share:.1?}")),
        }
    }
    if tried.is_empty() {
        tried.push("its name has no address".into());
    }
    Err(tried.join(", "))
}

async fn by_datagram(address: SocketAddr, request: &[u8]) -> std::io::Result<Vec<u8>> {
    let any: SocketAddr = match address {
        SocketAddr::V4(_) => ([0; 4], 0).into(),
        SocketAddr::V6(_) => ([0_u16; 8], 0).into(),
    };
    let socket = UdpSocket::bind(any).await?;
    // From here on datagrams of others are not received.
    socket.connect(address).await?;
    socket.send(request).await?;
    let mut answer = vec![0; 1 << 16];
    let length = socket.recv(&mut answer).await?;
    answer.truncate(length);
    Ok(answer)
}

async fn by_stream(address: SocketAddr, request: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(address).await?;
    let length = u32::try_from(request.len()).map_err(std::io::Error::other)?;
    stream
        .write_all(&[&length.to_be_bytes(), request].concat())
        .await?;
    let length = usize::try_from(stream.read_u32().await?).map_err(std::io::Error::other)?;
    if length > MAX_ANSWER {
        let found = format!("expected an answer of at most {MAX_ANSWER} octets, found {length}");
        return Err(std::io::Error::other(found));
    }
    let mut answer = vec![0; length];
    stream.read_exact(&mut answer).await?;
    Ok(answer)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{TcpListener, UdpSocket};

    use super::{
        Duration, Instant, Kdc, KerberosError, MAX_DATAGRAM, Speaks, ask, by_datagram, by_stream,
        in_turn,
    };

    /// KRB_ERR_RESPONSE_TOO_BIG of a realm R.
    const TOO_BIG: &str = "7e463044a003020105a10302011ea411180f32303236313132373230333033345aa503020101a603020134a9031b0152aa163014a003020102a10d300b1b066b72627467741b0152";

    #[test]
    fn every_way_to_name_one_is_understood() {
        for (text, shown) in [
            ("dc1.litware.example", "dc1.litware.example:88"),
            ("dc1:750", "dc1:750"),
            ("tcp://dc1", "tcp://dc1:88"),
            ("udp://10.0.0.1:89", "udp://10.0.0.1:89"),
            ("tcp/dc1:89", "tcp://dc1:89"),
            ("[fd00::1]:89", "[fd00::1]:89"),
            ("fd00::1", "[fd00::1]:88"),
        ] {
            assert_eq!(Kdc::parse(text).unwrap().to_string(), shown, "{text}");
        }
        for text in [
            "",
            "dc1:",
            "dc1:port",
            "tcp://",
            "[fd00::1",
            "[::1]x",
            "https://kdc/proxy",
            "user@dc1",
        ] {
            assert!(Kdc::parse(text).is_err(), "{text}");
        }
    }

    fn local(port: u16, speaks: Speaks) -> Kdc {
        let host = "127.0.0.1".into();
        Kdc { host, port, speaks }
    }

    /// A centre that answers `udp` to datagrams and `tcp` to streams; its port.
    async fn centre(udp: Vec<u8>, tcp: Vec<u8>) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let socket = UdpSocket::bind(address).await.unwrap();
        tokio::spawn(async move {
            let mut request = [0; 2000];
            while let Ok((_, peer)) = socket.recv_from(&mut request).await {
                socket.send_to(&udp, peer).await.unwrap();
            }
        });
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let length = stream.read_u32().await.unwrap();
                let mut request = vec![0; length.try_into().unwrap()];
                stream.read_exact(&mut request).await.unwrap();
                stream.write_all(&tcp).await.unwrap();
            }
        });
        address.port()
    }

    fn framed(answer: &[u8]) -> Vec<u8> {
        let length = u32::try_from(answer.len()).unwrap().to_be_bytes();
        [&length, answer].concat()
    }

    #[tokio::test]
    async fn a_datagram_will_do() {
        let port = centre(b"by datagram".to_vec(), framed(b"by stream")).await;
        let kdcs = [local(port, Speaks::Both)];
        let (answer, _) = ask("R", &kdcs, b"request").await.unwrap();
        assert_eq!(answer, b"by datagram");
        let (answer, _) = ask("R", &kdcs, &[0; MAX_DATAGRAM + 1]).await.unwrap();
        assert_eq!(answer, b"by stream");
    }

    #[tokio::test]
    async fn what_is_too_long_for_a_datagram_goes_by_stream() {
        let port = centre(hex::decode(TOO_BIG).unwrap(), framed(b"by stream")).await;
        let (answer, _) = ask("R", &[local(port, Speaks::Both)], b"request")
            .await
            .unwrap();
        assert_eq!(answer, b"by stream");
    }

    /// Both of one name; the first one never says anything.
    #[tokio::test]
    async fn the_next_address_is_asked_when_one_does_not_answer() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let silent = listener.local_addr().unwrap();
        let _socket = UdpSocket::bind(silent).await.unwrap();
        let good = centre(b"by datagram".to_vec(), framed(b"by stream")).await;
        let addresses = [silent, ([127, 0, 0, 1], good).into()];
        let patience = || Instant::now() + Duration::from_secs(1);
        let asked = in_turn(&addresses, patience(), |address| by_datagram(address, b"x")).await;
        assert_eq!(asked.unwrap(), b"by datagram");
        let asked = in_turn(&addresses, patience(), |address| by_stream(address, b"x")).await;
        assert_eq!(asked.unwrap(), b"by stream");
        let asked = in_turn(&addresses[..1], patience(), |address| {
            by_datagram(address, b"x")
        });
        let said = asked.await.unwrap_err();
        assert!(said.contains("no answer within"), "{said}");
    }

    #[tokio::test]
    async fn the_next_one_is_asked_when_one_does_not_answer() {
        let silent = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let silent = silent.local_addr().unwrap().port();
        let liar = centre(Vec::new(), (1_u32 << 31).to_be_bytes().to_vec()).await;
        let port = centre(b"at last".to_vec(), Vec::new()).await;
        let kdcs = [
            local(silent, Speaks::Both),
            local(liar, Speaks::Tcp),
            local(port, Speaks::Udp),
        ];
        let (answer, at) = ask("R", &kdcs, b"request").await.unwrap();
        assert_eq!((answer.as_slice(), at), (&b"at last"[..], 2));
        let error = ask("R", &kdcs[..2], b"request").await.unwrap_err();
        let KerberosError::Unreachable { tried, .. } = error else {
            panic!("{error}");
        };
        assert_eq!(tried.len(), 2, "{tried:?}");
        assert!(tried[1].contains("at most"), "{tried:?}");
    }
}
