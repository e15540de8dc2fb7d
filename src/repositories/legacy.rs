//! Import of rows of the FastAPI service into the tables ([`target`], [`entries`]). The package
//! `import-legacy` reads these rows.

pub mod entries;
pub mod target;
