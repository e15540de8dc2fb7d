//! Profile of the caller as shown to other people: name, e-mail, picture.

use std::sync::Arc;
use std::time::{Duration, Instant};

use moka::Expiry;
use moka::future::Cache;
use tokio::time::timeout;

use crate::auth::{CurrentUser, Membership};
use crate::azure_devops::Error;
use crate::models::organizacao::NomeOrganizacao;

/// Maximum wait for a picture, which is only decoration.
const PATIENCE: Duration = Duration::from_secs(2);
/// Lifetime of a cached picture. Pictures change rarely.
const KNOWN_TTL: Duration = Duration::from_mins(10);
/// Lifetime of the cached result that there is no picture. A PAT without the scope for pictures and a person
/// without a picture stay so for longer.
const NONE_TTL: Duration = Duration::from_hours(1);
/// Interval between a failed attempt and the next one.
const UNKNOWN_TTL: Duration = Duration::from_mins(1);
/// Capacity of the cache of pictures, in bytes.
const CAPACITY: u64 = 16 << 20;
/// Number of bytes that an entry counts besides its picture.
const ENTRY_BYTES: usize = 256;

/// Use cases of `user`.
#[derive(Debug, Clone)]
pub struct UserService {
    avatars: Cache<(NomeOrganizacao, String), Avatar>,
}

impl Default for UserService {
    fn default() -> Self {
        Self::new()
    }
}

/// Cached result of reading a person's picture.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Avatar {
    Known(Arc<str>),
    /// The person has no picture, or every credential was refused.
    None,
    Unknown,
}

impl UserService {
    /// Creates the service with an empty cache of pictures.
    #[must_use]
    pub fn new() -> Self {
        let avatars = Cache::builder()
            .weigher(|(_, subject): &(NomeOrganizacao, String), avatar| {
                let picture = match avatar {
                    Avatar::Known(uri) => uri.len(),
                    Avatar::None | Avatar::Unknown => 0,
                };
                u32::try_from(ENTRY_BYTES + subject.len() + picture).unwrap_or(u32::MAX)
            })
            .max_capacity(CAPACITY)
            .expire_after(Lifetime)
            .build();
        Self { avatars }
    }

    /// Returns the caller's picture as a `data:` URI. Returns `None` also if reading it fails: the caller
    /// gets no error.
    pub async fn avatar(&self, user: &CurrentUser) -> Option<Arc<str>> {
        let membership = user.memberships().first()?;
        let subject = membership.identity()?.subject_descriptor.clone()?;
        let key = (membership.organizacao().nome().clone(), subject.clone());
        let avatar = self.avatars.get_with(key, fetch(membership, &subject)).await;
        match avatar {
            Avatar::Known(picture) => Some(picture),
            Avatar::None | Avatar::Unknown => None,
        }
    }
}

/// Reads the picture with the service's PAT, which may read pictures, or else with the caller's credential,
/// whose scopes seldom allow it.
async fn fetch(membership: &Membership, subject: &str) -> Avatar {
    let credentials = [membership.pat(), membership.own_credential()];
    let ask = async {
        let mut outcome = Avatar::None;
        for credential in credentials.into_iter().flatten() {
            match membership.organizacao().avatar(credential, subject).await {
                Ok(picture) => return picture.map_or(Avatar::None, |uri| Avatar::Known(uri.into())),
                Err(error) => {
                    tracing::debug!(%error, "cannot read profile picture");
                    if !is_refusal(&error) {
                        outcome = Avatar::Unknown;
                    }
                }
            }
        }
        outcome
    };
    timeout(PATIENCE, ask).await.unwrap_or(Avatar::Unknown)
}

/// Returns `true` if the error is a refusal, which stays the same for a while.
fn is_refusal(error: &Error) -> bool {
    matches!(
        error,
        Error::InvalidCredential { .. } | Error::Forbidden | Error::NotFound
    )
}

struct Lifetime;

impl Expiry<(NomeOrganizacao, String), Avatar> for Lifetime {
    fn expire_after_create(
        &self,
        _: &(NomeOrganizacao, String),
        avatar: &Avatar,
        _: Instant,
    ) -> Option<Duration> {
        Some(match avatar {
            Avatar::Known(_) => KNOWN_TTL,
            Avatar::None => NONE_TTL,
            Avatar::Unknown => UNKNOWN_TTL,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refused_picture_is_asked_for_once_an_hour() {
        let lasts = |avatar: &Avatar| {
            let key = (NomeOrganizacao::parse("contoso").unwrap(), "aad.x".to_owned());
            Lifetime.expire_after_create(&key, avatar, Instant::now())
        };
        assert_eq!(lasts(&Avatar::None), Some(Duration::from_hours(1)));
        assert_eq!(lasts(&Avatar::Unknown), Some(Duration::from_mins(1)));
        for refusal in [
            Error::InvalidCredential { status: 401 },
            Error::Forbidden,
            Error::NotFound,
        ] {
            assert!(is_refusal(&refusal), "{refusal}");
        }
        for trouble in [
            Error::Timeout,
            Error::Throttled { retry_after: None },
            Error::Nonsense(""),
        ] {
            assert!(!is_refusal(&trouble), "{trouble}");
        }
    }
}
