//! The schema: its migrations, the roles that may use it, and what each role may do with each table.

pub mod migrate;
mod roles;

pub use roles::security_gaps;
