//! The authenticated caller and its memberships. Independent of HTTP.

use std::sync::Arc;

use super::administrators::Administration;
use crate::azure_devops::identities::Identity;
use crate::azure_devops::{self, Credential, Organizacao};
use crate::error::{Code, Error, Result};
use crate::models::apontamento::Pessoa;
use crate::models::ids::person_id;
use crate::models::organizacao::{ChaveOrganizacao, Names, NomeOrganizacao, Scope};

/// An authenticated caller.
#[derive(Debug, Clone)]
pub struct CurrentUser {
    /// Azure DevOps identity GUID (or the mock id).
    pub id: String,
    /// Display name.
    pub nome: String,
    /// `true` if Azure DevOps reported the name; otherwise the name is derived from the id.
    pub nome_known: bool,
    /// E-mail, if Azure DevOps reports one.
    pub email: Option<String>,
    pub(super) administration: Administration,
    /// `true` if authentication is off: the caller has access to everything.
    pub(super) everything: bool,
    pub(super) memberships: Vec<Membership>,
    /// Organisations that could not decide whether the caller is a member, with the error.
    pub(super) undecided: Vec<(NomeOrganizacao, azure_devops::Error)>,
    /// Those of them that proved the caller within the last hours.
    pub(super) recently_proved: Vec<NomeOrganizacao>,
    /// Configured default organisation.
    pub(super) default: Option<ChaveOrganizacao>,
    /// Configured name of the default organisation.
    pub(super) default_nome: Option<NomeOrganizacao>,
    /// Present names of the organisations.
    pub(super) names: Arc<Names>,
}

/// Proof that a caller is a member of an organisation. Only authentication creates one.
#[derive(Debug, Clone)]
pub struct Membership {
    pub(super) chave: ChaveOrganizacao,
    pub(super) organizacao: Organizacao,
    pub(super) identity: Option<Arc<Identity>>,
    pub(super) credential: Option<Credential>,
    pub(super) pat: Option<Credential>,
}

impl Membership {
    /// Returns the organisation's key in the tables.
    #[must_use]
    pub fn chave(&self) -> &ChaveOrganizacao {
        &self.chave
    }

    /// Returns the organisation.
    #[must_use]
    pub fn organizacao(&self) -> &Organizacao {
        &self.organizacao
    }

    /// Returns the caller's identity in this organisation; `None` for the mock user.
    #[must_use]
    pub fn identity(&self) -> Option<&Identity> {
        self.identity.as_deref()
    }

    /// Returns the caller's credential that this organisation accepted. An app token is never one, because
    /// Azure DevOps does not accept app tokens.
    #[must_use]
    pub fn own_credential(&self) -> Option<&Credential> {
        self.credential.as_ref()
    }

    /// Returns the service's PAT for this organisation.
    #[must_use]
    pub fn pat(&self) -> Option<&Credential> {
        self.pat.as_ref()
    }

    /// Returns the credential for reads on the caller's behalf: the caller's own one, else the service's PAT,
    /// which is permitted because the caller is a member.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`] when neither exists.
    pub fn credential(&self) -> Result<&Credential> {
        let found = self.own_credential().or(self.pat());
        found.ok_or_else(|| {
            Error::Unauthenticated("Token de acesso não disponível para este usuário.".to_owned())
        })
    }

    /// Returns the credential for reads that are the same for every caller: the service's PAT, whose scopes
    /// are known, else the caller's credential.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`] when neither exists.
    pub fn service_credential(&self) -> Result<&Credential> {
        self.pat().map_or_else(|| self.credential(), Ok)
    }
}

impl CurrentUser {
    /// Creates the user of every request while authentication is off: a member of every organisation, without
    /// a credential.
    #[must_use]
    pub(super) fn mock(memberships: Vec<Membership>, names: Arc<Names>) -> Self {
        Self {
            id: "dev-user-001".to_owned(),
            nome: "Dev User".to_owned(),
            nome_known: true,
            email: Some("dev@localhost".to_owned()),
            administration: Administration::EVERYTHING,
            everything: true,
            default: memberships.first().map(|m| m.chave.clone()),
            default_nome: None,
            memberships,
            undecided: Vec::new(),
            recently_proved: Vec::new(),
            names,
        }
    }

