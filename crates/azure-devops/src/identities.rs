//! People: lookup by id, and their pictures.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use uuid::Uuid;

use super::credential::Credential;
use super::error::Error;
use super::lenient::List;
use super::operation::{Host, READ_AVATAR, READ_IDENTITY};
use super::organizacao::{Organizacao, text_at};
use aponta_domain::ids::person_id;
use aponta_domain::text::{NAME_MAX, from_upstream};

/// Maximum length of a picture in base64 characters; larger ones are too large for every response.
const LARGEST_AVATAR: usize = 256 << 10;

/// Property with the id in Entra.
const OBJECT_ID: &str = "http://schemas.microsoft.com/identity/claims/objectidentifier";

/// Id of the anonymous identity.
const ANONYMOUS: Uuid = Uuid::from_u128(0xaaaa_aaaa_aaaa_aaaa_aaaa_aaaa_aaaa_aaaa);

/// Returns `true` for ids that stand for no person: the nil id and the anonymous identity.
#[must_use]
pub fn is_placeholder_id(id: Uuid) -> bool {
    id.is_nil() || id == ANONYMOUS
}

/// Returns `true` for an e-mail address that can be stored. Others are ignored: an address stands for rights,
/// so that it is never cut or cleaned.
fn is_address(text: &str) -> bool {
    text.contains('@') && text.chars().count() <= NAME_MAX && !text.contains(char::is_control)
}

/// Member of an organisation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Id in the organisation (not the id in Entra).
    pub id: Uuid,
    /// Id shared by all organisations, if it differs from `id`.
    pub master_id: Option<Uuid>,
    /// Id in Entra.
    pub object_id: Option<Uuid>,
    /// Display name.
    pub nome: Option<String>,
    /// E-mail for display: the first one of `emails`.
    pub email: Option<String>,
    /// All e-mail addresses: the sign-in name, then the mailbox.
    pub emails: Vec<String>,
    /// Sign-in names that are not an e-mail, on Azure DevOps Server: `name` or `DOMAIN\name`, as the server
    /// reports them.
    pub accounts: Vec<String>,
    /// Key of the picture.
    pub subject_descriptor: Option<String>,
}

impl Identity {
    /// Reads an identity; all values except the id are optional.
    pub(super) fn from_json(id: Uuid, user: &Value) -> Self {
        let property = |name: &str| text_at(user, &format!("/properties/{}/$value", name.replace('/', "~1")));
        let id_of = |text: Option<String>| text.as_deref().and_then(person_id);
        // The account is the sign-in name; on Azure DevOps Server it is `DOMAIN\name`.
        let account = property("Account");
        let mut emails: Vec<String> = Vec::new();
        for address in [account.clone(), property("Mail")].into_iter().flatten() {
            if is_address(&address) && !emails.iter().any(|known| known.eq_ignore_ascii_case(&address)) {
                emails.push(address);
            }
        }
        let mut accounts: Vec<String> = account
            .into_iter()
            .filter(|account| !account.contains('@'))
            .collect();
        let bare = accounts.first().filter(|account| !account.contains('\\'));
        let qualified = bare.zip(property("Domain"));
        let qualified = qualified.map(|(account, domain)| format!("{domain}\\{account}"));
        accounts.extend(qualified);
        let nome = text_at(user, "/customDisplayName").or_else(|| text_at(user, "/providerDisplayName"));
        let nome = nome.map(|nome| from_upstream(&nome, NAME_MAX));
        Self {
            id,
            master_id: id_of(text_at(user, "/masterId")).filter(|master| *master != id),
            object_id: id_of(property(OBJECT_ID)),
            nome: nome.filter(|nome| !nome.is_empty()),
            email: emails.first().cloned(),
            emails,
            accounts,
            subject_descriptor: text_at(user, "/subjectDescriptor"),
        }
    }

    /// Returns all ids of this person: in the organisation, shared by organisations, in Entra.
    pub fn ids(&self) -> impl Iterator<Item = Uuid> {
        [Some(self.id), self.master_id, self.object_id]
            .into_iter()
            .flatten()
    }

    /// Returns `true` if `id` is one of the ids of this person.
    #[must_use]
    pub fn has_id(&self, id: Uuid) -> bool {
        self.ids().any(|own| own == id)
    }
}

