//! Domain types of the product, independent of HTTP and SQL.
//!
//! The feature `arbitrary` adds strategies for property tests, for the tests of other packages.

pub mod apontamento;
#[cfg(any(test, feature = "arbitrary"))]
pub mod arbitrary;
pub mod atividade;
pub mod auditoria;
pub mod authorization;
pub mod clock;
pub mod duracao;
pub mod field_error;
pub mod horas;
pub mod idempotencia;
pub mod ids;
pub mod organizacao;
pub mod organization_pat;
pub mod outbox;
pub mod page;
pub mod papel;
pub mod precondition;
pub mod preference;
pub mod projeto;
pub mod sincronizacao;
pub mod text;
pub mod timesheet;
pub mod work_item;
