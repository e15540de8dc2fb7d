//! The life of the process: the signals that stop it, its background jobs, and the deadline of its writes.

pub mod lifecycle;
pub mod supervisor;
pub mod write_deadline;
