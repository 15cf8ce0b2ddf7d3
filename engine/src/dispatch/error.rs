//! Why dispatching cannot go on.

use std::path::PathBuf;

use crate::transport::TransportError;

/// Dispatching cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum DispatchError {
    /// The topic cannot be read.
    #[error("{0}")]
    Transport(#[from] TransportError),
    /// The state file cannot be made.
    #[error("the state file {path:?} cannot be made")]
    Create {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The state file cannot be opened.
    #[error("the state file {path:?} cannot be opened")]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        source: rusqlite::Error,
    },
    /// It is someone else's.
    #[error("{path:?} is no state file of this program, or of another version of it")]
    NotOurs {
        /// The file.
        path: PathBuf,
    },
    /// Another process dispatches with the same state file now.
    #[error("another process has taken over the state file {path:?}")]
    TakenOver {
        /// The file.
        path: PathBuf,
    },
    /// The state file cannot be read or written now.
    #[error("the state file cannot be used: {0}")]
    State(#[from] rusqlite::Error),
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
            Self::Create { .. } | Self::Open { .. } => Some("does its folder exist, and may this user write to it?"),
            Self::NotOurs { .. } => Some("name another file; a new one is made if there is none"),
            Self::TakenOver { .. } => Some("one process dispatches with one state file; stop the other, or use another file"),
            Self::State(_) | Self::Client(_) => None,
        }
    }

    /// Whether the same may succeed later.
    pub(super) fn passes(&self) -> bool {
        match self {
            Self::Transport(error) => error.retry,
            Self::State(_) => true,
            _ => false,
        }
    }
}
