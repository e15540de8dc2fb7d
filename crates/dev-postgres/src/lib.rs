//! PostgreSQL server for development and tests: a real server, without installation and without a TCP port.
//!
//! [`EmbeddedPostgres`] runs the server of one folder, [`DataDir`] holds the lock of that folder, and
//! [`ProgramFolders`] names the folders of the server's programs. The crate reads no environment variables.

mod binaries;
mod cluster;
mod data_dir;
mod download;
mod owner;
mod progress;
mod server;
mod start;

pub use binaries::ProgramFolders;
pub use data_dir::{DataDir, abandoned};
pub use progress::Progress;
pub use server::{Addresses, Durability, EmbeddedPostgres, SUPERUSER, stop_abandoned};
