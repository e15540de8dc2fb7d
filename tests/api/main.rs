//! All integration tests, in one binary so that they link once. One module a resource, as in `src/`.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test stops at the first surprise"
)]
#![expect(unreachable_pub, reason = "nobody imports tests")]

mod access;
mod architecture;
mod atividades;
mod auditoria;
mod auth;
mod azure_devops;
mod cli;
mod contract;
mod cors;
mod dev;
mod docs;
mod errors;
mod health;
mod integracao;
mod migrations;
mod organization_pats;
mod outage;
mod projetos;
mod rate_limit;
mod server;
mod support;
mod tenancy;
mod user;
