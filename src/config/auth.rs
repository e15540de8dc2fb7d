//! Whether callers must prove who they are.

use super::env::Reader;
use super::{Environment, HttpConfig};

/// How callers are authenticated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthConfig {
    /// Every protected route demands a credential.
    Required,
    /// Every caller is the mock user; development only.
    Off,
}

impl AuthConfig {
    pub(super) fn read(reader: &mut Reader<'_>, environment: Environment, http: &HttpConfig) -> Self {
        let enabled = reader.boolean("AUTH_ENABLED", true);
        let insecure_allowed = reader.boolean("ALLOW_INSECURE_AUTH", false);
        if enabled {
            return Self::Required;
        }
        if !insecure_allowed && environment == Environment::Production {
            reader.problem("AUTH_ENABLED", "must be true when ENVIRONMENT=production", "true");
        }
        if !insecure_allowed && !http.listens_on_loopback_only() {
            reader.problem(
                "AUTH_ENABLED",
                &format!(
                    "false is refused when others can reach API_HOST={} (use 127.0.0.1)",
                    http.host
                ),
                "true",
            );
        }
        Self::Off
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Config, Env};
    use super::*;

    fn load(pairs: &[(&str, &str)]) -> Result<AuthConfig, Vec<String>> {
        let env = Env::from_pairs(pairs.iter().copied()).with("DATABASE_HOST", "db");
        Config::load(&env)
            .map(|config| config.auth)
            .map_err(|problems| problems.variables().into_iter().map(str::to_owned).collect())
    }

    #[test]
    fn the_mock_user_is_refused_in_production_and_off_loopback() {
        let off = ("AUTH_ENABLED", "false");
        let local = ("API_HOST", "127.0.0.1");
        let refused = Err(vec!["AUTH_ENABLED".to_owned()]);
        assert_eq!(load(&[off, local]), Ok(AuthConfig::Off));
        assert_eq!(load(&[off, ("API_HOST", "::1")]), Ok(AuthConfig::Off));
        assert_eq!(load(&[off, ("API_HOST", "0.0.0.0")]), refused);
        assert_eq!(load(&[off]), refused, "the default host is every interface");
        assert_eq!(load(&[off, local, ("ENVIRONMENT", "production")]), refused);
        let insecure = ("ALLOW_INSECURE_AUTH", "true");
        assert_eq!(load(&[off, insecure]), Ok(AuthConfig::Off));
    }
}
