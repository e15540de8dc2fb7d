//! People: by id, and their pictures.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use uuid::Uuid;

use super::credential::Credential;
use super::error::Error;
use super::lenient::List;
use super::operation::{READ_AVATAR, READ_IDENTITY};
use super::organizacao::{Host, Organizacao, text_at};

/// Larger pictures are not worth carrying in every answer; base64 characters.
const LARGEST_AVATAR: usize = 256 << 10;

/// The id of whoever is not signed in.
const ANONYMOUS: Uuid = Uuid::from_u128(0xaaaa_aaaa_aaaa_aaaa_aaaa_aaaa_aaaa_aaaa);

/// Ids that stand for no person.
#[must_use]
pub fn is_nobody(id: Uuid) -> bool {
    id.is_nil() || id == ANONYMOUS
}

/// A member of an organisation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Id in the organisation (not that of Entra).
    pub id: Uuid,
    /// Display name.
    pub nome: Option<String>,
    /// E-mail.
    pub email: Option<String>,
    /// Key of the picture.
    pub subject_descriptor: Option<String>,
}

impl Identity {
    /// Everything but the id is optional.
    pub(super) fn from_json(id: Uuid, user: &Value) -> Self {
        let property = |name: &str| text_at(user, &format!("/properties/{name}/$value"));
        // The account is what people sign in with; on a server of one's own it is DOMAIN\name.
        let email = [property("Account"), property("Mail")];
        Self {
            id,
            nome: text_at(user, "/customDisplayName").or_else(|| text_at(user, "/providerDisplayName")),
            email: email.into_iter().flatten().find(|email| email.contains('@')),
            subject_descriptor: text_at(user, "/subjectDescriptor"),
        }
    }
}

impl Organizacao {
    /// The person with this id, if the organisation knows an active one; groups do not count.
    ///
    /// # Errors
    /// When it cannot be told.
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
        let person = found.value.good.iter().find(|identity| {
            let same = text_at(identity, "/id").and_then(|text| Uuid::parse_str(&text).ok()) == Some(id);
            same && identity["isActive"] != false && identity["isContainer"] != true
        });
        Ok(person.map(|identity| Identity::from_json(id, identity)))
    }

    /// The picture of a person as a `data:` URI, if there is one that browsers show.
    ///
    /// # Errors
    /// When it cannot be told.
    pub async fn avatar(&self, credential: &Credential, subject: &str) -> Result<Option<String>, Error> {
        let path = ["_apis", "graph", "Subjects", subject, "avatars"];
        let query = [("size", "medium"), ("format", "png")];
        let answer = match self
            .get(&READ_AVATAR, Host::Identity, &path, &query, credential)
            .await
        {
            Err(Error::NotFound) => return Ok(None),
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
    fn names_and_addresses_come_from_where_they_are() {
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
