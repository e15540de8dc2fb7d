//! Who is calling.

mod extractor;
mod user;
mod verifier;

pub use user::{CurrentUser, Papel};
pub use verifier::Authenticator;
