//! The variables that docker-compose.yml gives to the service: known to it, complete, and a configuration that it takes.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::rules::services;
use super::{is_secret, read};
use crate::support::process::{aponta, run};

/// Those that an installation by docker-compose.yml cannot set: callers must prove who they are.
const LEFT_OUT: [&str; 2] = ["ALLOW_INSECURE_AUTH", "AUTH_ENABLED"];

/// Names of `.env.example` that `aponta serve` reads, with what stands there.
fn known() -> BTreeMap<String, String> {
    let example = read(".env.example");
    let (serve, _dev) = example.split_once("# --- Only for `aponta dev`").unwrap();
    let lines = serve.lines().map(|line| line.trim_start_matches('#'));
    let pairs = lines.filter_map(|line| line.split_once('='));
    let is_name =
        |name: &str| name.chars().all(|c| c.is_ascii_uppercase() || c == '_') && !name.ends_with("_FILE");
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

/// `${NAME}`, `${NAME:-default}` and `${NAME:?message}`.
fn interpolate(text: &str, env: &BTreeMap<String, String>) -> Result<String, String> {
    let mut parts = text.split("${");
    let mut result = parts.next().unwrap().to_owned();
    for part in parts {
        let (inside, rest) = part.split_once('}').unwrap();
        let name = inside.split(':').next().unwrap();
        let value = env.get(name).filter(|value| !value.is_empty());
        match (value, &inside[name.len()..]) {
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

/// `.env.example` as somebody would fill it in.
fn filled_in() -> BTreeMap<String, String> {
    let mut env = known();
    for (name, value) in &mut env {
        if is_secret(name) && value.is_empty() {
            "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=".clone_into(value);
        }
    }
    env.insert("DATABASE_HOST".to_owned(), "pgbouncer".to_owned());
    env
}

#[test]
fn every_variable_of_the_service_can_be_set_and_is_known() {
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
fn what_env_cannot_change_is_said_there() {
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
async fn the_service_takes_its_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let check = async |env: &BTreeMap<String, String>| {
        let mut command = aponta(folder.path(), &["check-config"]);
        command.envs(resolve(&environment_of("api"), env).unwrap());
        run(command).await
    };
    let (code, out, err) = check(&filled_in()).await;
    assert_eq!(code, 0, "{err}");
    for part in [
        "environment production",
        "listening on 0.0.0.0:8000",
        "authentication on",
    ] {
        assert!(out.contains(part), "{out}");
    }

    let mut wrong = filled_in();
    wrong.insert("RATE_LIMIT_BURST".to_owned(), "many".to_owned());
    wrong.insert("APONTA_SUBNET".to_owned(), "172.28.0.0/99".to_owned());
    let (code, _, err) = check(&wrong).await;
    assert!(
        code == 2 && err.contains("RATE_LIMIT_BURST") && err.contains("TRUSTED_PROXIES"),
        "what stands in .env arrives: {err}"
    );
}

#[test]
fn what_is_required_is_missed() {
    for name in ["DATABASE_PASSWORD", "PAT_ENCRYPTION_KEYS", "AZURE_DEVOPS_ORG_URL"] {
        let mut env = filled_in();
        env.insert(name.to_owned(), String::new());
        let missed = resolve(&environment_of("api"), &env).unwrap_err();
        assert!(missed.starts_with(name), "{missed}");
    }
}

#[test]
fn values_are_put_in_as_compose_does_it() {
    let env = BTreeMap::from([("A".to_owned(), "1".to_owned()), ("E".to_owned(), String::new())]);
    assert_eq!(interpolate("x${A}y${B:-2}z", &env).unwrap(), "x1y2z");
    assert_eq!(interpolate("${E:-default}", &env).unwrap(), "default");
    assert_eq!(interpolate("${E:?say so}", &env).unwrap_err(), "E:?say so");
}
