//! The caller and the organisations that they are a member of.
//!
//! `presented` takes the request's headers apart, `app_token` checks tokens of the extension, `membership`
//! asks the organisations (and remembers), `verifier` decides, `administrators` knows what callers
//! administer.

mod admin;
mod administrators;
mod app_token;
mod extractor;
mod membership;
mod presented;
mod same_person;
mod strangers;
mod user;
mod verifier;

pub use admin::Admin;
pub use administrators::{Administered, announce};
pub use user::{CurrentUser, Membership, membership_of, not_configured};
pub use verifier::Authenticator;
