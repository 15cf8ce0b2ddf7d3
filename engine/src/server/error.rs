//! Why what is asked of a server cannot be done.

use crate::definition::Problems;
use crate::transport::TransportError;

/// A request cannot be met.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The definition is not right.
    #[error("the definition cannot be used as it is\n{0}")]
    Problems(Problems),
    /// There is no job of that name.
    #[error("there is no job {0:?}")]
    NoJob(String),
    /// It does not go with what runs.
    #[error("{message}")]
    Conflict {
        /// What does not go.
        message: String,
        /// What to do about it.
        hint: String,
    },
    /// A topic cannot be read.
    #[error("{0}")]
    Transport(#[from] TransportError),
    /// The catalogue cannot be used.
    #[error("the catalogue of jobs cannot be used: {0}")]
    Catalogue(#[from] rusqlite::Error),
}

impl ServerError {
    /// What to do about it, if we can tell.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Conflict { hint, .. } => Some(hint.clone()),
            Self::Transport(error) => error.hint.clone(),
            Self::NoJob(_) => Some("`giaolo list` shows the jobs there are".to_owned()),
            Self::Problems(_) | Self::Catalogue(_) => None,
        }
    }
}

pub(super) fn conflict(message: String, hint: &str) -> ServerError {
    ServerError::Conflict { message, hint: hint.to_owned() }
}
