//! Rows of the FastAPI service as they get into our tables ([`target`], [`entries`]). The package
//! `import-legacy` reads them.

pub mod entries;
pub mod target;
