//! Whose hours: identity comes from the token, never from the body (D-02); others' entries are for administrators (D-03).

use uuid::Uuid;

use crate::auth::CurrentUser;
use crate::db::Db;
use crate::error::{Error, Result};
use crate::models::apontamento::{Apontamento, Pessoa, UsuarioInformado};
use crate::models::organizacao::ChaveOrganizacao;
use crate::models::papel::Papel;
use crate::repositories::apontamentos as repo;

/// Whose hours a request is about, as far as that can be told without asking anybody.
#[derive(Debug)]
pub(super) struct Claim {
    /// Who enters them.
    pub(super) writer: Pessoa,
    /// Somebody else whose hours they are.
    colleague: Option<UsuarioInformado>,
}

/// Whose hours these are, and who enters them if that is somebody else.
#[derive(Debug)]
pub(super) struct Author {
    pub(super) usuario: Pessoa,
    pub(super) registrado_por: Option<Pessoa>,
}

impl Claim {
    /// Compares what the body says with who is calling. Each organisation gives a caller an id, and may know another e-mail;
    /// clients send what `GET /user` told them, wherever they log hours.
    ///
    /// # Errors
    /// [`Error::Forbidden`] when it names somebody else, except for administrators.
    pub(super) fn check(
        user: &CurrentUser,
        organizacao: &ChaveOrganizacao,
        said: &UsuarioInformado,
    ) -> Result<Self> {
        let writer = user.as_known_in(organizacao);
        let own = |id: &String| user.ids().iter().any(|own| own.eq_ignore_ascii_case(id));
        let colleague = said.id.as_ref().filter(|id| !own(id)).map(|_| said.clone());
        let allowed = match (&colleague, &said.email) {
            (Some(_), _) => user.papel == Papel::Admin,
            (None, Some(email)) => {
                let known = user.emails();
                known.is_empty() || known.contains(&email.to_lowercase())
            }
            (None, None) => true,
        };
        if !allowed {
            return Err(somebody_else());
        }
        Ok(Self { writer, colleague })
    }

    /// Finds the somebody else, if there is one.
    ///
    /// # Errors
    /// [`Error::InvalidReference`] when the organisation does not know them.
    pub(super) async fn author(
        self,
        db: &Db,
        user: &CurrentUser,
        organizacao: &ChaveOrganizacao,
    ) -> Result<Author> {
        let Some(said) = self.colleague else {
            return Ok(Author {
                usuario: self.writer,
                registrado_por: None,
            });
        };
        Ok(Author {
            usuario: colleague(db, user, organizacao, said).await?,
            registrado_por: Some(self.writer),
        })
    }
}

/// Somebody for whom an administrator enters hours: as the organisation knows them, where it can be asked, or as their
/// latest entry names them.
async fn colleague(
    db: &Db,
    user: &CurrentUser,
    organizacao: &ChaveOrganizacao,
    said: UsuarioInformado,
) -> Result<Pessoa> {
    let id = said.id.unwrap_or_default();
    let asked = user.membership_in(organizacao);
    let asked = asked.and_then(|membership| {
        let credential = membership.service_credential().ok()?;
        Some((membership, credential))
    });
    let Some((membership, credential)) = asked else {
        return Ok(Pessoa {
            nome: said.nome.unwrap_or_else(|| id.clone()),
            id: id.to_ascii_lowercase(),
            email: said.email,
        });
    };
    let unknown = || Error::InvalidReference(format!("Usuário não encontrado: {id}"));
    let guid = Uuid::parse_str(&id).map_err(|_| unknown())?;
    let identity = membership.organizacao().identity(credential, guid).await?;
    let Some(identity) = identity else {
        // A person who left keeps their entries, which an administrator may have to correct.
        let mut tx = db.begin_read(&user.scope()).await?;
        let known = repo::person_of(&mut tx, organizacao, &guid.to_string()).await?;
        tx.end();
        return known.ok_or_else(unknown);
    };
    Ok(Pessoa {
        id: identity.id.to_string(),
        nome: identity.nome.or(said.nome).unwrap_or(id),
        email: identity.email.or(said.email),
    })
}

/// Refuses to change an entry that is neither the caller's own nor an administrator's business.
pub(super) fn may_change(user: &CurrentUser, entry: &Apontamento) -> Result<()> {
    if user.papel == Papel::Admin || user.ids().contains(&entry.usuario.id) {
        return Ok(());
    }
    Err(Error::Forbidden(
        "Somente o autor do apontamento ou um administrador pode alterá-lo".to_owned(),
    ))
}

/// Whose entries a list shows: the caller's under each of their ids, or one person's for administrators.
pub(super) fn whose(user: &CurrentUser, asked: Option<&String>) -> Result<Vec<String>> {
    let own = user.ids();
    match asked {
        None => Ok(own),
        Some(id) if own.iter().any(|own| own.eq_ignore_ascii_case(id)) => Ok(own),
        Some(id) if user.papel == Papel::Admin => Ok(vec![id.to_ascii_lowercase()]),
        Some(_) => Err(Error::Forbidden(
            "Somente administradores podem consultar apontamentos de outras pessoas".to_owned(),
        )),
    }
}

fn somebody_else() -> Error {
    Error::Forbidden(
        "Os dados do usuário não são os de quem está autenticado; ninguém aponta horas por outra pessoa"
            .to_owned(),
    )
}
