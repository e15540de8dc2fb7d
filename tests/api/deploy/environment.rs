//! The variables that docker-compose.yml gives to the service: known to it, complete, and a configuration
//! that it takes.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use aponta::config::SECRETS;
use serde_json::{Map, Value};

use super::read;
use super::rules::{MOUNTS, secret_files, services};
use crate::support::process::{aponta, run};

/// Those that an installation by docker-compose.yml cannot set: callers must prove their identity, and what
/// is always there of secrets has one place.
const LEFT_OUT: [&str; 7] = [
    "ALLOW_INSECURE_AUTH",
    "AUTH_ENABLED",
    "DATABASE_PASSWORD",
    "DATABASE_URL_FILE",
    "PAT_ENCRYPTION_KEY",
    "PAT_ENCRYPTION_KEYS",
    "PAT_ENCRYPTION_KEY_FILE",
];

/// Names of `.env.example` that `aponta serve` reads, with what stands there.
fn known() -> BTreeMap<String, String> {
    let example = read(".env.example");
    let (serve, _dev) = example.split_once("# --- Only for `aponta dev`").unwrap();
    let lines = serve.lines().map(|line| line.trim_start_matches('#'));
    let pairs = lines.filter_map(|line| line.split_once('='));
    let is_name = |name: &str| name.chars().all(|c| c.is_ascii_uppercase() || c == '_');
    pairs
        .filter(|(name, _)| is_name(name))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

/// What Compose would give to a container whose `environment` is this, with these in `.env`.
pub fn resolve(
    environment: &Value,
    env: &BTreeMap<String, String>,
) -> Result<BTreeMap<String, String>, String> {
    let environment: &Map<String, Value> = environment.as_object().unwrap();
    let mut resolved = BTreeMap::new();
    for (name, value) in environment {
        let value = match value {
            Value::Null => env.get(name).cloned(),
            Value::String(text) => Some(interpolate(text, env)?),
            other => panic!("{name}: {other} is no string: YAML may read it as something else"),
        };
        resolved.extend(value.map(|value| (name.clone(), value)));
    }
    Ok(resolved)
}

/// What `service` would be given: its environment, in which each secret is the file in `folder` that would be
/// mounted.
pub fn given(service: &str, env: &BTreeMap<String, String>, folder: &Path) -> BTreeMap<String, String> {
    let text = read("docker-compose.yml");
    let files = secret_files(&text);
    let mut given = resolve(&services(&text)[service]["environment"], env)
        .unwrap_or_else(|missing| panic!("{service}: {missing}"));
    for value in given.values_mut() {
        if let Some(name) = value.strip_prefix(MOUNTS) {
            let file = folder.join(interpolate(&files[name], env).unwrap());
            file.to_str().unwrap().clone_into(value);
        }
    }
    given
}

/// `${NAME}`, `${NAME:-default}`, `${NAME:+replacement}` and `${NAME:?message}`.
fn interpolate(text: &str, env: &BTreeMap<String, String>) -> Result<String, String> {
    let mut parts = text.split("${");
    let mut result = parts.next().unwrap().to_owned();
    for part in parts {
        let (inside, rest) = part.split_once('}').unwrap();
        let name = inside.split(':').next().unwrap();
        let value = env.get(name).filter(|value| !value.is_empty());
        match (value, &inside[name.len()..]) {
            (given, other) if other.starts_with(":+") => result.push_str(given.map_or("", |_| &other[2..])),
            (Some(value), _) => result.push_str(value),
            (None, other) if other.starts_with(":-") => result.push_str(&other[2..]),
            (None, other) => return Err(format!("{name}{other}")),
        }
        result.push_str(rest);
    }
    Ok(result)
}

fn environment_of(service: &str) -> Value {
    services(&read("docker-compose.yml"))[service]["environment"].clone()
}

/// Does for a key, a password and a PAT.
const SECRET: &str = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";

/// `.env.example` filled in for the compose file, with all secrets in files of `folder`.
fn filled_in(folder: &Path) -> BTreeMap<String, String> {
    let mut env = known();
    fs::create_dir_all(folder.join("secrets")).unwrap();
    for name in SECRETS {
        // What the example shows, if it shows anything.
        let value = env.remove(name).filter(|value| !value.is_empty());
        let file = format!("./secrets/{}", name.to_ascii_lowercase());
        let content = match name {
            "OTEL_EXPORTER_OTLP_HEADERS" => "api-key=segredo".to_owned(),
            _ => value.unwrap_or_else(|| SECRET.to_owned()),
        };
        fs::write(folder.join(&file), content + "\n").unwrap();
        env.insert(format!("{name}_FILE"), file);
    }
    env.insert("DATABASE_HOST".to_owned(), "pgbouncer".to_owned());
    env
}

#[test]
fn every_variable_can_be_set_and_is_known() {
    let environment = environment_of("api");
    let given: BTreeSet<&str> = environment
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    let known = known();
    let mut wanted: BTreeSet<&str> = known.keys().map(String::as_str).collect();
    wanted.retain(|name| !LEFT_OUT.contains(name));
    let lacking: Vec<_> = wanted.difference(&given).collect();
    assert!(
        lacking.is_empty(),
        "docker-compose.yml passes these of .env to nobody: {lacking:?}"
    );
    let unknown: Vec<_> = given.difference(&wanted).collect();
    assert!(unknown.is_empty(), "the service knows no {unknown:?}");
    let migrate = environment_of("migrate");
    for name in migrate.as_object().unwrap().keys() {
        assert!(known.contains_key(name), "migrate knows no {name}");
    }
}

#[test]
fn env_example_names_fixed_variables() {
    let example = read("deploy/compose.env.example");
    let (said, _) = example.split_once("\n\n").unwrap();
    let environment = environment_of("api");
    let fixed = environment.as_object().unwrap().iter().filter(|(name, value)| {
        let from_env = value.is_null() || value.as_str().unwrap().contains(&format!("${{{name}:"));
        !from_env
    });
    let names = fixed.map(|(name, _)| name.as_str()).chain(LEFT_OUT);
    for name in names {
        let group = name.split('_').next().unwrap();
        assert!(
            said.contains(name) || said.contains(&format!("{group}_*")),
            "{name}"
        );
    }
}

#[tokio::test]
async fn compose_environment_is_a_valid_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let check = async |env: &BTreeMap<String, String>| {
        let mut command = aponta(folder.path(), &["check-config"]);
        command.envs(given("api", env, folder.path()));
        run(command).await
    };
    let (code, out, err) = check(&filled_in(folder.path())).await;
    assert_eq!(code, 0, "{err}");
    for part in [
        "environment production",
        "listening on 0.0.0.0:8000",
        "authentication on",
    ] {
        assert!(out.contains(part), "{out}");
    }

    // Optional secrets may also stand in .env, or nowhere.
    let mut few = filled_in(folder.path());
    few.retain(|name, _| !name.ends_with("_FILE"));
    few.insert("AZURE_DEVOPS_PAT".to_owned(), "segredo".to_owned());
    let (code, _, err) = check(&few).await;
    assert_eq!(code, 0, "{err}");

    let mut wrong = filled_in(folder.path());
    wrong.insert("RATE_LIMIT_BURST".to_owned(), "many".to_owned());
    wrong.insert("APONTA_SUBNET".to_owned(), "172.28.0.0/99".to_owned());
    let (code, _, err) = check(&wrong).await;
    assert!(
        code == 2 && err.contains("RATE_LIMIT_BURST") && err.contains("TRUSTED_PROXIES"),
        "what stands in .env arrives: {err}"
    );
}

