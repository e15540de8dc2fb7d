//! Authentication of callers and their organisations.
//!
//! `unverified_token` parses the request's headers, `app_token` verifies tokens of the extension,
//! `membership` calls the organisations and caches their answers, `verifier` decides, and `administrators`
//! determines the administered organisations.

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
