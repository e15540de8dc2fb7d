//! Ownership of hours: the identity comes from the token, never from the body (D-02); entries of other people
//! are reserved for administrators (D-03).

use crate::auth::CurrentUser;
use crate::azure_devops::Error as AzureError;
use crate::db::Db;
use crate::error::{Error, Result};
use crate::models::apontamento::{Apontamento, ApontamentoFilter, Pessoa, UsuarioInformado};
use crate::models::ids::person_id;
use crate::models::organizacao::{ChaveOrganizacao, Scope};
use crate::models::papel::Papel;
use crate::repositories::apontamentos as repo;

/// Owner of the hours of a request, as far as known without a call to Azure DevOps.
#[derive(Debug)]
pub(super) struct AuthorClaim {
    /// Author of the entry.
    pub(super) writer: Pessoa,
    /// Another person as the owner of the hours; `None` if the author owns them.
    colleague: Option<UsuarioInformado>,
}

/// Owner of the hours, and the administrator that enters the hours for the owner.
#[derive(Debug)]
pub(super) struct Author {
    pub(super) usuario: Pessoa,
    pub(super) registrado_por: Option<Pessoa>,
}

impl AuthorClaim {
    /// Compares the person in the body with the caller. Each organisation has its own id and possibly its own
    /// e-mail for a caller, and clients send the values of `GET /user` in every organisation.
    ///
    /// # Errors
    /// [`Error::Forbidden`] when the body names another person, except for administrators;
    /// [`Error::Upstream`] when this cannot be determined.
    pub(super) async fn check(
        user: &CurrentUser,
        organizacao: &ChaveOrganizacao,
        named: &UsuarioInformado,
    ) -> Result<Self> {
        let writer = user.pessoa_in(organizacao);
        let colleague = named.id.as_ref().filter(|id| !user.has_id(id));
        let colleague = colleague.map(|_| named.clone());
        match (&colleague, &named.email) {
            (Some(_), _) if !user.administers(organizacao) => {
                return Err(user.unless_administrator(Some(organizacao), not_the_caller()));
            }
            (None, Some(email)) if !is_own_email(user, organizacao, email).await? => {
                return Err(not_the_caller());
            }
            _ => {}
        }
        Ok(Self { writer, colleague })
    }

    /// Returns the owner of the hours, and the administrator if the owner is another person.
    ///
    /// # Errors
    /// [`Error::InvalidReference`] when the organisation does not know the other person.
    pub(super) async fn author(
        self,
        db: &Db,
        user: &CurrentUser,
        organizacao: &ChaveOrganizacao,
    ) -> Result<Author> {
        let Some(named) = self.colleague else {
            return Ok(Author {
                usuario: self.writer,
                registrado_por: None,
            });
        };
        Ok(Author {
            usuario: colleague(db, user, organizacao, named).await?,
            registrado_por: Some(self.writer),
        })
    }
}

/// Returns the person for whom an administrator enters hours: as the organisation knows the person, or as the
/// person's latest entry names them. If the organisation cannot be called, returns the data of the request.
async fn colleague(
    db: &Db,
    user: &CurrentUser,
    organizacao: &ChaveOrganizacao,
    named: UsuarioInformado,
) -> Result<Pessoa> {
    let id = named.id.unwrap_or_default();
    let queryable_membership = user.membership_in(organizacao);
    let queryable_membership = queryable_membership.and_then(|membership| {
        let credential = membership.service_credential().ok()?;
        Some((membership, credential))
    });
    let Some((membership, credential)) = queryable_membership else {
        return Ok(Pessoa {
            nome: named.nome.unwrap_or_else(|| id.clone()),
            id: id.to_ascii_lowercase(),
            email: named.email,
        });
    };
    let unknown = || Error::InvalidReference(format!("Usuário não encontrado: {id}"));
    let guid = person_id(&id).ok_or_else(unknown)?;
    let identity = membership.organizacao().identity(credential, guid).await?;
    let Some(identity) = identity else {
        // A person that left the organisation still has entries, which an administrator may have to correct.
        let mut tx = db.begin_read(&user.scope()).await?;
        let known = repo::person_of(&mut tx, organizacao, &guid.to_string()).await?;
        return known.ok_or_else(unknown);
    };
    Ok(Pessoa {
        id: identity.id.to_string(),
        nome: identity.nome.or(named.nome).unwrap_or(id),
        email: identity.email.or(named.email),
    })
}

/// Refuses a change of an entry by a caller that neither owns the entry nor administers its organisation.
pub(super) fn may_change(user: &CurrentUser, entry: &Apontamento) -> Result<()> {
    if user.administers(&entry.organizacao) || user.has_id(&entry.usuario.id) {
        return Ok(());
    }
    let refused = "Somente o autor do apontamento ou um administrador pode alterá-lo";
    Err(user.unless_administrator(Some(&entry.organizacao), Error::Forbidden(refused.to_owned())))
}

/// Returns the ids of the people whose entries a list shows (`None`: all people), and the scope of the list:
/// all ids and the scope of the caller, or other people in the organisations that the caller administers.
///
/// # Errors
/// [`Error::Forbidden`] when the list is of other people and the caller does not administer `organizacao`
/// (`None`: any organisation).
pub(super) fn owners_and_scope(
    user: &CurrentUser,
    filter: &ApontamentoFilter,
    organizacao: Option<&ChaveOrganizacao>,
) -> Result<(Option<Vec<String>>, Scope)> {
    let id = match &filter.usuario {
        Some(id) if !user.has_id(id) => Some(id),
        None if filter.todos => None,
        _ => return Ok((Some(user.ids()), user.scope())),
    };
    let allowed = match organizacao {
        Some(chave) => user.administers(chave),
        None => user.papel() == Papel::Admin,
    };
    if allowed {
        // Ids are stored in lower case, with hyphens.
        let stored = |id: &String| person_id(id).map_or_else(|| id.to_ascii_lowercase(), |id| id.to_string());
        return Ok((id.map(|id| vec![stored(id)]), user.administered_scope()));
    }
    let refused = "Somente administradores podem consultar apontamentos de outras pessoas";
    Err(user.unless_administrator(organizacao, Error::Forbidden(refused.to_owned())))
}

/// Returns `true` if an organisation knows the caller by this e-mail, or knows no e-mail of the caller.
/// `connectionData` returns only the sign-in name: any other address is checked with the identity service.
async fn is_own_email(user: &CurrentUser, organizacao: &ChaveOrganizacao, email: &str) -> Result<bool> {
    let same = |known: &String| known.to_lowercase() == email.to_lowercase();
    let known = user.emails();
    if known.is_empty() || known.iter().any(same) {
        return Ok(true);
    }
    let Some(membership) = user.membership_in(organizacao) else {
        return Ok(false);
    };
    let (Some(identity), Ok(credential)) = (membership.identity(), membership.service_credential()) else {
        return Ok(false);
    };
    match membership.organizacao().identity(credential, identity.id).await {
        Ok(found) => Ok(found.is_some_and(|found| found.emails.iter().any(same))),
        // A credential without permission to read identities gives no further information.
        Err(AzureError::InvalidCredential { .. } | AzureError::Forbidden | AzureError::NotFound) => Ok(false),
        Err(trouble) => Err(trouble.into()),
    }
}

fn not_the_caller() -> Error {
    Error::Forbidden(
        "Os dados do usuário não são os de quem está autenticado; ninguém aponta horas por outra pessoa"
            .to_owned(),
    )
}
