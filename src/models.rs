//! Domain types: what the product talks about, free of HTTP and SQL.

pub mod atividade;
pub mod auditoria;
pub mod ids;
pub mod organizacao;
pub mod organization_pat;
pub mod page;
pub mod papel;
pub mod projeto;
pub mod sincronizacao;
pub mod text;
