//! Administered organisations of callers: the entries of `ADMIN_USERS` and the identities that match them.

use std::collections::BTreeSet;

use super::user::{CurrentUser, Membership};
use crate::azure_devops;
use crate::azure_devops::identities::Identity;
use crate::config::{AdminEntry, AdminName, AuthConfig};
use crate::error::{Error, Result};
use crate::models::organizacao::{ChaveOrganizacao, Names, NomeOrganizacao, Scope};
use crate::models::papel::Papel;

/// Organisations that a caller administers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Administered {
    /// No organisation.
    Nothing,
    /// Only these organisations; never empty.
    Organizacoes(BTreeSet<ChaveOrganizacao>),
    /// Every organisation and the whole vault.
    Everything,
}

/// Organisations that a caller administers, and entries that could not be decided yet.
#[derive(Debug, Clone)]
pub(super) struct Administration {
    administered: Administered,
    undecided_entries: Vec<UndecidedEntry>,
}

/// Entry that may match an identity of an organisation without an answer.
#[derive(Debug, Clone)]
struct UndecidedEntry {
    /// Organisation that the entry would grant; `None`: all organisations.
    of: Option<ChaveOrganizacao>,
    trouble: azure_devops::Error,
}

impl Administration {
    /// Administers everything: the caller while authentication is off.
    pub(super) const EVERYTHING: Self = Self {
        administered: Administered::Everything,
        undecided_entries: Vec::new(),
    };

    /// Administers nothing.
    pub(super) const NOTHING: Self = Self {
        administered: Administered::Nothing,
        undecided_entries: Vec::new(),
    };
}

/// Entries of `ADMIN_USERS`.
#[derive(Debug)]
pub(super) struct Administrators(Vec<AdminEntry>);

impl Administrators {
    pub(super) fn new(config: &AuthConfig) -> Self {
        Self(config.admin_users.clone())
    }

    /// Returns the administration of a caller with these memberships. Ids count in every organisation that
    /// reports them. E-mails and account names count only in the entry's organisation or else the default
    /// one, because other organisations may let their members choose them.
    pub(super) fn administration(
        &self,
        memberships: &[Membership],
        undecided: &[(NomeOrganizacao, azure_devops::Error)],
        default: Option<&ChaveOrganizacao>,
        names: &Names,
    ) -> Administration {
        let mut bound = BTreeSet::new();
        let mut everything = false;
        let mut undecided_entries = Vec::new();
        for entry in &self.0 {
            // An entry follows its organisation through a rename.
            let of = entry.organizacao.as_ref().map(|nome| names.chave_of(nome));
            let is_judged_by = |chave: &ChaveOrganizacao| match (&of, &entry.name) {
                (Some(of), _) => of.as_ref() == Some(chave),
                (None, AdminName::Id(_)) => true,
                (None, AdminName::Email(_) | AdminName::Account(_)) => Some(chave) == default,
            };
            let matched = memberships.iter().any(|membership| {
                let identity = membership.identity();
                is_judged_by(membership.chave())
                    && identity.is_some_and(|identity| matches(&entry.name, identity))
            });
            match (&of, matched) {
                (Some(of), true) => bound.extend(of.clone()),
                (None, true) => everything = true,
                (of, false) => {
                    let unsure = undecided
                        .iter()
                        .filter(|(other, _)| names.chave_of(other).is_some_and(|chave| is_judged_by(&chave)));
                    undecided_entries.extend(unsure.map(|(_, trouble)| UndecidedEntry {
                        of: of.clone().flatten(),
                        trouble: trouble.clone(),
                    }));
                }
            }
        }
        let administered = match (everything, bound.is_empty()) {
            (true, _) => return Administration::EVERYTHING,
            (false, true) => Administered::Nothing,
            (false, false) => Administered::Organizacoes(bound),
        };
        Administration {
            administered,
            undecided_entries,
        }
    }
}

/// Returns `true` if an entry names this identity. Only ASCII letters are compared without case: to Unicode,
/// the Kelvin sign is a `k`.
fn matches(name: &AdminName, identity: &Identity) -> bool {
    let among = |known: &[String], text: &str| known.iter().any(|known| known.eq_ignore_ascii_case(text));
    match name {
        AdminName::Id(id) => identity.has_id(*id),
        AdminName::Email(email) => among(&identity.emails, email),
        AdminName::Account(account) => among(&identity.accounts, account),
    }
}

impl CurrentUser {
    /// Returns the organisations that the caller is known to administer; undecided entries are left out.
    #[must_use]
    pub fn administered(&self) -> &Administered {
        &self.administration.administered
    }

    /// Returns `true` if the caller administers this organisation.
    #[must_use]
    pub fn administers(&self, chave: &ChaveOrganizacao) -> bool {
        match self.administered() {
            Administered::Nothing => false,
            Administered::Organizacoes(chaves) => chaves.contains(chave),
            Administered::Everything => true,
        }
    }

