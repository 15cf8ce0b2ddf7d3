//! The guard against server-side request forgery: to which addresses an endpoint may lead.
//!
//! ```text
//! name ─▶ resolve ─▶ check every address ─▶ connect to those that passed, and to no other
//! ```
//!
//! The check is part of the resolver with which connections are made: between check and connection the name is not resolved
//! again, so it cannot come to mean something else. Addresses that stand in a URL as such never reach a resolver; they are
//! checked when the configuration is read, and again before each request.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// Why an address must not be connected to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place} is {kind}; webhooks do not go there")]
pub struct Forbidden {
    place: String,
    /// What kind of address it is.
    pub kind: &'static str,
}

/// Addresses at which clouds answer questions about the machine itself, outside link-local ranges.
const METADATA: [IpAddr; 4] = [
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    IpAddr::V4(Ipv4Addr::new(168, 63, 129, 16)),
    IpAddr::V4(Ipv4Addr::new(192, 0, 0, 192)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0x0ec2, 0, 0, 0, 0, 0, 0x0254)),
];

/// Checks an address. `allow_private` opens loopback and private networks; nothing opens link-local, metadata, multicast and
/// reserved ranges, in which no patrol unit listens.
///
/// ```
/// use engine::dispatch::check_address;
/// assert!(check_address("9.9.9.9".parse().unwrap(), false).is_ok());
/// assert!(check_address("10.0.0.7".parse().unwrap(), false).is_err());
/// assert!(check_address("10.0.0.7".parse().unwrap(), true).is_ok());
/// assert!(check_address("169.254.169.254".parse().unwrap(), true).is_err());
/// ```
///
/// # Errors
/// It must not be connected to.
pub fn check_address(address: IpAddr, allow_private: bool) -> Result<(), Forbidden> {
    let kind = match (never(address), private(address)) {
        (Some(kind), _) => kind,
        (None, Some(kind)) if !allow_private => kind,
        _ => return Ok(()),
    };
    Err(Forbidden { place: address.to_string(), kind })
}

/// What an address is that nothing allows.
fn never(address: IpAddr) -> Option<&'static str> {
    if METADATA.contains(&address) {
        return Some("a metadata address");
    }
    match address {
        IpAddr::V4(v4) => match v4.octets() {
            [0, ..] => Some("no address of a machine"),
            [169, 254, ..] => Some("a link-local address"),
            [224..=239, ..] => Some("a multicast address"),
            [240..=255, ..] | [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _] => Some("a reserved address"),
            _ => None,
        },
        IpAddr::V6(v6) => match (embedded(v6), v6.segments()) {
            (Some(v4), _) => never(IpAddr::V4(v4)),
            (None, [0, 0, 0, 0, 0, 0, 0, 1] | [0xfc00..=0xfdff, ..]) => None,
            (None, [0, 0, 0, 0, 0, 0, 0, 0]) => Some("no address of a machine"),
            (None, [0xfe80..=0xfeff, ..]) => Some("a link-local address"),
            (None, [0xff00..=0xffff, ..]) => Some("a multicast address"),
            // Documentation, Teredo and the like; ordinary machines have addresses of 2000::/3.
            (None, [0x2001, 0x0db8, ..] | [0x2001, 0..=0x01ff, ..] | [0..=0x1fff | 0x4000..=0xffff, ..]) => Some("a reserved address"),
            _ => None,
        },
    }
}

/// What an address is that `allow_private` allows.
fn private(address: IpAddr) -> Option<&'static str> {
    match address {
        IpAddr::V4(v4) => match v4.octets() {
            [127, ..] => Some("a loopback address"),
            [10, ..] | [172, 16..=31, ..] | [192, 168, ..] | [100, 64..=127, ..] | [192, 0, 0, _] | [198, 18..=19, ..] => {
                Some("a private address")
            }
            _ => None,
        },
        IpAddr::V6(v6) => match (embedded(v6), v6.segments()) {
            (Some(v4), _) => private(IpAddr::V4(v4)),
            (None, [0, 0, 0, 0, 0, 0, 0, 1]) => Some("a loopback address"),
            (None, [0xfc00..=0xfdff, ..]) => Some("a private address"),
            _ => None,
        },
    }
}

/// The IPv4 address to which an IPv6 address leads: mapped (::ffff:0:0/96), NAT64 (64:ff9b::/96), 6to4 (2002::/16).
fn embedded(v6: Ipv6Addr) -> Option<Ipv4Addr> {
    let of = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        Ipv4Addr::new(a, b, c, d)
    };
    match v6.segments() {
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x0064, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => Some(of(high, low)),
        _ => None,
    }
}

/// Checks the address that stands in a URL, if one does.
///
/// # Errors
/// It must not be connected to.
pub(super) fn check_url(url: &Url, allow_private: bool) -> Result<(), Forbidden> {
    let host = url.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    host.parse().map_or(Ok(()), |address| check_address(address, allow_private))
}

/// Resolves names to addresses that passed the check.
#[derive(Clone, Copy, Debug)]
pub(super) struct Guard {
    pub(super) allow_private: bool,
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let allow_private = self.allow_private;
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let mut forbidden = None;
            let check = |address: &SocketAddr| check_address(address.ip(), allow_private).map_err(|error| forbidden = Some(error)).is_ok();
            let passed: Vec<SocketAddr> = found.into_iter().filter(check).collect();
            match forbidden {
                Some(error) if passed.is_empty() => Err(error.into()),
                _ => Ok(Box::new(passed.into_iter()) as Addrs),
            }
        })
    }
}
