//! Settings of authentication and authorization.

use std::num::NonZeroU32;
use std::time::Duration;

use secrecy::SecretString;
use uuid::Uuid;

use super::env::{Reader, no_blank};
use super::{AzureDevOpsConfig, Environment, HttpConfig};
use crate::models::ids::person_id;
use crate::models::organizacao::NomeOrganizacao;
use crate::models::papel::Papel;

/// Id of the extension for which existing installations were built; other installations set
/// `AZURE_EXTENSION_APP_ID`.
const DEFAULT_APP_ID: Uuid = Uuid::from_u128(0x560d_e67c_a2e8_408a_86ae_be7e_a6bd_0b7a);

/// Minimum length of a secret, in bytes; a shorter one can be guessed (RFC 7518, 3.2 requires 256 bits).
const SHORTEST_SECRET: usize = 32;

/// Authentication and authorization of callers.
#[derive(Debug, Clone)]
pub struct AuthConfig {
    /// Whether authentication is required.
    pub mode: AuthMode,
    /// Lifetime of a proof before Azure DevOps is queried again.
    pub cache_ttl: Duration,
    /// Maximum number of unknown tokens per address and second; `None`: no limit.
    pub proofs_per_second: Option<NonZeroU32>,
    /// Keys of the extension's app tokens; several during a rotation. Empty: app tokens are refused.
    pub app_secrets: Vec<SecretString>,
    /// Accepted audiences of app tokens.
    pub app_ids: Vec<Uuid>,
    /// Administrators.
    pub admin_users: Vec<AdminEntry>,
    /// Role that is required to write activities.
    pub activity_write_role: Papel,
}

/// An entry of `ADMIN_USERS`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdminEntry {
    /// The only organisation of the entry; `None`: all organisations and the whole vault.
    pub organizacao: Option<NomeOrganizacao>,
    /// Person that the entry names.
    pub name: AdminName,
}

/// Form in which an entry of `ADMIN_USERS` names a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AdminName {
    /// Id in an organisation.
    Id(Uuid),
    /// E-mail.
    Email(String),
    /// Account on an Azure DevOps Server: `name` or `DOMAIN\name`.
    Account(String),
}

impl AdminEntry {
    /// Parses `name` or `organisation/name`.
    ///
    /// # Errors
    /// A phrase that names the fault.
    fn parse(text: &str, own_server: bool) -> Result<Self, String> {
        let (organizacao, name) = match text.split_once('/') {
            Some((organizacao, name)) => {
                let organizacao = NomeOrganizacao::parse(organizacao)
                    .map_err(|problem| format!("has an entry whose part before the / {problem}"))?;
                (Some(organizacao), name.trim())
            }
            None => (None, text),
        };
        if let Some(id) = person_id(name) {
            let name = AdminName::Id(id);
            return Ok(Self { organizacao, name });
        }
        no_blank(name)?;
        if name.contains('/') {
            return Err("has an entry with more than one /: it is organisation/name".to_owned());
        }
        let name = match name.split_once('@') {
            Some((user, host)) if !user.is_empty() && !host.is_empty() && !host.contains('@') => {
                AdminName::Email(name.to_owned())
            }
            Some(_) => return Err("has an entry that is no e-mail: user@host, with one @".to_owned()),
            None if own_server && is_account(name) => AdminName::Account(name.to_owned()),
            None => return Err("has an entry that is neither an id nor an e-mail".to_owned()),
        };
        Ok(Self { organizacao, name })
    }
}

/// Returns `true` for `name` or `DOMAIN\name`.
fn is_account(text: &str) -> bool {
    let mut parts = text.split('\\');
    parts.clone().count() <= 2 && parts.all(|part| !part.is_empty())
}

