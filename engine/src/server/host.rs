//! What a server is told of a definition by whoever knows what definitions mean.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::definition::Problems;
use crate::flow::{Part, Program};
use crate::stage::StageProgram;

/// Who knows what definitions mean.
pub trait Host: Send + Sync + 'static {
    /// Plans a definition; `file` is its name for messages.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    fn prepare(&self, file: &str, text: &str) -> Result<Prepared, Problems>;
}

/// A definition that can run.
pub struct Prepared {
    /// The job's name.
    pub job: String,
    /// Hash of everything that bears on its results.
    pub definition: String,
    /// What it does.
    pub work: Work,
    /// The topics it reads, and whether each is a table, read whole.
    pub sources: BTreeMap<String, bool>,
    /// The topics it writes.
    pub outputs: Vec<String>,
    /// How far back its results rest on evidence, milliseconds.
    pub memory_ms: u64,
    /// The plan, for people.
    pub plan: serde_json::Value,
}

/// What a job does.
pub enum Work {
    /// A dataflow on the workers, in parts that it shares with other jobs.
    Parts(Arc<dyn Program>),
    /// Work on threads of its own, whose results end in a topic.
    Stage(StageProgram),
}

impl Prepared {
    /// Its parts; a stage has none.
    pub(super) fn parts(&self) -> &[Part] {
        match &self.work {
            Work::Parts(program) => program.parts(),
            Work::Stage(_) => &[],
        }
    }

    pub(super) fn is_stage(&self) -> bool {
        matches!(self.work, Work::Stage(_))
    }
}