impl Organizacao {
    /// Returns the person with this id. Returns `None` if the organisation has no active person with the id;
    /// groups are ignored. For an id shared by organisations, the result contains the local one.
    ///
    /// # Errors
    /// Returns an error if the lookup fails.
    pub async fn identity(&self, credential: &Credential, id: Uuid) -> Result<Option<Identity>, Error> {
        let query = [("identityIds", &*id.to_string())];
        let answer = self
            .get(
                &READ_IDENTITY,
                Host::Identity,
                &["_apis", "identities"],
                &query,
                credential,
            )
            .await?;
        let found: List<Value> = answer.json()?;
        let people = found.value.good.iter().filter_map(|identity| {
            let person = identity["isActive"] != false && identity["isContainer"] != true;
            let local = person_id(&text_at(identity, "/id")?)?;
            (person && !is_placeholder_id(local)).then(|| Identity::from_json(local, identity))
        });
        Ok(people.into_iter().find(|identity| identity.has_id(id)))
    }

    /// Returns the picture of a person as a `data:` URI. Returns `None` if there is none that browsers can
    /// show.
    ///
    /// # Errors
    /// Returns an error if the call fails.
    pub async fn avatar(&self, credential: &Credential, subject: &str) -> Result<Option<String>, Error> {
        let path = ["_apis", "graph", "Subjects", subject, "avatars"];
        let query = [("size", "medium"), ("format", "png")];
        let answer = match self
            .get(&READ_AVATAR, Host::Identity, &path, &query, credential)
            .await
        {
            // Azure DevOps Server has no pictures at this address.
            Err(Error::NotFound | Error::NotOffered) => return Ok(None),
            answer => answer?.json::<Value>()?,
        };
        Ok(answer["value"].as_str().and_then(data_uri))
    }
}

fn data_uri(base64: &str) -> Option<String> {
    if base64.len() > LARGEST_AVATAR {
        return None;
    }
    let image = STANDARD.decode(base64).ok()?;
    let kind = match image.as_slice() {
        [0x89, b'P', b'N', b'G', ..] => "image/png",
        [0xff, 0xd8, 0xff, ..] => "image/jpeg",
        [b'G', b'I', b'F', b'8', ..] => "image/gif",
        _ => return None,
    };
    Some(format!("data:{kind};base64,{base64}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn identity_names_and_emails_are_read_from_every_field() {
        let id = Uuid::new_v4();
        let user = json!({
            "providerDisplayName": "Ada", "customDisplayName": " ",
            "properties": { "Account": { "$value": "CONTOSO\\ada" }, "Mail": { "$value": "ada@contoso.example" } }
        });
        let identity = Identity::from_json(id, &user);
        assert_eq!(identity.nome.as_deref(), Some("Ada"));
        assert_eq!(identity.email.as_deref(), Some("ada@contoso.example"));
        let own = Identity::from_json(
            id,
            &json!({ "properties": { "Account": { "$value": "CONTOSO\\ada" } } }),
        );
        assert_eq!((own.nome, own.email), (None, None));
        assert_eq!(own.accounts, ["CONTOSO\\ada"]);
    }

    #[test]
    fn identity_with_several_emails_and_ids_reads_all() {
        let (id, master, object) = (Uuid::new_v4(), Uuid::new_v4(), Uuid::new_v4());
        let user = json!({
            "masterId": master.simple().to_string(),
            "properties": {
                "Account": { "$value": "ada@contoso.example" }, "Mail": { "$value": "Ada.Example@contoso.example" },
                OBJECT_ID: { "$value": format!("{{{object}}}") }
            }
        });
        let identity = Identity::from_json(id, &user);
        assert_eq!(
            identity.emails,
            ["ada@contoso.example", "Ada.Example@contoso.example"]
        );
        assert!([id, master, object].into_iter().all(|id| identity.has_id(id)));
        assert!(!identity.has_id(Uuid::new_v4()));
        let own =
            json!({ "properties": { "Account": { "$value": "ada" }, "Domain": { "$value": "CONTOSO" } } });
        assert_eq!(Identity::from_json(id, &own).accounts, ["ada", "CONTOSO\\ada"]);
        let twice = json!({ "properties": { "Account": { "$value": "A@x" }, "Mail": { "$value": "a@x" } } });
        assert_eq!(Identity::from_json(id, &twice).emails, ["A@x"]);
    }

    #[test]
    fn only_pictures_become_data_uris() {
        let png = STANDARD.encode(b"\x89PNG\r\n");
        assert_eq!(data_uri(&png), Some(format!("data:image/png;base64,{png}")));
        assert_eq!(data_uri(&STANDARD.encode("<svg onload=alert(1)>")), None);
        assert_eq!(data_uri("%"), None);
        assert_eq!(data_uri(&STANDARD.encode(vec![0x89; LARGEST_AVATAR])), None);
    }
}
