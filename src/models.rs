//! Domain types: what the product talks about, free of HTTP and SQL.

pub mod apontamento;
pub mod atividade;
pub mod auditoria;
pub mod authorization;
pub mod duracao;
pub mod horas;
pub mod idempotencia;
pub mod ids;
pub mod organizacao;
pub mod organization_pat;
pub mod outbox;
pub mod page;
pub mod papel;
pub mod precondition;
pub mod projeto;
pub mod sincronizacao;
pub mod text;
pub mod timesheet;
pub mod work_item;
