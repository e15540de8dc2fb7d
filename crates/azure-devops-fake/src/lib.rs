//! Fake of Azure DevOps on loopback: stateful, with faults on demand and a record of all requests.
//!
//! [`FakeAzure`] holds organisations with people, tokens, projects, teams, iterations and work items. The
//! fake implements the part of the REST API that the service uses, as documented by Microsoft; it responds
//! with 404 to other requests and with 400 to malformed ones. [`Fault`] lists the available faults.

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
