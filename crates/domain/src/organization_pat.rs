//! PATs of organisations, as the vault keeps them.

use chrono::{DateTime, Utc};
use secrecy::SecretString;
use url::{Host, Url};

use super::ids::OrganizationPatId;
use super::organizacao::{ChaveOrganizacao, NomeOrganizacao};

/// A row of the vault. The PAT is encrypted.
#[derive(Debug, Clone)]
pub struct OrganizationPat {
    /// Key.
    pub id: OrganizationPatId,
    /// Key of the organisation; the only PAT of it.
    pub organizacao: ChaveOrganizacao,
    /// Present name of the organisation; `None` when another one took it over.
    pub organizacao_nome: Option<String>,
    /// Address for people; nothing is ever sent there.
    pub organization_url: String,
    /// Nonce, ciphertext and tag.
    pub pat_cifrado: Vec<u8>,
    /// Key that it is encrypted with.
    pub chave_id: String,
    /// Notes.
    pub descricao: Option<String>,
    /// When it stops being used.
    pub expira_em: Option<DateTime<Utc>>,
    /// Whether it is used.
    pub ativo: bool,
    /// When Azure DevOps last accepted it.
    pub validado_em: Option<DateTime<Utc>>,
    /// Person that entered it.
    pub criado_por: Option<String>,
    /// When.
    pub criado_em: DateTime<Utc>,
    /// When it last changed.
    pub atualizado_em: DateTime<Utc>,
    /// It has expired.
    pub expirado: bool,
    /// It expires within a week.
    pub expira_em_breve: bool,
}

impl OrganizationPat {
    /// What the organisation is called, or its key where that is not known.
    #[must_use]
    pub fn nome_or_chave(&self) -> String {
        let nome = self.organizacao_nome.clone();
        nome.unwrap_or_else(|| self.organizacao.to_string())
    }
}

/// A PAT as an administrator enters it.
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
    /// When it stops being used.
    pub expira_em: Option<DateTime<Utc>>,
    /// Whether it is used.
    pub ativo: bool,
}

/// Changes to a PAT: `None` leaves a value as it is, `Some(None)` clears it.
#[derive(Debug, Clone, Default)]
pub struct OrganizationPatChanges {
    /// Address for people.
    pub organization_url: Option<OrganizationUrl>,
    /// The PAT.
    pub pat: Option<SecretString>,
    /// Notes.
    pub descricao: Option<Option<String>>,
    /// When it stops being used.
    pub expira_em: Option<Option<DateTime<Utc>>>,
    /// Whether it is used.
    pub ativo: Option<bool>,
}

/// A row as people may see it.
#[derive(Debug, Clone)]
pub struct MaskedPat {
    /// The row.
    pub row: OrganizationPat,
    /// The PAT with all but its ends hidden; `None` when it cannot be read.
    pub pat_masked: Option<String>,
}

/// What Azure DevOps says of a PAT.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Validation {
    /// Whether it works.
    pub valid: bool,
    /// Organisation that was asked; empty when there was none.
    pub organizacao: String,
    /// Sentence for people.
    pub message: String,
    /// Names of the projects that it sees.
    pub projects: Option<Vec<String>>,
    /// Each scope once; empty for a PAT that is refused.
    pub scopes: Vec<ScopeTry>,
}

impl Validation {
    /// Required scopes that the PAT lacks.
    #[must_use]
    pub fn missing_scopes(&self) -> Vec<PatScope> {
        missing_scopes(&self.scopes)
    }
}

/// Required scopes among those tried that are missing.
#[must_use]
pub fn missing_scopes(tries: &[ScopeTry]) -> Vec<PatScope> {
    let missing = |one: &&ScopeTry| one.state == ScopeState::Missing && !one.scope.is_optional();
    tries.iter().filter(missing).map(|one| one.scope).collect()
}

/// A scope of PATs that the service uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PatScope {
    /// Projects and teams.
    ProjectRead,
    /// People, by id.
    IdentityRead,
    /// Work items and queries.
    WorkItemsRead,
    /// Hours into work items.
    WorkItemsWrite,
    /// Pictures of people.
    GraphRead,
}

impl PatScope {
    /// The name that Azure DevOps shows where PATs are made.
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

    /// Whether the service does its work without it.
    #[must_use]
    pub fn is_optional(self) -> bool {
        self == Self::GraphRead
    }
}

/// What a try says of a scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScopeState {
    /// The PAT has it.
    Granted,
    /// The PAT lacks it.
    Missing,
    /// It could not be told: trouble of the moment, or nothing to try it on.
    Untested,
}

impl ScopeState {
    /// The state of a scope that two calls tried.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Missing, _) | (_, Self::Missing) => Self::Missing,
            (Self::Untested, _) | (_, Self::Untested) => Self::Untested,
            (Self::Granted, Self::Granted) => Self::Granted,
        }
    }
}

/// A scope and what its try said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScopeTry {
    /// The scope.
    pub scope: PatScope,
    /// What was found.
    pub state: ScopeState,
}

/// Address of an organisation for people: `https`, or `http` on this machine, and nothing but host and path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrganizationUrl {
    text: String,
    is_https: bool,
}

impl OrganizationUrl {
    /// Checks `text`; blanks around it do not count.
    ///
    /// # Errors
    /// A sentence fragment in Portuguese that can follow the field's name, without quoting the text.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        const FORM: &str = "deve ser um endereço da forma https://host/caminho";
        let text = text.trim();
        // Wherever it stands: behind a password with a slash it is no longer where a URL has a user.
        if text.contains('@') {
            return Err("não pode conter usuário nem senha");
        }
        // A parser of URLs repairs these; people would see something else than was checked.
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

    /// The address as it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it is not one of this machine in clear.
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
    fn an_address_is_https_or_http_on_this_machine() {
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
        fn whatever_is_taken_leads_to_a_host_and_a_path(
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