    /// Returns the value for `criado_por`: the e-mail, else the name.
    #[must_use]
    pub fn signature(&self) -> &str {
        self.email.as_deref().unwrap_or(&self.nome)
    }

    /// Returns the rows that the caller's transactions see.
    #[must_use]
    pub fn scope(&self) -> Scope {
        if self.everything {
            return Scope::Everything;
        }
        let chaves: Vec<ChaveOrganizacao> = self.memberships.iter().map(|m| m.chave.clone()).collect();
        let and_unassigned = self
            .default
            .as_ref()
            .is_some_and(|default| chaves.contains(default));
        Scope::Organizacoes {
            chaves,
            and_unassigned,
        }
    }

    /// Returns the caller as an organisation knows them, else as the first organisation does.
    #[must_use]
    pub fn pessoa_in(&self, chave: &ChaveOrganizacao) -> Pessoa {
        let membership = self.memberships.iter().find(|m| m.chave == *chave);
        match membership.and_then(Membership::identity) {
            Some(identity) => Pessoa {
                id: identity.id.to_string(),
                nome: identity.nome.clone().unwrap_or_else(|| self.nome.clone()),
                email: identity.email.clone().or_else(|| self.email.clone()),
            },
            None => Pessoa {
                id: self.id.clone(),
                nome: self.nome.clone(),
                email: self.email.clone(),
            },
        }
    }

    /// Returns every id of the caller, sorted: each organisation may have its own one in addition to the
    /// shared id.
    #[must_use]
    pub fn ids(&self) -> Vec<String> {
        let identities = self.memberships.iter().filter_map(Membership::identity);
        let ids = identities.flat_map(Identity::ids);
        let mut ids: Vec<String> = ids.map(|id| id.to_string()).collect();
        ids.push(self.id.clone());
        ids.sort_unstable();
        ids.dedup();
        ids
    }

    /// Returns every e-mail of the caller in any organisation.
    #[must_use]
    pub fn emails(&self) -> Vec<String> {
        let identities = self.memberships.iter().filter_map(Membership::identity);
        let emails = identities.flat_map(|identity| &identity.emails);
        emails.chain(&self.email).cloned().collect()
    }

    /// Returns `true` if authentication is off and every request has this user.
    #[must_use]
    pub fn is_mock(&self) -> bool {
        self.everything
    }

    /// Returns `true` if `text` is one of the caller's ids, in any notation: in braces, without hyphens, in
    /// capitals.
    #[must_use]
    pub fn has_id(&self, text: &str) -> bool {
        let guid = person_id(text);
        let mut identities = self.memberships.iter().filter_map(Membership::identity);
        self.id.eq_ignore_ascii_case(text) || guid.is_some_and(|id| identities.any(|known| known.has_id(id)))
    }

    /// Returns the caller's memberships, the default organisation first.
    #[must_use]
    pub fn memberships(&self) -> &[Membership] {
        &self.memberships
    }

    /// Returns the caller's membership in the organisation that a request names `nome`: its present name or a
    /// former one that still works.
    ///
    /// # Errors
    /// [`Error::Forbidden`] when the caller is not a member, [`Error::Upstream`] when the organisation is
    /// undecided.
    pub fn member_of(&self, nome: &NomeOrganizacao) -> Result<&Membership> {
        let chave = self.names.chave_of(nome);
        match chave.and_then(|chave| self.membership_in(&chave)) {
            Some(found) => Ok(found),
            None => Err(self.undecided_error(nome).unwrap_or_else(not_a_member)),
        }
    }

    /// Returns the caller's membership in the organisation with this key.
    #[must_use]
    pub fn membership_in(&self, chave: &ChaveOrganizacao) -> Option<&Membership> {
        self.memberships.iter().find(|m| m.chave == *chave)
    }

