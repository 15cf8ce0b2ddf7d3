//! The door: every request passes it before a handler sees it.
//!
//! ```text
//! connection ─▶ TLS ─▶ who is it? ─▶ may that role do this? ─▶ not too often? ─▶ handler ─▶ audit ─▶ answer
//!               tls    token, certificate    policy              pace                       or no answer
//! ```
//!
//! What takes four eyes is held before the handler sees it, until a second person approves of it ([`approval`]).
//!
//! As long as nobody was ever given access, a server on loopback lets everybody who can log in to its machine do everything.
//! From the first token on, every request needs one, but for `/health` and, where that is set, `/metrics`.

mod approval;
mod guard;
mod pace;
mod tls;

use std::net::SocketAddr;
use std::path::Path;

use axum::Router;

pub(super) use self::approval::Approving;
pub(super) use self::guard::{Guard, guard};
pub use self::guard::{Pass, Told};
pub(super) use self::tls::{Listener, Peer};
pub use self::tls::{Tls, TlsError};
use crate::access::{AccessError, Policy};
use crate::audit::AuditError;

/// How a server lets requests in.
pub struct Door {
    /// Where to listen; port 0 is any that is free.
    pub address: SocketAddr,
    /// Which role may what.
    pub policy: &'static Policy,
    /// A certificate to be known by, and whose certificates to trust.
    pub tls: Option<Tls>,
    /// Whether `/metrics` is for everybody.
    pub open_metrics: bool,
    /// How many requests.
    pub pace: Pace,
    /// What a second person must approve of, by the names that rules have for it.
    pub four_eyes: Vec<String>,
    /// Routes beside the engine's own.
    pub more: Option<Extension>,
}

/// How many requests one token, or one address without, may make.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// A second, in the long run.
    pub per_second: u32,
    /// At once.
    pub burst: u32,
}

impl Default for Pace {
    fn default() -> Self {
        Self { per_second: 50, burst: 200 }
    }
}

/// Routes beside the engine's own. Their requests carry an `Extension` of the [`Grant`](crate::access::Grant), and of the [`Pass`];
/// their answers may carry what they [`Told`].
pub struct Extension {
    /// The routes.
    pub routes: Router,
    /// Their part of the OpenAPI document: `paths` and `components`.
    pub openapi: &'static str,
}

/// A server cannot listen.
#[derive(Debug, thiserror::Error)]
pub enum DoorError {
    /// Everybody could read what it says.
    #[error("{0} can be reached from other machines, and there is no certificate")]
    NoTls(SocketAddr),
    /// Everybody could ask.
    #[error("{0} can be reached from other machines, and nobody was given access")]
    NoAccess(SocketAddr),
    /// The state file cannot be used.
    #[error("{0}")]
    Access(#[from] AccessError),
    /// The state file cannot be used.
    #[error("{0}")]
    Audit(#[from] AuditError),
    /// What is added to the OpenAPI document is none.
    #[error("the routes' description is no JSON: {0}")]
    Description(#[from] serde_json::Error),
    /// The address is taken or not this machine's.
    #[error("cannot listen on {0}: {1}")]
    Bind(SocketAddr, std::io::Error),
}

impl DoorError {
    /// What to do about it, if we can tell.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::NoTls(_) => Some("name one with --tls-cert and --tls-key, or listen on 127.0.0.1"),
            Self::NoAccess(_) => Some("`giaolo access add NAME --role admin --all-centres` gives access, or listen on 127.0.0.1"),
            Self::Access(_) | Self::Audit(_) | Self::Description(_) | Self::Bind(..) => None,
        }
    }
}

impl Door {
    /// A door on an address, in all else as it comes.
    #[must_use]
    pub fn at(address: SocketAddr, policy: &'static Policy) -> Self {
        Self { address, policy, tls: None, open_metrics: false, pace: Pace::default(), four_eyes: Vec::new(), more: None }
    }

    /// Opens it for a server with this state file.
    pub(super) fn guard(&self, state: &Path) -> Result<Guard, DoorError> {
        let guard = Guard::open(self, state)?;
        if !self.address.ip().is_loopback() {
            if self.tls.is_none() {
                return Err(DoorError::NoTls(self.address));
            }
            if !guard.is_closed().map_err(AccessError::from)? {
                return Err(DoorError::NoAccess(self.address));
            }
        }
        Ok(guard)
    }
}
