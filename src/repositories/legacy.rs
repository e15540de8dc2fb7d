//! The database of the FastAPI service ([`source`], read only, its shape told by [`layout`]), and what of it is stored in our
//! tables ([`target`], [`entries`]).
//!
//! The one place where SQL names tables that are not ours: their columns differ from one revision of that service to the next,
//! so no macro can check these statements.

pub mod entries;
pub mod layout;
pub mod source;
pub mod target;
