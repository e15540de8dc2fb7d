//! Who is calling, and of which organisations they are a member.
//!
//! `presented` takes the request's headers apart, `app_token` checks tokens of the extension, `membership` asks the
//! organisations (and remembers), `verifier` decides.

mod admin;
mod app_token;
mod extractor;
mod membership;
mod presented;
mod user;
mod verifier;

pub use admin::Admin;
pub use user::{CurrentUser, Membership};
pub use verifier::Authenticator;
