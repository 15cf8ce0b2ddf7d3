//! The table of routes: which role may what, and what leaves a trace.

/// All there is to be allowed.
#[derive(Debug)]
pub struct Policy {
    /// The roles there are.
    pub roles: &'static [&'static str],
    /// One rule a method and path. What has none is refused.
    pub rules: &'static [Rule],
}

/// Who may do one thing.
#[derive(Debug)]
pub struct Rule {
    /// GET, POST, DELETE. HEAD is as GET.
    pub method: &'static str,
    /// The path as it is mounted: `/v1/jobs/{job}`.
    pub path: &'static str,
    /// The roles that may.
    pub roles: &'static [&'static str],
    /// It concerns all scopes, so whoever is bound to some may not.
    pub whole: bool,
    /// What it leaves in the audit log.
    pub trail: Trail,
    /// Under which name it can be asked that a second person approves of it before it is done.
    pub four_eyes: Option<&'static str>,
    /// Whether a body can be meant at all, so that nobody is asked to approve of what would be refused. `None`: not looked at.
    pub check: Option<Check>,
}

/// Whether a body can be meant.
pub type Check = fn(&str) -> Result<(), Unfit>;

/// What is wrong with a request's body, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfit {
    /// What is wrong.
    pub error: String,
    /// What to do about it.
    pub hint: String,
}

/// What a request leaves in the audit log. A refusal always leaves a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trail {
    /// Nothing: it shows nothing of anybody.
    Nothing,
    /// A row, written before the answer leaves: without the row there is no answer.
    Look,
    /// A row before it is done and a row of what came of it: without the first nothing is done.
    Change,
}

impl Policy {
    /// The rule for a method on a mounted path.
    pub(crate) fn rule(&self, method: &str, path: &str) -> Option<&'static Rule> {
        let method = if method == "HEAD" { "GET" } else { method };
        self.rules.iter().find(|rule| rule.method == method && rule.path == path)
    }

    /// The methods that have a rule on a path.
    pub(crate) fn methods(&self, path: &str) -> Vec<&'static str> {
        self.rules.iter().filter(|rule| rule.path == path).map(|rule| rule.method).collect()
    }
}
