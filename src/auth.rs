//! The caller and the organisations that they are a member of.
//!
//! `unverified_token` takes the request's headers apart, `app_token` checks tokens of the extension, `membership`
//! asks the organisations (and remembers), `verifier` decides, `administrators` knows what callers
//! administer.

mod admin;
mod administrators;
mod app_token;
mod extractor;
mod local_ids;
mod membership;
mod proof_limit;
mod unverified_token;
mod user;
mod verifier;

pub use admin::Admin;
pub use administrators::{Administered, log_admin_users};
pub use user::{CurrentUser, Membership, membership_of, not_configured};
pub use verifier::Authenticator;