    /// Returns the error that left an organisation undecided about the caller.
    fn undecided_error(&self, nome: &NomeOrganizacao) -> Option<Error> {
        let same = |other: &NomeOrganizacao| {
            other == nome || self.names.find(other).is_some_and(|known| known.claims(nome))
        };
        let (_, error) = self.undecided.iter().find(|(other, _)| same(other))?;
        Some(error.clone().into())
    }

    /// Returns the key of the organisation that a request names `nome`, if its rows may be shown to the
    /// caller.
    ///
    /// # Errors
    /// As for [`member_of`](Self::member_of); no caller is refused while authentication is off.
    pub fn may_see(&self, nome: &NomeOrganizacao) -> Result<ChaveOrganizacao> {
        if self.everything {
            let chave = self.names.chave_of(nome);
            return Ok(chave.unwrap_or_else(|| ChaveOrganizacao::first_of(nome)));
        }
        self.member_of(nome).map(|membership| membership.chave.clone())
    }

    /// Returns the current name of the organisation of a key.
    #[must_use]
    pub fn current_name(&self, chave: &ChaveOrganizacao) -> String {
        let nome = self.names.nome_of(chave);
        nome.map_or_else(|| chave.to_string(), ToString::to_string)
    }

    /// Returns the present name of the organisation with this key, or the key itself if no name is known.
    #[must_use]
    pub fn nome_of<'a>(&'a self, membership: &'a Membership) -> &'a NomeOrganizacao {
        let present = self.names.nome_of(&membership.chave);
        present.unwrap_or_else(|| membership.organizacao.nome())
    }

    /// Returns the names of the undecided organisations, percent-encoded and separated by commas. `*` stands
    /// for all those in which the caller was not a member recently: the caller must not learn which other
    /// organisations are served. Returns `None` if every organisation decided.
    #[must_use]
    pub fn undecided_names(&self) -> Option<String> {
        let was_recently_proved = |nome: &NomeOrganizacao| self.recently_proved.contains(nome);
        let known = self
            .undecided
            .iter()
            .map(|(nome, _)| nome)
            .filter(|nome| was_recently_proved(nome));
        let mut names: Vec<String> = known.map(NomeOrganizacao::percent_encoded).collect();
        if names.len() < self.undecided.len() {
            names.push("*".to_owned());
        }
        (!names.is_empty()).then(|| names.join(", "))
    }

    /// Returns the error for an object that the caller does not see: `error`, or the upstream error if the
    /// object may belong to an undecided organisation.
    #[must_use]
    pub fn unless_undecided(&self, error: Error) -> Error {
        match self.undecided.first() {
            Some((_, trouble)) => trouble.clone().into(),
            None => error,
        }
    }

    /// Returns the membership for a request that names no organisation: in the configured default one, or in
    /// the caller's first one if the caller is not a member of the default.
    ///
    /// # Errors
    /// As for [`member_of`](Self::member_of): when the default organisation is undecided, no other one
    /// replaces it.
    pub fn default_membership(&self) -> Result<&Membership> {
        let default = self.default.as_ref();
        if let Some(found) = default.and_then(|chave| self.membership_in(chave)) {
            return Ok(found);
        }
        let trouble = self
            .default_nome
            .as_ref()
            .and_then(|nome| self.undecided_error(nome));
        match trouble {
            Some(error) => Err(error),
            None => self.memberships.first().ok_or_else(not_a_member),
        }
    }
}

/// Returns the caller's membership in the organisation that a request names `nome`, for calls to Azure
/// DevOps.
///
/// # Errors
/// As for [`CurrentUser::member_of`]; while authentication is off, [`Error::NotConfigured`] for an
/// organisation that is not served.
pub fn membership_of<'u>(user: &'u CurrentUser, nome: &NomeOrganizacao) -> Result<&'u Membership> {
    match user.member_of(nome) {
        Err(_) if user.is_mock() => Err(not_configured()),
        found => found,
    }
}

/// Returns the error of a request that needs Azure DevOps when no organisation is configured.
#[must_use]
pub fn not_configured() -> Error {
    Error::NotConfigured(Code::AzureDevopsNaoConfigurado)
}

fn not_a_member() -> Error {
    Error::Forbidden("O usuário não pertence à organização informada".to_owned())
}
