//! PATs of organisations, as stored in the vault.

use chrono::{DateTime, Utc};
use secrecy::SecretString;
use url::{Host, Url};

use super::ids::OrganizationPatId;
use super::organizacao::{ChaveOrganizacao, NomeOrganizacao};

/// Row of the vault, with the PAT encrypted.
#[derive(Debug, Clone)]
pub struct OrganizationPat {
    /// Key.
    pub id: OrganizationPatId,
    /// Key of the organisation, which has at most one PAT.
    pub organizacao: ChaveOrganizacao,
    /// Current name of the organisation; `None` if another one took it over.
    pub organizacao_nome: Option<String>,
    /// Address for people; no request is ever sent to it.
    pub organization_url: String,
    /// Nonce, ciphertext and tag of the PAT.
    pub pat_cifrado: Vec<u8>,
    /// Id of the encryption key.
    pub chave_id: String,
    /// Notes.
    pub descricao: Option<String>,
    /// Time from which the PAT is no longer used.
    pub expira_em: Option<DateTime<Utc>>,
    /// `true` if the PAT is used.
    pub ativo: bool,
    /// Time when Azure DevOps last accepted the PAT.
    pub validado_em: Option<DateTime<Utc>>,
    /// Person that entered the PAT.
    pub criado_por: Option<String>,
    /// Time of creation.
    pub criado_em: DateTime<Utc>,
    /// Time of the last change.
    pub atualizado_em: DateTime<Utc>,
    /// `true` if the PAT has expired.
    pub expirado: bool,
    /// `true` if the PAT expires within a week.
    pub expira_em_breve: bool,
}

impl OrganizationPat {
    /// Returns the name of the organisation, or its key if the name is not known.
    #[must_use]
    pub fn nome_or_chave(&self) -> String {
        let nome = self.organizacao_nome.clone();
        nome.unwrap_or_else(|| self.organizacao.to_string())
    }
}

/// PAT as an administrator enters it.
#[derive(Debug, Clone)]
pub struct NewOrganizationPat {
    /// Organisation.
    pub organizacao: NomeOrganizacao,
    /// Address for people.
    pub organization_url: Option<OrganizationUrl>,
    /// The PAT.
    pub pat: SecretString,
    /// Notes.
    pub descricao: Option<String>,
    /// Time from which the PAT is no longer used.
    pub expira_em: Option<DateTime<Utc>>,
    /// `true` if the PAT is used.
    pub ativo: bool,
}

/// Changes to a PAT; `None` leaves a value unchanged, `Some(None)` clears it.
#[derive(Debug, Clone, Default)]
pub struct OrganizationPatChanges {
    /// Address for people.
    pub organization_url: Option<OrganizationUrl>,
    /// The PAT.
    pub pat: Option<SecretString>,
    /// Notes.
    pub descricao: Option<Option<String>>,
    /// Time from which the PAT is no longer used.
    pub expira_em: Option<Option<DateTime<Utc>>>,
    /// `true` if the PAT is used.
    pub ativo: Option<bool>,
}

/// Row of the vault in the form that users may see.
#[derive(Debug, Clone)]
pub struct MaskedPat {
    /// The row.
    pub row: OrganizationPat,
    /// PAT with all but its ends hidden; `None` if it cannot be decrypted.
    pub pat_masked: Option<String>,
}

/// Result of checking a PAT against Azure DevOps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Validation {
    /// `true` if the PAT works.
    pub valid: bool,
    /// Organisation that was queried; empty if there was none.
    pub organizacao: String,
    /// Sentence for people.
    pub message: String,
    /// Names of the projects that the PAT can see.
    pub projects: Option<Vec<String>>,
    /// Each scope once; empty for a rejected PAT.
    pub scopes: Vec<ScopeTry>,
}

impl Validation {
    /// Returns the required scopes that the PAT lacks.
    #[must_use]
    pub fn missing_scopes(&self) -> Vec<PatScope> {
        missing_scopes(&self.scopes)
    }
}

/// Returns the required scopes among `tries` that are missing.
#[must_use]
pub fn missing_scopes(tries: &[ScopeTry]) -> Vec<PatScope> {
    let missing = |one: &&ScopeTry| one.state == ScopeState::Missing && !one.scope.is_optional();
    tries.iter().filter(missing).map(|one| one.scope).collect()
}

/// Scope of a PAT that the service uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PatScope {
    /// Read projects and teams.
    ProjectRead,
    /// Read people by id.
    IdentityRead,
    /// Read work items and run queries.
    WorkItemsRead,
    /// Write hours into work items.
    WorkItemsWrite,
    /// Read pictures of people.
    GraphRead,
}

