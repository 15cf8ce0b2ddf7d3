//! The verbs for any stream against recomputation from scratch, and as scripts one can read.
//!
//! `harness` makes random histories and holds a verb to four promises at once: what stands after every moment is what a
//! naive function of *all* that stands in the input says (it knows nothing of forgetting, of order or of steps); one
//! worker = two; one big step = many small; any order within a moment = any other.

mod golden;
mod harness;
mod interval_join;
mod offload;
mod verbs;