/// Whether authentication is required.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthMode {
    /// Every protected route requires a credential.
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
        if mode == AuthMode::Required && azure.client.organizacoes.is_empty() {
            // A malformed variable has already been reported.
            if !reader.is_given("AZURE_DEVOPS_ORG_URL") && !reader.is_given("AZURE_DEVOPS_ORG_PATS") {
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
            |text| {
                no_blank(text)?;
                Uuid::parse_str(text).map_err(|_| "is not a GUID".to_owned())
            },
        );
        // Accounts without an e-mail exist only on an Azure DevOps Server.
        let own_server = azure.default_is_own_server();
        let admin_users = reader.list("ADMIN_USERS", Vec::new(), "ana@contoso.com", |text| {
            AdminEntry::parse(text, own_server)
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
            proofs_per_second: NonZeroU32::new(reader.number("AUTH_PROOFS_PER_SECOND", 5, 0, 10_000)),
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

/// Reads a comma-separated list of secrets; the problem never quotes a secret.
fn secrets(reader: &mut Reader<'_>, name: &str) -> Vec<SecretString> {
    reader.list(
        name,
        Vec::new(),
        "the certificate of the publisher page",
        |text| {
            no_blank(text)?;
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
    fn mock_user_is_refused_in_production_and_off_loopback() {
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

    fn admins(url: &str, entries: &str) -> Result<Vec<AdminEntry>, String> {
        let env = Env::from_pairs([
            ("DATABASE_HOST", "db"),
            ("AZURE_DEVOPS_ORG_URL", url),
            ("ADMIN_USERS", entries),
        ]);
        let config = Config::load(&env).map_err(|problems| problems.to_string())?;
        Ok(config.auth.admin_users)
    }

    #[test]
    fn admin_entries_name_a_person_and_may_name_an_organisation() {
        let entry = |organizacao: Option<&str>, name| AdminEntry {
            organizacao: organizacao.map(|nome| NomeOrganizacao::parse(nome).unwrap()),
            name,
        };
        let (id, ana) = (Uuid::from_u128(7), "Ana@x.example".to_owned());
        assert_eq!(
            admins(
                ORG.1,
                &format!("{ana}, Fabrikam/{ana},fabrikam/{{{id}}},{}", id.simple())
            ),
            Ok(vec![
                entry(None, AdminName::Email(ana.clone())),
                entry(Some("fabrikam"), AdminName::Email(ana)),
                entry(Some("fabrikam"), AdminName::Id(id)),
                entry(None, AdminName::Id(id)),
            ])
        );
        let own_server = "https://tfs.example/tfs/Main";
        let account = |text: &str| AdminName::Account(text.to_owned());
        assert_eq!(
            admins(own_server, r"ana,CONTOSO\ana,main/CONTOSO\ana"),
            Ok(vec![
                entry(None, account("ana")),
                entry(None, account(r"CONTOSO\ana")),
                entry(Some("main"), account(r"CONTOSO\ana")),
            ])
        );
        for hosted in [ORG.1, "https://contoso.visualstudio.com"] {
            let refused = admins(hosted, "ana").unwrap_err();
            assert!(refused.contains("neither an id nor an e-mail"), "{refused}");
        }
    }

    #[test]
    fn admin_entry_that_can_never_match_is_refused() {
        for (entries, why) in [
            ("a@x;b@x", "holds a semicolon"),
            ("a@x b@x", "holds a blank"),
            ("a@x\nb@x", "holds a line break"),
            ("\"a@x\"", "holds a quotation mark"),
            ("'a@x'", "holds an apostrophe"),
            ("a@x,@x", "is no e-mail"),
            ("a@", "is no e-mail"),
            ("a@x@y", "is no e-mail"),
            ("/a@x", "part before the /"),
            ("a/b/c@x", "more than one /"),
            ("fabrikam/", "neither"),
            (r"A\\ana", "neither"),
        ] {
            let url = "https://tfs.example/tfs/Main";
            let url = if why == "neither" { ORG.1 } else { url };
            let refused = admins(url, entries).expect_err(entries);
            assert!(refused.contains("ADMIN_USERS"), "{refused}");
            assert!(refused.contains(why), "{entries}: {refused}");
        }
    }
}
