//! Whether callers must prove who they are, and with what.

use std::time::Duration;

use secrecy::SecretString;
use uuid::Uuid;

use super::env::Reader;
use super::{AzureDevOpsConfig, Environment, HttpConfig};
use crate::models::papel::Papel;

/// The extension that existing installations were built for; others set `AZURE_EXTENSION_APP_ID`.
const DEFAULT_APP_ID: Uuid = Uuid::from_u128(0x560d_e67c_a2e8_408a_86ae_be7e_a6bd_0b7a);

/// A secret that is shorter can be guessed (RFC 7518, 3.2 asks for 256 bits).
const SHORTEST_SECRET: usize = 32;

/// How callers are authenticated.
#[derive(Debug, Clone)]
pub struct AuthConfig {
    /// Whether they are at all.
    pub mode: AuthMode,
    /// How long a proof counts before Azure DevOps is asked again.
    pub cache_ttl: Duration,
    /// Keys of the extension's app tokens; several while one replaces the other. None: app tokens are refused.
    pub app_secrets: Vec<SecretString>,
    /// Audiences of app tokens that are ours.
    pub app_ids: Vec<Uuid>,
    /// Administrators: ids or e-mails, lower case.
    pub admin_users: Vec<String>,
    /// Who may write activities.
    pub activity_write_role: Papel,
}

/// Whether a credential is demanded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthMode {
    /// Every protected route demands a credential.
    Required,
    /// Every caller is the mock user; development only.
    Off,
}

impl AuthConfig {
    pub(super) fn read(
        reader: &mut Reader<'_>,
        environment: Environment,
        http: &HttpConfig,
        azure: &AzureDevOpsConfig,
    ) -> Self {
        let mode = read_mode(reader, environment, http);
        if mode == AuthMode::Required && azure.organizacoes.is_empty() {
            // A malformed one was reported as such.
            if reader.get("AZURE_DEVOPS_ORG_URL").is_none() && reader.get("AZURE_DEVOPS_ORG_PATS").is_none() {
                reader.problem(
                    "AZURE_DEVOPS_ORG_URL",
                    "is required: callers are members of an organisation (or set AUTH_ENABLED=false)",
                    "https://dev.azure.com/contoso",
                );
            }
        }
        let mut app_secrets = secrets(reader, "AZURE_EXTENSION_SECRETS");
        app_secrets.extend(secrets(reader, "AZURE_EXTENSION_SECRET"));
        let app_ids = reader.list(
            "AZURE_EXTENSION_APP_ID",
            vec![DEFAULT_APP_ID],
            "560de67c-a2e8-408a-86ae-be7ea6bd0b7a",
            |text| Uuid::parse_str(text).map_err(|_| "is not a GUID".to_owned()),
        );
        let admin_users = reader.list("ADMIN_USERS", Vec::new(), "ana@contoso.com", |text| {
            let usable = text.contains('@') || Uuid::parse_str(text).is_ok();
            usable
                .then(|| text.to_lowercase())
                .ok_or_else(|| "has an entry that is neither an id nor an e-mail".into())
        });
        let activity_write_role = reader.parse("ACTIVITY_WRITE_ROLE", Papel::Membro, "admin", |text| {
            [Papel::Admin, Papel::Membro]
                .into_iter()
                .find(|papel| papel.as_str().eq_ignore_ascii_case(text))
                .ok_or_else(|| "is neither membro nor admin".to_owned())
        });
        Self {
            mode,
            admin_users,
            activity_write_role,
            cache_ttl: reader.seconds("AUTH_CACHE_TTL", 60, 1, 300),
            app_secrets,
            app_ids,
        }
    }
}

fn read_mode(reader: &mut Reader<'_>, environment: Environment, http: &HttpConfig) -> AuthMode {
    let enabled = reader.boolean("AUTH_ENABLED", true);
    let insecure_allowed = reader.boolean("ALLOW_INSECURE_AUTH", false);
    if enabled {
        return AuthMode::Required;
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
    AuthMode::Off
}

/// A comma-separated list of secrets; the problem never quotes one.
fn secrets(reader: &mut Reader<'_>, name: &str) -> Vec<SecretString> {
    reader.list(
        name,
        Vec::new(),
        "the certificate of the publisher page",
        |text| {
            if text.len() < SHORTEST_SECRET {
                return Err(format!(
                    "holds a secret of less than {SHORTEST_SECRET} characters"
                ));
            }
            Ok(SecretString::from(text))
        },
    )
}

#[cfg(test)]
mod tests {
    use super::super::{Config, Env};
    use super::*;

    const ORG: (&str, &str) = ("AZURE_DEVOPS_ORG_URL", "https://dev.azure.com/contoso");

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
        let mode = |pairs: &[(&str, &str)]| load(pairs).map(|auth| auth.mode);
        assert_eq!(mode(&[off, local]), Ok(AuthMode::Off));
        assert_eq!(mode(&[off, ("API_HOST", "::1")]), Ok(AuthMode::Off));
        assert_eq!(mode(&[off, ("API_HOST", "0.0.0.0")]), refused);
        assert_eq!(mode(&[off]), refused, "the default host is every interface");
        assert_eq!(mode(&[off, local, ("ENVIRONMENT", "production")]), refused);
        let insecure = ("ALLOW_INSECURE_AUTH", "true");
        assert_eq!(mode(&[off, insecure]), Ok(AuthMode::Off));
    }

    #[test]
    fn authentication_needs_an_organisation_to_ask() {
        assert_eq!(load(&[]).unwrap_err(), ["AZURE_DEVOPS_ORG_URL"]);
        assert_eq!(load(&[ORG]).unwrap().mode, AuthMode::Required);
        assert!(load(&[("AZURE_DEVOPS_ORG_PATS", "contoso=x")]).is_ok());
    }

    #[test]
    fn secrets_of_both_spellings_count_and_none_is_shown() {
        let (one, two) = ("a".repeat(40), "b".repeat(40));
        let auth = load(&[
            ORG,
            ("AZURE_EXTENSION_SECRETS", &format!("{one},{one}")),
            ("AZURE_EXTENSION_SECRET", &two),
        ]);
        let auth = auth.unwrap();
        assert_eq!(auth.app_secrets.len(), 3);
        assert!(!format!("{auth:?}").contains(&two));
        assert_eq!(
            load(&[ORG, ("AZURE_EXTENSION_SECRET", "short")]).unwrap_err(),
            ["AZURE_EXTENSION_SECRET"]
        );
        assert_eq!(
            load(&[ORG, ("AUTH_CACHE_TTL", "301"), ("AZURE_EXTENSION_APP_ID", "x")]).unwrap_err(),
            ["AZURE_EXTENSION_APP_ID", "AUTH_CACHE_TTL"]
        );
    }
}
