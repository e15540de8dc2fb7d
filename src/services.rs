//! Use cases: rules and transactions. No HTTP above, no SQL text below.

pub mod atividades;
pub mod auditoria;
pub mod health;
pub mod integracao;
pub mod organization_pats;
pub mod projetos;
pub mod user;
