//! All SQL. One statement a function, connection first, no transaction begun or ended here.
//!
//! Absence is `Option`; services decide what it means. Constraint names that callers map stand beside the
//! queries.

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
