//! All integration tests, in one binary so that they link once. One module a resource, as in `src/`.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test stops at the first surprise"
)]
#![expect(unreachable_pub, reason = "nobody imports tests")]

mod access;
mod apontamentos;
mod architecture;
mod atividades;
mod auditoria;
mod auth;
mod azure_devops;
mod bodies;
mod cli;
mod conditional;
mod contract;
mod cors;
mod crash;
mod database_tls;
mod deploy;
mod dev;
mod docs;
mod errors;
mod faults;
mod health;
mod idempotency;
mod import_legacy;
mod integracao;
mod iterations;
mod log;
mod metrics;
mod migrations;
mod organization_pats;
mod outage;
mod outbox;
mod pagination;
mod pool;
mod preferences;
mod problems;
mod projetos;
mod rate_limit;
mod read_replica;
mod server;
mod shapes;
mod soak;
mod support;
mod teams;
mod tenancy;
mod texts;
mod timesheet;
mod traces;
mod user;
mod work_items;
