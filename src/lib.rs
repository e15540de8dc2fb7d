//! API Aponta: the REST backend of an Azure DevOps extension with which people log the hours they work.
//!
//! Modules and their imports (held by `tests/api/architecture/imports.rs`):
//!
//! - [`routers`] turn HTTP into calls of [`services`], which hold rules and transactions and call
//!   [`repositories`], which hold all SQL. No layer calls back.
//! - [`models`] are plain domain types, the package `aponta-domain`; [`error`] is what can go wrong; neither
//!   knows HTTP.
//! - [`edge`] is HTTP that no resource owns, [`state`] what handlers ask for, [`auth`] proves callers, [`db`]
//!   is the pool, [`schema`] its migrations, roles and grants, [`tenants`] knows which organisation a name
//!   stands for, [`azure_devops`] is the client of Azure DevOps (a package of its own), [`jobs`] are what
//!   goes on beside requests, and [`supervisor`] keeps them going.
//! - [`config`] is the only reader of the environment; [`app`] and [`server`] put everything together;
//!   [`cli`] is the command line, `dev` its command for development (feature `dev`).

pub mod app;
pub mod auth;
pub mod cli;
pub mod config;
pub mod db;
#[cfg(feature = "dev")]
pub mod dev;
pub mod edge;
pub mod error;
pub mod jobs;
pub mod lifecycle;
pub mod repositories;
pub mod routers;
pub mod schema;
pub mod server;
pub mod services;
pub mod state;
pub mod supervisor;
pub mod tenants;

pub use ::azure_devops;
pub use aponta_domain as models;
pub use aponta_telemetry as telemetry;

#[cfg(test)]
use aponta_domain::arbitrary;
