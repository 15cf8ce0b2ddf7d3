//! Why dispatching cannot go on.

use crate::following::FileError;
use crate::transport::TransportError;

/// Dispatching cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum DispatchError {
    /// The topic cannot be read.
    #[error("{0}")]
    Transport(#[from] TransportError),
    /// The state file cannot be used.
    #[error(transparent)]
    File(#[from] FileError),
    /// The HTTP client or its runtime cannot be made.
    #[error("the HTTP client cannot be made: {0}")]
    Client(String),
}

impl DispatchError {
    /// What to do about it, if we can tell.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        match self {
            Self::Transport(error) => error.hint.as_deref(),
            Self::File(error) => error.hint(),
            Self::Client(_) => None,
        }
    }

    /// Whether the same may succeed later.
    pub(super) fn passes(&self) -> bool {
        match self {
            Self::Transport(error) => error.retry,
            Self::File(error) => error.passes(),
            Self::Client(_) => false,
        }
    }
}

impl From<rusqlite::Error> for DispatchError {
    fn from(error: rusqlite::Error) -> Self {
        Self::File(error.into())
    }
}
