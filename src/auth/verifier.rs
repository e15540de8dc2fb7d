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
        match (self.config, authorization) {
            (AuthConfig::Off, _) => Ok(CurrentUser::mock()),
            (AuthConfig::Required, None) => {
                Err(Error::Unauthenticated("Token de autenticação não fornecido".to_owned()))
            }
            (AuthConfig::Required, Some(_)) => Err(Error::Unauthenticated(
                "Token inválido ou expirado. Detalhes: a verificação com o Azure DevOps ainda não está disponível"
                    .to_owned(),
            )),
        }
    }
}