impl PatScope {
    /// Returns the name of the scope in the user interface of Azure DevOps where PATs are created.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::ProjectRead => "Project and Team (Read)",
            Self::IdentityRead => "Identity (Read)",
            Self::WorkItemsRead => "Work Items (Read)",
            Self::WorkItemsWrite => "Work Items (Read & Write)",
            Self::GraphRead => "Graph (Read)",
        }
    }

    /// Returns `true` if the service works without the scope.
    #[must_use]
    pub fn is_optional(self) -> bool {
        self == Self::GraphRead
    }
}

/// Result of trying a scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScopeState {
    /// The PAT has the scope.
    Granted,
    /// The PAT lacks the scope.
    Missing,
    /// Unknown: a temporary failure, or no object to try the scope on.
    Untested,
}

impl ScopeState {
    /// Combines the results of two calls that tried the same scope.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Missing, _) | (_, Self::Missing) => Self::Missing,
            (Self::Untested, _) | (_, Self::Untested) => Self::Untested,
            (Self::Granted, Self::Granted) => Self::Granted,
        }
    }
}

/// Scope and the result of its try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScopeTry {
    /// The scope.
    pub scope: PatScope,
    /// Result.
    pub state: ScopeState,
}

/// Address of an organisation for people: `https`, or `http` on a loopback host, with host and path only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrganizationUrl {
    text: String,
    is_https: bool,
}

impl OrganizationUrl {
    /// Checks `text`; surrounding blanks are ignored.
    ///
    /// # Errors
    /// Returns a sentence fragment in Portuguese that can follow the name of the field and does not quote the
    /// text.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        const FORM: &str = "deve ser um endereço da forma https://host/caminho";
        let text = text.trim();
        // Checked in the whole text: after a password with a slash, `@` is no longer where a URL has its
        // user.
        if text.contains('@') {
            return Err("não pode conter usuário nem senha");
        }
        // A URL parser repairs these characters, so users would see another address than the checked one.
        if text.contains(|c: char| c.is_whitespace() || c.is_control() || c == '\\') {
            return Err(FORM);
        }
        let url = Url::parse(text).map_err(|_| FORM)?;
        let begins = |scheme: &str| {
            text.get(..scheme.len())
                .is_some_and(|begin| begin.eq_ignore_ascii_case(scheme))
        };
        let is_https = begins("https://");
        if !is_https && !begins("http://") {
            return Err(FORM);
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err("não pode conter parâmetros nem fragmento");
        }
        let is_loopback = match url.host() {
            Some(Host::Domain(name)) => name == "localhost",
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            None => return Err(FORM),
        };
        if !is_https && !is_loopback {
            return Err("deve começar com https://");
        }
        Ok(Self {
            text: text.to_owned(),
            is_https,
        })
    }

    /// Returns the address as entered.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns `false` for an `http` address, which is accepted only for a loopback host.
    #[must_use]
    pub fn is_https(&self) -> bool {
        self.is_https
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::arbitrary;

    #[test]
    fn address_is_https_or_http_on_this_machine() {
        for (text, is_https) in [
            ("https://dev.azure.com/contoso", true),
            (" HTTPS://tfs.example:8443/tfs/Equipe%20A/ ", true),
            ("http://localhost:8081/contoso", false),
            ("http://127.0.0.2", false),
            ("http://[::1]:81/x", false),
        ] {
            let url = OrganizationUrl::parse(text).unwrap();
            assert_eq!((url.as_str(), url.is_https()), (text.trim(), is_https));
        }
        for text in [
            "",
            "contoso",
            "//dev.azure.com/contoso",
            "https:dev.azure.com",
            "https:\\\\dev.azure.com",
            "https://",
            "http://dev.azure.com/contoso",
            "http://localhost.example",
            "http://10.0.0.1",
            "ftp://dev.azure.com",
            "file:///etc/passwd",
            "javascript:alert(1)",
            "javascript://%0aalert(1)",
            "data:text/html,x",
            "https://u:p@dev.azure.com",
            "https://u:/p@dev.azure.com",
            "https://dev.azure.com/contoso?x=1",
            "https://dev.azure.com/contoso#x",
            "https://dev.azure .com",
            "https://dev.azure\t.com",
        ] {
            assert!(OrganizationUrl::parse(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn accepted_url_has_host_and_path(
            text in prop_oneof![
                arbitrary::text(),
                ("(https?|HTTPS|ftp|javascript):(//)?", arbitrary::text()).prop_map(|(scheme, rest)| scheme + &rest),
                "https?://(localhost|127\\.0\\.0\\.1|dev\\.azure\\.com)[/?#@:]{0,2}[a-z0-9]{0,5}",
            ],
        ) {
            if let Ok(taken) = OrganizationUrl::parse(&text) {
                let url = Url::parse(taken.as_str()).unwrap();
                prop_assert_eq!((url.username(), url.password(), url.query(), url.fragment()), ("", None, None, None));
                prop_assert_eq!(url.scheme() == "https", taken.is_https());
                prop_assert!(taken.is_https() || url.scheme() == "http");
                prop_assert!(url.host_str().is_some());
            }
        }
    }
}
