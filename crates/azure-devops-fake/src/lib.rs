//! Stand-in for Azure DevOps on loopback: stateful, with faults on demand and a record of every request.
//!
//! [`FakeAzure`] holds organisations with people, tokens, projects, teams, iterations and work items. It
//! answers the part of the REST API that the service uses, as Microsoft documents it; to all else it answers
//! 404, and to a request that it cannot read 400. [`Fault`] lists the ways in which an answer goes wrong.

#![expect(
    clippy::must_use_candidate,
    reason = "methods that add to the fake also return the addition"
)]

pub mod demo;
mod exchange;
mod fake;
mod fault;
mod path;
mod picture;
mod planning;
mod reply;
mod responses;
mod store;
mod versions;
mod wiql;
mod work_items;
mod world;

pub use fake::FakeAzure;
pub use fake::faults::Hold;
pub use fault::Fault;
pub use versions::Server;
pub use work_items::WorkItems;
pub use work_items::new::NewWorkItem;
pub use work_items::types::Gaps;
pub use world::{Person, Process, Project, Seen};
