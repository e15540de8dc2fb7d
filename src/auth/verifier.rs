//! Proves credentials.

use super::user::CurrentUser;
use crate::config::AuthConfig;
use crate::error::{Error, Result};

/// Decides who a caller is.
#[derive(Debug, Clone)]
pub struct Authenticator {
    config: AuthConfig,
}

impl Authenticator {
    /// Works as configured.
    #[must_use]
    pub fn new(config: AuthConfig) -> Self {
        Self { config }
    }

    /// The caller behind an `Authorization` header, if that proves one.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`]: with authentication on, no credential can be proved until the Azure DevOps
    /// client exists, so every one is refused.
    pub fn authenticate(&self, authorization: Option<&str>) -> Result<CurrentUser> {
        if self.config == AuthConfig::Off {
            return Ok(CurrentUser::mock());
        }
        let detail = if authorization.is_some_and(is_credential) {
            "Token inválido ou expirado. Detalhes: a verificação com o Azure DevOps ainda não está disponível"
        } else {
            "Token de autenticação não fornecido"
        };
        Err(Error::Unauthenticated(detail.to_owned()))
    }
}

/// `Bearer` or `Basic` with something behind it; other schemes count as nothing, as they always did.
fn is_credential(authorization: &str) -> bool {
    authorization
        .trim()
        .split_once(' ')
        .is_some_and(|(scheme, credential)| {
            let known = scheme.eq_ignore_ascii_case("bearer") || scheme.eq_ignore_ascii_case("basic");
            known && !credential.trim().is_empty()
        })
}
