//! People of the fake, and their tokens.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use uuid::Uuid;

use super::FakeAzure;
use crate::world::Person;

impl FakeAzure {
    /// Creates a person who is a member of these organisations.
    pub fn person(&self, name: &str, orgs: &[&str]) -> Person {
        let person = Person::new(name);
        for org in orgs {
            self.join(&person, org);
        }
        person
    }

    /// Adds a person to one more organisation.
    pub fn join(&self, person: &Person, org: &str) {
        self.with_org(org, |org| org.people.push(person.clone()));
    }

    /// Returns the person of a PAT, as stored in an organisation.
    ///
    /// # Panics
    /// Panics if the PAT is unknown, or its person is not a member of the organisation.
    #[must_use]
    pub fn person_of(&self, token: &str, org: &str) -> Person {
        let id = self.shared.world().pats.get(token).copied();
        let found = self.with_org(org, |org| {
            let mut people = org.people.iter();
            people.find(|person| Some(person.id) == id).cloned()
        });
        found.unwrap_or_else(|| panic!("the PAT belongs to no member of {org}"))
    }

    /// Changes a person in all organisations.
    pub fn edit_person(&self, id: Uuid, edit: impl Fn(&mut Person)) {
        for org in self.shared.world().orgs.values_mut() {
            org.people
                .iter_mut()
                .filter(|person| person.id == id)
                .for_each(&edit);
        }
    }

    /// Creates a PAT of a person, valid in all organisations of the person.
    #[must_use]
    pub fn pat(&self, person: &Person) -> String {
        let token = format!("pat{}AZDO", Uuid::new_v4().simple());
        self.shared.world().pats.insert(token.clone(), person.id);
        token
    }

    /// Accepts a text as a PAT of a person.
    pub(crate) fn accept_pat(&self, token: &str, person: &Person) {
        self.shared.world().pats.insert(token.to_owned(), person.id);
    }

    /// Adds a second owner to a PAT: the same person under the id of other organisations.
    pub fn also(&self, token: &str, person: &Person) {
        self.shared.world().aliases.insert(token.to_owned(), person.id);
    }

    /// Creates an access token of a person, in the form of a JWT.
    #[must_use]
    pub fn access_token(&self, person: &Person) -> String {
        let token = format!(
            "eyJ0eXAiOiJKV1QifQ.eyJpc3MiOiJlbnRyYSJ9.{}",
            Uuid::new_v4().simple()
        );
        self.accept(&token, person);
        token
    }

    /// Creates an access token as signed by Azure DevOps itself: RS256, with the `iss` of app tokens.
    #[must_use]
    pub fn azure_devops_token(&self, person: &Person) -> String {
        let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let token = format!(
            "{}.{}.{}",
            part(json!({ "typ": "JWT", "alg": "RS256", "x5t": "oOvcz5M_7p-HjIKlFXz93u_V0Zo" })),
            part(json!({
                "iss": "app.vstoken.visualstudio.com",
                "aud": format!("app.vstoken.visualstudio.com|vso:{}", Uuid::new_v4()),
                "nameid": Uuid::new_v4(), "scp": "vso.work_write"
            })),
            Uuid::new_v4().simple()
        );
        self.accept(&token, person);
        token
    }

    /// Registers any text as an access token of a person.
    pub fn accept(&self, token: &str, person: &Person) {
        let tokens = &mut self.shared.world().access_tokens;
        tokens.insert(token.to_owned(), person.id);
    }

    /// Revokes a PAT or an access token.
    pub fn revoke(&self, token: &str) {
        let mut world = self.shared.world();
        world.pats.remove(token);
        world.access_tokens.remove(token);
    }
}
