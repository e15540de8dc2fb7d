//! The schema: its migrations, its roles, and the privileges of each role on each table.

pub mod migrate;
mod roles;

pub use roles::security_gaps;