#[tokio::test]
async fn required_variable_missing_is_a_problem() {
    let folder = tempfile::tempdir().unwrap();
    let mut env = filled_in(folder.path());
    for secret in ["database_password", "pat_encryption_keys"] {
        // The engine refuses a file that is not there; an empty one is refused here.
        fs::write(folder.path().join("secrets").join(secret), "").unwrap();
    }
    let mut check = aponta(folder.path(), &["check-config"]);
    check.envs(given("api", &env, folder.path()));
    let (code, _, err) = run(check).await;
    assert_eq!(code, 2);
    for name in ["DATABASE_PASSWORD_FILE", "PAT_ENCRYPTION_KEYS_FILE"] {
        assert!(err.contains(&format!("{name}: names an empty file")), "{err}");
    }
    env.insert("AZURE_DEVOPS_ORG_URL".to_owned(), String::new());
    let missed = resolve(&environment_of("api"), &env).unwrap_err();
    assert!(missed.starts_with("AZURE_DEVOPS_ORG_URL"), "{missed}");
}

#[test]
fn values_are_interpolated_like_compose() {
    let env = BTreeMap::from([("A".to_owned(), "1".to_owned()), ("E".to_owned(), String::new())]);
    assert_eq!(interpolate("x${A}y${B:-2}z", &env).unwrap(), "x1y2z");
    assert_eq!(interpolate("${E:-default}", &env).unwrap(), "default");
    assert_eq!(interpolate("${A:+x}${B:+y}${E:+z}", &env).unwrap(), "x");
    assert_eq!(interpolate("${E:?say so}", &env).unwrap_err(), "E:?say so");
}
