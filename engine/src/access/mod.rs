//! Who may do what on a server: tokens, what they allow, and one table of all routes.
//!
//! ```text
//! token or certificate ─▶ register: whose, which role, which scopes ─▶ policy: may that role do this here? ─▶ handler, audit
//! ```
//!
//! A *scope* is a part of the data, such as a city's monitoring centre: who is bound to some sees nothing of the others. Which
//! roles and routes there are is told by who builds the server; here nothing is allowed that the table does not name.

mod approvals;
mod policy;
mod register;
mod token;

pub(crate) use self::approvals::{Approvals, Decided, Held};
pub use self::policy::{Check, Policy, Rule, Trail, Unfit};
pub use self::register::{AccessError, Addition, Entry, Register};
pub use self::token::Token;
pub(crate) use self::token::{Claim, Known};

/// Whom a request comes from, and what that one may see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The name in the register.
    pub name: String,
    /// The role; `None` on a server without access control, where everything is allowed.
    pub role: Option<String>,
    /// The parts of the data.
    pub scopes: Scopes,
}

/// Parts of the data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scopes {
    /// All of it.
    All,
    /// These parts alone.
    Of(Vec<String>),
}

impl Grant {
    /// Whether this part of the data may be seen.
    #[must_use]
    pub fn sees(&self, scope: &str) -> bool {
        match &self.scopes {
            Scopes::All => true,
            Scopes::Of(scopes) => scopes.iter().any(|one| one == scope),
        }
    }

    /// Whoever asks a server without access control.
    pub(crate) fn anybody() -> Self {
        Self { name: "anybody".to_owned(), role: None, scopes: Scopes::All }
    }
}
