//! API Aponta: the REST backend of an Azure DevOps extension for logging working hours.
//!
//! Modules and their imports (checked by `tests/api/architecture/imports.rs`):
//!
//! - [`routers`] map HTTP to calls of [`services`], which implement rules and transactions and call
//!   [`repositories`], which contain all SQL. No layer calls back.
//! - [`models`] are plain domain types, the package `aponta-domain`; [`error`] contains the errors; neither
//!   depends on HTTP.
//! - [`edge`] is the HTTP infrastructure shared by all resources, [`state`] the dependencies of handlers,
//!   [`auth`] authenticates callers, [`db`] is the pool, [`schema`] its migrations, roles and grants,
//!   [`tenants`] resolves names of organisations, [`azure_devops`] is the client of Azure DevOps (a package
//!   of its own), [`jobs`] are the background jobs, and [`supervisor`] restarts them.
//! - [`config`] is the only reader of the environment; [`app`] and [`server`] assemble everything; [`cli`] is
//!   the command line, `dev` its command for development (feature `dev`).

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
pub mod repositories;
pub mod routers;
pub mod schema;
pub mod server;
pub mod services;
pub mod state;
pub mod tenants;

pub use ::azure_devops;
pub use aponta_domain as models;
pub use aponta_runtime::{lifecycle, supervisor};
pub use aponta_telemetry as telemetry;

#[cfg(test)]
use aponta_domain::arbitrary;
