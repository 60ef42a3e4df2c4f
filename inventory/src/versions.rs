//! Product generations and Windows versions, ordered oldest first.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Generation of an Exchange server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ExchangeVersion {
    /// 14.x
    #[serde(rename = "2010")]
    E2010,
    /// 15.0
    #[serde(rename = "2013")]
    E2013,
    /// 15.1
    #[serde(rename = "2016")]
    E2016,
    /// 15.2 before build 2562
    #[serde(rename = "2019")]
    E2019,
    /// Subscription Edition: 15.2 from build 2562
    #[serde(rename = "SE")]
    Se,
}

impl ExchangeVersion {
    /// From the numbers of `AdminDisplayVersion` (`Version 15.0 (Build 1497.2)`): major 15,
    /// minor 0, build 1497. `None` for a generation that is not known.
    pub fn from_build(major: u32, minor: u32, build: u32) -> Option<Self> {
        Some(match (major, minor) {
            (14, _) => Self::E2010,
            (15, 0) => Self::E2013,
            (15, 1) => Self::E2016,
            (15, 2) if build >= 2562 => Self::Se,
            (15, 2) => Self::E2019,
            _ => return None,
        })
    }
}

/// What the vendor says about a pair of generations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Support {
    /// Supported.
    Supported,
    /// The vendor's pages say neither yes nor no.
    Unverified,
    /// Not supported.
    Unsupported,
}

impl ExchangeVersion {
    /// Every generation, oldest first.
    pub const ALL: [Self; 5] = [Self::E2010, Self::E2013, Self::E2016, Self::E2019, Self::Se];

    /// The name in site files.
    pub fn name(self) -> &'static str {
        match self {
            Self::E2010 => "2010",
            Self::E2013 => "2013",
            Self::E2016 => "2016",
            Self::E2019 => "2019",
            Self::Se => "SE",
        }
    }

    /// Where backends of this generation keep the values of messaging, if that is where this
    /// version of the program does not set them; `None`: it does.
    pub fn unmanaged_values(self) -> Option<&'static str> {
        match self {
            Self::E2010 => Some("the OWA virtual directory"),
            Self::E2013 => None,
            Self::E2016 | Self::E2019 | Self::Se => Some("a setting override"),
        }
    }

    /// Whether Outlook Web App of this generation may use `lync` for instant messaging. From
    /// Exchange 2016 on that takes Skype for Business Server (vendor's support statement).
    pub fn support_with(self, lync: LyncVersion) -> Support {
        match (self, lync) {
            (Self::E2010, LyncVersion::L2010 | LyncVersion::L2013)
            | (Self::E2013, LyncVersion::L2013 | LyncVersion::S2015)
            | (
                Self::E2016 | Self::E2019 | Self::Se,
                LyncVersion::S2015 | LyncVersion::S2019 | LyncVersion::Se,
            ) => Support::Supported,
            (Self::E2016 | Self::E2019 | Self::Se, LyncVersion::L2010 | LyncVersion::L2013) => {
                Support::Unsupported
            }
            (Self::E2010 | Self::E2013, _) => Support::Unverified,
        }
    }
}

impl fmt::Display for ExchangeVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::E2010 => "Exchange 2010",
            Self::E2013 => "Exchange 2013",
            Self::E2016 => "Exchange 2016",
            Self::E2019 => "Exchange 2019",
            Self::Se => "Exchange SE",
        })
    }
}

/// Generation of Lync Server or Skype for Business Server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum LyncVersion {
    /// Lync Server 2010
    #[serde(rename = "2010")]
    L2010,
    /// Lync Server 2013
    #[serde(rename = "2013")]
    L2013,
    /// Skype for Business Server 2015
    #[serde(rename = "2015")]
    S2015,
    /// Skype for Business Server 2019
    #[serde(rename = "2019")]
    S2019,
    /// Skype for Business Server Subscription Edition
    #[serde(rename = "SE")]
    Se,
}

impl LyncVersion {
    /// Every generation, oldest first.
    pub const ALL: [Self; 5] = [Self::L2010, Self::L2013, Self::S2015, Self::S2019, Self::Se];

    /// The name in site files.
    pub fn name(self) -> &'static str {
        match self {
            Self::L2010 => "2010",
            Self::L2013 => "2013",
            Self::S2015 => "2015",
            Self::S2019 => "2019",
            Self::Se => "SE",
        }
    }
}

impl fmt::Display for LyncVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::L2010 => "Lync Server 2010",
            Self::L2013 => "Lync Server 2013",
            Self::S2015 => "Skype for Business Server 2015",
            Self::S2019 => "Skype for Business Server 2019",
            Self::Se => "Skype for Business Server SE",
        })
    }
}

/// Version of Windows PowerShell, `major.minor`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PowerShellVersion {
    /// 5 in 5.1
    pub major: u32,
    /// 1 in 5.1
    pub minor: u32,
}

impl fmt::Display for PowerShellVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// Windows Server release of a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum WindowsVersion {
    /// Windows Server 2008 R2
    #[serde(rename = "2008R2")]
    W2008R2,
    /// Windows Server 2012
    #[serde(rename = "2012")]
    W2012,
    /// Windows Server 2012 R2
    #[serde(rename = "2012R2")]
    W2012R2,
    /// Windows Server 2016
    #[serde(rename = "2016")]
    W2016,
    /// Windows Server 2019
    #[serde(rename = "2019")]
    W2019,
    /// Windows Server 2022
    #[serde(rename = "2022")]
    W2022,
    /// Windows Server 2025
    #[serde(rename = "2025")]
    W2025,
}