    /// Returns `true` if the caller administers every organisation and the whole vault.
    #[must_use]
    pub fn administers_everything(&self) -> bool {
        *self.administered() == Administered::Everything
    }

    /// Returns the role to display. An administrator of one organisation has the role `admin`.
    #[must_use]
    pub fn papel(&self) -> Papel {
        match self.administered() {
            Administered::Nothing => Papel::Membro,
            Administered::Organizacoes(_) | Administered::Everything => Papel::Admin,
        }
    }

    /// Checks that the caller has the role. An administrator of any organisation has the role `admin`.
    ///
    /// # Errors
    /// [`Error::Forbidden`], or [`Error::Upstream`] when an organisation that would decide the role did not
    /// answer.
    pub fn require(&self, papel: Papel) -> Result<()> {
        if papel == Papel::Membro || self.papel() == Papel::Admin {
            return Ok(());
        }
        Err(self.unless_administrator(None, only_administrators()))
    }

    /// Checks that the caller administers this organisation.
    ///
    /// # Errors
    /// As for [`require`](Self::require).
    pub fn require_administrator_of(&self, chave: &ChaveOrganizacao) -> Result<()> {
        if self.administers(chave) {
            return Ok(());
        }
        Err(self.unless_administrator(Some(chave), only_administrators()))
    }

    /// Checks that the caller administers the organisation that a request names `nome`, whether or not the
    /// organisation is served.
    ///
    /// # Errors
    /// As for [`require`](Self::require).
    pub fn require_administrator_named(&self, nome: &NomeOrganizacao) -> Result<()> {
        match self.names.chave_of(nome) {
            Some(chave) => self.require_administrator_of(&chave),
            None if self.administers_everything() => Ok(()),
            None => Err(only_administrators()),
        }
    }

    /// Returns the error for a caller that does not administer an organisation (`None`: any): `error`, or the
    /// upstream error if an undecided entry may concern the organisation. An upstream failure never counts as
    /// a refusal.
    #[must_use]
    pub fn unless_administrator(&self, chave: Option<&ChaveOrganizacao>, error: Error) -> Error {
        let concerns =
            |entry: &&UndecidedEntry| entry.of.is_none() || chave.is_none() || entry.of.as_ref() == chave;
        match self.administration.undecided_entries.iter().find(concerns) {
            Some(entry) => entry.trouble.clone().into(),
            None => error,
        }
    }

    /// Returns the row scope of the caller as an administrator: the administered organisations of which the
    /// caller is a member.
    #[must_use]
    pub fn administered_scope(&self) -> Scope {
        if self.administers_everything() {
            return self.scope();
        }
        match self.scope() {
            Scope::Organizacoes { chaves, .. } => Scope::Organizacoes {
                chaves: chaves
                    .into_iter()
                    .filter(|chave| self.administers(chave))
                    .collect(),
                and_unassigned: false,
            },
            all @ (Scope::Everything | Scope::Maintenance | Scope::Vault(_)) => all,
        }
    }

    /// Returns the scope of the caller in the vault: the administered organisations, including those of which
    /// the caller is not a member.
    #[must_use]
    pub fn vault_scope(&self) -> Scope {
        match self.administered() {
            Administered::Everything => Scope::Maintenance,
            Administered::Organizacoes(chaves) => Scope::Vault(chaves.iter().cloned().collect()),
            Administered::Nothing => Scope::Vault(Vec::new()),
        }
    }
}

fn only_administrators() -> Error {
    Error::Forbidden("Somente administradores podem fazer isto".to_owned())
}

/// Logs how administrators are matched, and warns of entries that apply to more than one organisation.
pub fn log_admin_users(config: &AuthConfig, organisations: usize) {
    let entries = &config.admin_users;
    if entries.is_empty() {
        tracing::info!("ADMIN_USERS is empty: no caller is an administrator");
        return;
    }
    let count = |is: fn(&AdminName) -> bool| entries.iter().filter(|entry| is(&entry.name)).count();
    let unbound = entries.iter().filter(|entry| entry.organizacao.is_none()).count();
    tracing::info!(
        ids = count(|name| matches!(name, AdminName::Id(_))),
        emails = count(|name| matches!(name, AdminName::Email(_))),
        accounts = count(|name| matches!(name, AdminName::Account(_))),
        bound = entries.len() - unbound,
        "administrators configured: ids match in every organisation, e-mails and accounts as the default organisation \
         reports them, bound entries as their own organisation reports them"
    );
    if unbound > 0 && organisations > 1 {
        tracing::warn!(
            unbound,
            organisations,
            "ADMIN_USERS has unbound entries: they administer all organisations and read the whole vault; bind them \
             (organisation/entry) unless every organisation trusts these people"
        );
    }
}
