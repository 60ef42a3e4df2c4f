//! [`Ping`]: the one program that goes on until somebody stops it.

use std::net::IpAddr;

/// A `ping` under way. Every host that has an address answers.
#[derive(Debug)]
pub(crate) struct Ping {
    name: String,
    address: IpAddr,
    /// How many are to be sent; `None`: until Ctrl-C.
    count: Option<u32>,
    sent: u32,
}

impl Ping {
    pub(super) fn new(name: &str, address: IpAddr, count: Option<u32>) -> Self {
        Self {
            name: name.into(),
            address,
            count,
            sent: 0,
        }
    }

    /// What it begins with.
    pub(crate) fn greeting(&self) -> String {
        let (name, address) = (&self.name, self.address);
        format!("\r\nPinging {name} [{address}] with 32 bytes of data:\r\n")
    }

    /// The next answer; `None` if all were sent.
    pub(crate) fn reply(&mut self) -> Option<String> {
        if self.count == Some(self.sent) {
            return None;
        }
        self.sent = self.sent.saturating_add(1);
        Some(format!(
            "Reply from {}: bytes=32 time<1ms TTL=128\r\n",
            self.address
        ))
    }

    /// What it ends with.
    pub(crate) fn statistics(&self) -> String {
        let (address, sent) = (self.address, self.sent);
        format!(
            "\r\nPing statistics for {address}:\r\n    Packets: Sent = {sent}, Received = {sent}, Lost = 0 (0% loss),\r\n\
             Approximate round trip times in milli-seconds:\r\n    Minimum = 0ms, Maximum = 0ms, Average = 0ms\r\n"
        )
    }
}
