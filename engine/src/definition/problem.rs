//! What is wrong with a definition: each problem with its place, and all of them told at once.
//!
//! After PostgreSQL: a primary message (short, lower case, no full stop), and a hint where one is known.
//!
//! ```text
//! city.yaml:14:7: unknown field "limt" in step "speed" (hint: did you mean "limit"?)
//!    14 |       limt: 60 km/h
//!       |       ^
//! ```

use std::fmt;

use serde::Serialize;

/// A place in the text; lines and columns (in characters) count from 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Position {
    /// The line.
    pub line: usize,
    /// The column, in characters.
    pub column: usize,
}

/// Whether a definition can be run in spite of a problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// It cannot.
    Error,
    /// It can, but it is probably not what was meant.
    Warning,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Problem {
    /// Where.
    #[serde(flatten)]
    pub at: Position,
    /// How bad.
    pub severity: Severity,
    /// What: short, lower case, no full stop.
    pub message: String,
    /// What to do about it, if we can tell.
    pub hint: Option<String>,
    /// The line of the text it stands in, shortened around the place if it is long.
    pub excerpt: Option<String>,
    /// Where in the excerpt, in characters from 0.
    #[serde(skip)]
    caret: usize,
}

/// Everything that is wrong with one text.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Problems {
    /// The file's name, as the reader knows it.
    pub file: String,
    /// The problems; in order of place once [`finish`](Self::finish) was called.
    pub list: Vec<Problem>,
}

impl Problems {
    /// The most problems that are told; who has more starts with these.
    pub const MOST: usize = 100;

    /// No problem yet.
    #[must_use]
    pub fn of(file: &str) -> Self {
        Self { file: file.to_owned(), list: Vec::new() }
    }

    /// Adds an error.
    pub fn error(&mut self, at: Position, message: impl Into<String>, hint: Option<String>) {
        self.add(at, Severity::Error, message.into(), hint);
    }

    /// Adds a warning.
    pub fn warning(&mut self, at: Position, message: impl Into<String>, hint: Option<String>) {
        self.add(at, Severity::Warning, message.into(), hint);
    }

    fn add(&mut self, at: Position, severity: Severity, message: String, hint: Option<String>) {
        self.list.push(Problem { at, severity, message, hint, excerpt: None, caret: 0 });
    }

    /// Whether there is an error, not only warnings.
    #[must_use]
    pub fn any_error(&self) -> bool {
        self.list.iter().any(|problem| problem.severity == Severity::Error)
    }

    /// Sorts by place, drops what was said twice, keeps the first [`MOST`](Self::MOST) and adds excerpts of the text.
    #[must_use]
    pub fn finish(mut self, text: &str) -> Self {
        self.list.sort();
        self.list.dedup();
        self.list.truncate(Self::MOST);
        let lines: Vec<&str> = text.lines().collect();
        for problem in &mut self.list {
            if let Some(line) = problem.at.line.checked_sub(1).and_then(|index| lines.get(index)) {
                let (excerpt, caret) = excerpt(line, problem.at.column.saturating_sub(1));
                (problem.excerpt, problem.caret) = (Some(excerpt), caret);
            }
        }
        self
    }
}

/// The part of a line around a column that fits a screen, and where the column is in it. Tabs become single spaces.
fn excerpt(line: &str, column: usize) -> (String, usize) {
    const BEFORE: usize = 60;
    const MOST: usize = 120;
    let from = column.saturating_sub(BEFORE);
    let shown = line.chars().skip(from).take(MOST).map(|c| if c.is_control() { ' ' } else { c });
    (shown.collect(), column - from)
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for problem in &self.list {
            let Position { line, column } = problem.at;
            let warning = if problem.severity == Severity::Warning { "warning: " } else { "" };
            write!(f, "{}:{line}:{column}: {warning}{}", self.file, problem.message)?;
            match &problem.hint {
                Some(hint) => writeln!(f, " (hint: {hint})")?,
                None => writeln!(f)?,
            }
            if let Some(excerpt) = &problem.excerpt {
                writeln!(f, "{line:>5} | {}", excerpt.trim_end())?;
                writeln!(f, "      | {:caret$}^", "", caret = problem.caret)?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

/// The known name nearest to what was written, as a hint; else the list of what is known, if it is short.
#[must_use]
pub fn did_you_mean<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let known: Vec<&str> = known.into_iter().collect();
    let distance = |name: &str| strsim::damerau_levenshtein(written, name);
    let longest = 2.max(written.chars().count() / 3);
    let near = known.iter().filter(|_| written.len() <= 100).min_by_key(|name| distance(name)).filter(|name| distance(name) <= longest);
    if let Some(name) = near {
        return Some(format!("did you mean {name:?}?"));
    }
    (!known.is_empty() && known.len() <= 25).then(|| format!("known are {}", known.join(", ")))
}
