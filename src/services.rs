//! Use cases: rules and transactions, without HTTP and without SQL.

pub mod apontamentos;
pub mod atividades;
pub mod auditoria;
pub mod gauges;
pub mod health;
pub mod idempotency;
pub mod integracao;
pub mod iterations;
pub mod legacy;
pub mod organization_pats;
pub mod outbox;
pub mod projetos;
pub mod teams;
pub mod timesheet;
mod upstream;
pub mod user;
pub mod work_items;
