//! The caller as others should see them: name, e-mail, picture.

use std::sync::Arc;
use std::time::{Duration, Instant};

use moka::Expiry;
use moka::future::Cache;
use tokio::time::timeout;

use crate::auth::{CurrentUser, Membership};
use crate::models::organizacao::NomeOrganizacao;

/// A picture is decoration: nobody waits longer for it.
const PATIENCE: Duration = Duration::from_secs(2);
/// Pictures change rarely.
const KNOWN_TTL: Duration = Duration::from_mins(10);
/// After a failure, until the next try.
const UNKNOWN_TTL: Duration = Duration::from_mins(1);
/// Bytes of pictures kept.
const CAPACITY: u64 = 16 << 20;
/// Bytes counted for an entry besides its picture.
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

/// A picture, the knowledge that there is none, or neither.
#[derive(Debug, Clone)]
enum Avatar {
    Known(Option<Arc<str>>),
    Unknown,
}

impl UserService {
    /// Remembers pictures.
    #[must_use]
    pub fn new() -> Self {
        let avatars = Cache::builder()
            .weigher(|(_, subject): &(NomeOrganizacao, String), avatar| {
                let picture = match avatar {
                    Avatar::Known(Some(uri)) => uri.len(),
                    _ => 0,
                };
                u32::try_from(ENTRY_BYTES + subject.len() + picture).unwrap_or(u32::MAX)
            })
            .max_capacity(CAPACITY)
            .expire_after(Lifetime)
            .build();
        Self { avatars }
    }

    /// The caller's picture as a `data:` URI. A failure to get it is not the caller's problem: none.
    pub async fn avatar(&self, user: &CurrentUser) -> Option<Arc<str>> {
        let membership = user.memberships().first()?;
        let subject = membership.identity()?.subject_descriptor.clone()?;
        let key = (membership.organizacao().nome().clone(), subject.clone());
        let avatar = self.avatars.get_with(key, fetch(membership, &subject)).await;
        match avatar {
            Avatar::Known(picture) => picture,
            Avatar::Unknown => None,
        }
    }
}

/// With our PAT, which may read pictures, else with the caller's credential, whose scopes seldom allow it.
async fn fetch(membership: &Membership, subject: &str) -> Avatar {
    let credentials = [membership.pat(), membership.own_credential()];
    let ask = async {
        for credential in credentials.into_iter().flatten() {
            match membership.organizacao().avatar(credential, subject).await {
                Ok(picture) => return Avatar::Known(picture.map(Arc::from)),
                Err(error) => tracing::debug!(%error, "cannot read a picture"),
            }
        }
        Avatar::Unknown
    };
    timeout(PATIENCE, ask).await.unwrap_or(Avatar::Unknown)
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
            Avatar::Unknown => UNKNOWN_TTL,
        })
    }
}
