//! All SQL. Each function executes one statement on the transaction in its first parameter; no transaction
//! begins or ends here.
//!
//! A missing row is `None`, which services map to errors. Constraint names that callers map are declared
//! beside the queries.

pub mod apontamentos;
pub mod atividades;
pub mod auditoria;
pub mod clock;
pub mod idempotencia;
pub mod legacy;
pub mod migrations;
pub mod organizacoes;
pub mod organization_pats;
pub mod outbox;
pub mod projetos;
