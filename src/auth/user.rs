//! The caller, once proved, and where they belong. Knows no HTTP.

use std::sync::Arc;

use super::administrators::Administration;
use crate::azure_devops::identities::Identity;
use crate::azure_devops::{self, Credential, Organizacao};
use crate::error::{Error, Result};
use crate::models::apontamento::Pessoa;
use crate::models::ids::person_id;
use crate::models::organizacao::{NomeOrganizacao, Scope};

/// A proved caller.
#[derive(Debug, Clone)]
pub struct CurrentUser {
    /// Azure DevOps identity GUID (or the mock id).
    pub id: String,
    /// Display name.
    pub nome: String,
    /// Whether Azure DevOps told the name; else it is made up of the id.
    pub nome_known: bool,
    /// E-mail, where Azure DevOps tells it.
    pub email: Option<String>,
    pub(super) administration: Administration,
    /// Authentication is off: everything is theirs.
    pub(super) everything: bool,
    pub(super) memberships: Vec<Membership>,
    /// Organisations that could not say whether they know the caller, and why.
    pub(super) undecided: Vec<(Organizacao, azure_devops::Error)>,
    /// The configured default organisation.
    pub(super) default: Option<NomeOrganizacao>,
}

/// The proof that a caller belongs to an organisation. Only authentication makes one.
#[derive(Debug, Clone)]
pub struct Membership {
    pub(super) organizacao: Organizacao,
    pub(super) identity: Option<Arc<Identity>>,
    pub(super) credential: Option<Credential>,
    pub(super) pat: Option<Credential>,
}

impl Membership {
    /// The organisation.
    #[must_use]
    pub fn organizacao(&self) -> &Organizacao {
        &self.organizacao
    }

    /// The caller as this organisation knows them; the mock user is known nowhere.
    #[must_use]
    pub fn identity(&self) -> Option<&Identity> {
        self.identity.as_deref()
    }

    /// What the caller showed and this organisation accepted. App tokens are of no use there.
    #[must_use]
    pub fn own_credential(&self) -> Option<&Credential> {
        self.credential.as_ref()
    }

    /// The service's PAT there.
    #[must_use]
    pub fn pat(&self) -> Option<&Credential> {
        self.pat.as_ref()
    }

    /// What to read Azure DevOps with on the caller's behalf: their own credential, else ours, since they belong.
    ///
    /// # Errors
    /// When there is neither.
    pub fn credential(&self) -> Result<&Credential> {
        let found = self.own_credential().or(self.pat());
        found.ok_or_else(|| {
            Error::Unauthenticated("Token de acesso não disponível para este usuário.".to_owned())
        })
    }

    /// What to read with that says the same to everybody: ours, whose scopes are known, else the caller's.
    ///
    /// # Errors
    /// When there is neither.
    pub fn service_credential(&self) -> Result<&Credential> {
        self.pat().map_or_else(|| self.credential(), Ok)
    }
}

impl CurrentUser {
    /// The user that everybody is while authentication is off: belongs to every organisation, with no credential.
    #[must_use]
    pub(super) fn mock(memberships: Vec<Membership>) -> Self {
        Self {
            id: "dev-user-001".to_owned(),
            nome: "Dev User".to_owned(),
            nome_known: true,
            email: Some("dev@localhost".to_owned()),
            administration: Administration::EVERYTHING,
            everything: true,
            default: memberships.first().map(|m| m.organizacao.nome().clone()),
            memberships,
            undecided: Vec::new(),
        }
    }

    /// What `criado_por` holds: the e-mail, else the name.
    #[must_use]
    pub fn signature(&self) -> &str {
        self.email.as_deref().unwrap_or(&self.nome)
    }

    /// Whose rows the caller's transactions see.
    #[must_use]
    pub fn scope(&self) -> Scope {
        if self.everything {
            return Scope::Everything;
        }
        let nomes: Vec<NomeOrganizacao> = self
            .memberships
            .iter()
            .map(|m| m.organizacao.nome().clone())
            .collect();
        let and_unassigned = self
            .default
            .as_ref()
            .is_some_and(|default| nomes.contains(default));
        Scope::Organizacoes {
            nomes,
            and_unassigned,
        }
    }

    /// The caller as an organisation knows them; in one that does not, as the first one does.
    #[must_use]
    pub fn as_known_in(&self, nome: &NomeOrganizacao) -> Pessoa {
        let membership = self.memberships.iter().find(|m| m.organizacao.nome() == nome);
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

    /// Every id that the caller has: each organisation gives its own, besides the one that they share.
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

    /// Every e-mail that an organisation knows the caller by.
    #[must_use]
    pub fn emails(&self) -> Vec<String> {
        let identities = self.memberships.iter().filter_map(Membership::identity);
        let emails = identities.flat_map(|identity| &identity.emails);
        emails.chain(&self.email).cloned().collect()
    }

    /// Whether authentication is off, and everybody this user.
    #[must_use]
    pub fn is_everybody(&self) -> bool {
        self.everything
    }

    /// Returns `true` if this is one of the caller's ids, however it is written: in braces, without hyphens,
    /// in capitals.
    #[must_use]
    pub fn has_id(&self, text: &str) -> bool {
        let guid = person_id(text);
        let mut identities = self.memberships.iter().filter_map(Membership::identity);
        self.id.eq_ignore_ascii_case(text) || guid.is_some_and(|id| identities.any(|known| known.has_id(id)))
    }

    /// Where the caller belongs, the default organisation first.
    #[must_use]
    pub fn memberships(&self) -> &[Membership] {
        &self.memberships
    }

    /// The proof that the caller belongs to the organisation of this name.
    ///
    /// # Errors
    /// [`Error::Forbidden`] when they do not, [`Error::Upstream`] when it cannot be told.
    pub fn member_of(&self, nome: &NomeOrganizacao) -> Result<&Membership> {
        if let Some(found) = self.memberships.iter().find(|m| m.organizacao.nome() == nome) {
            return Ok(found);
        }
        match self
            .undecided
            .iter()
            .find(|(organizacao, _)| organizacao.nome() == nome)
        {
            Some((_, error)) => Err(error.clone().into()),
            None => Err(not_a_member()),
        }
    }

    /// Whether rows of this organisation may be shown to the caller.
    ///
    /// # Errors
    /// As for [`member_of`](Self::member_of); nobody is refused while authentication is off.
    pub fn may_see(&self, nome: &NomeOrganizacao) -> Result<()> {
        if self.everything {
            return Ok(());
        }
        self.member_of(nome).map(drop)
    }

    /// What to tell of an object that the caller does not see: `error`, unless it may belong to an organisation that cannot
    /// say at the moment whether it knows them.
    #[must_use]
    pub fn unless_undecided(&self, error: Error) -> Error {
        match self.undecided.first() {
            Some((_, trouble)) => trouble.clone().into(),
            None => error,
        }
    }

    /// The organisation meant when none is named: the configured default one, or where the caller does not belong there,
    /// their first one.
    ///
    /// # Errors
    /// As for [`member_of`](Self::member_of): when the default organisation cannot tell, no other one is taken for it.
    pub fn default_membership(&self) -> Result<&Membership> {
        match self.default.as_ref().map(|nome| self.member_of(nome)) {
            Some(Err(error @ Error::Upstream { .. })) => Err(error),
            Some(Ok(found)) => Ok(found),
            _ => self.memberships.first().ok_or_else(not_a_member),
        }
    }
}

fn not_a_member() -> Error {
    Error::Forbidden("O usuário não pertence à organização informada".to_owned())
}
