//! Six people of the demonstration and the service's own account, each with a PAT and a picture.

use uuid::Uuid;

use super::{Login, ORGANIZATION, SECOND_ORGANIZATION, SECOND_PAT, SERVICE_PAT};
use crate::FakeAzure;
use crate::picture;
use crate::world::Person;

/// Describes a person: id, colour of the picture.
type Entry = (u128, Login, [u8; 3]);

const fn login(name: &'static str, account: &'static str, pat: &'static str) -> Login {
    Login { name, account, pat }
}

const PEOPLE: [Entry; 6] = [
    (
        0x3f0a_5c11_2222_4b4b_8c8c_5d5d_5d5d_5d5d,
        login("Ana Lima", "ana@contoso.com", "demo-pat-ana-lima"),
        [0x8e, 0x24, 0xaa],
    ),
    (
        0x3f0a_5c11_2222_4b4b_8c8c_5d5d_5d5d_5d5e,
        login("Bruno Souza", "bruno@contoso.com", "demo-pat-bruno-souza"),
        [0x1e, 0x88, 0xe5],
    ),
    (
        0x3f0a_5c11_2222_4b4b_8c8c_5d5d_5d5d_5d5f,
        login("Carla Mendes", "carla@contoso.com", "demo-pat-carla-mendes"),
        [0xd8, 0x1b, 0x60],
    ),
    (
        0x3f0a_5c11_2222_4b4b_8c8c_5d5d_5d5d_5d60,
        login("Diego Ramos", "diego@contoso.com", "demo-pat-diego-ramos"),
        [0x43, 0xa0, 0x47],
    ),
    (
        0x3f0a_5c11_2222_4b4b_8c8c_5d5d_5d5d_5d61,
        login("Elisa Prado", "elisa@contoso.com", "demo-pat-elisa-prado"),
        [0xf4, 0x51, 0x1e],
    ),
    (
        0x3f0a_5c11_2222_4b4b_8c8c_5d5d_5d5d_5d62,
        login("Fábio Nunes", "fabio@contoso.com", "demo-pat-fabio-nunes"),
        [0x00, 0x89, 0x7b],
    ),
];

const SERVICE: Entry = (
    0x3f0a_5c11_2222_4b4b_8c8c_5d5d_5d5d_5d00,
    login("Serviço Aponta", "servico.aponta@contoso.com", SERVICE_PAT),
    [0x60, 0x7d, 0x8b],
);

/// PAT of the OpenAPI document's examples for the vault.
const EXAMPLE_PAT: &str = "the-pat-of-contoso";

/// Adds the people with their PATs. Returns them without the service's account.
pub(super) fn plant(fake: &FakeAzure) -> Vec<Login> {
    for entry in PEOPLE.iter().chain([&SERVICE]) {
        let person = person(entry);
        fake.join(&person, ORGANIZATION);
        fake.accept_pat(entry.1.pat, &person);
    }
    let service = person(&SERVICE);
    fake.accept_pat(EXAMPLE_PAT, &service);
    fake.join(&service, SECOND_ORGANIZATION);
    fake.accept_pat(SECOND_PAT, &service);
    PEOPLE.iter().map(|(_, login, _)| login.clone()).collect()
}

fn person((id, login, color): &Entry) -> Person {
    let mut person = Person::new(login.name);
    person.id = Uuid::from_u128(*id);
    login.account.clone_into(&mut person.email);
    person.avatar = Some(picture::png(*color));
    person
}

/// Returns the person with this account.
///
/// # Panics
/// When no person has it: the tables of the demonstration disagree.
pub(super) fn by_account(account: &str) -> Person {
    match PEOPLE.iter().find(|(_, login, _)| login.account == account) {
        Some(entry) => person(entry),
        None => panic!("no person of the demonstration has the account {account}"),
    }
}

/// Returns the id of the person with this account.
pub(super) fn id_of(account: &str) -> Uuid {
    by_account(account).id
}
