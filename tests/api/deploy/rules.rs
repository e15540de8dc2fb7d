//! The promises of docker-compose.yml: `broken` names those that a text breaks. Which variables the services
//! get: `environment.rs`.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::{Map, Value};

use super::{is_pinned, is_secret};

/// The services by name.
pub fn services(text: &str) -> Map<String, Value> {
    parse(text)["services"].as_object().unwrap().clone()
}

/// Where each secret comes from, as the file has it: a path, or a path that `.env` decides.
pub fn secret_files(text: &str) -> BTreeMap<String, String> {
    let compose = parse(text);
    let secrets = compose["secrets"].as_object().unwrap().iter();
    let path = |source: &Value| source["file"].as_str().unwrap().to_owned();
    secrets
        .map(|(name, source)| (name.clone(), path(source)))
        .collect()
}

/// Anchors and merge keys are resolved.
fn parse(text: &str) -> Value {
    serde_saphyr::from_str(text).expect("docker-compose.yml is YAML")
}

/// The strings of a list, none where there is none.
fn strings(value: &Value) -> Vec<&str> {
    let list = value.as_array().into_iter().flatten();
    list.filter_map(Value::as_str).collect()
}

/// `40s`; no other unit is used.
fn seconds(value: &Value) -> u64 {
    let text = value.as_str().unwrap_or("0");
    text.trim_end_matches('s').parse().unwrap_or(0)
}

/// Every promise that the text breaks.
pub fn broken(text: &str) -> Vec<String> {
    let compose = parse(text);
    let mut broken = Vec::new();
    for (name, service) in compose["services"].as_object().unwrap() {
        let promises = [
            is_contained(name, service),
            is_looked_after(name, service),
            keeps_secrets(service),
        ];
        broken.extend(
            promises
                .concat()
                .iter()
                .map(|promise| format!("{name}: {promise}")),
        );
    }
    broken.extend(has_its_networks(&compose));
    broken.extend(ends_and_migrates_in_order(&compose));
    broken.extend(starts_in_order(&compose));
    broken.extend(keeps_its_data(&compose));
    broken.extend(has_secrets_in_files(&compose));
    broken
}

fn unless(held: bool, promise: &str) -> Vec<String> {
    if held { vec![] } else { vec![promise.to_owned()] }
}

/// What a container may do to the machine and to others.
fn is_contained(name: &str, service: &Value) -> Vec<String> {
    let ports: &[&str] = if name == "nginx" {
        &["80:80", "443:443"]
    } else {
        &[]
    };
    let mut broken = unless(strings(&service["ports"]) == ports, "publishes other ports");
    if let Some(port_list) = service["ports"].as_array() {
        broken.extend(unless(port_list.len() == ports.len(), "publishes other ports"));
    }
    let limits = &service["deploy"]["resources"]["limits"];
    for limit in ["cpus", "memory", "pids"] {
        broken.extend(unless(
            !limits[limit].is_null(),
            &format!("has no limit of {limit}"),
        ));
    }
    broken.extend(unless(service["read_only"] == true, "can write to its root"));
    broken.extend(unless(
        strings(&service["cap_drop"]) == ["ALL"],
        "keeps capabilities",
    ));
    let adds: &[&str] = match name {
        "nginx" => &["CHOWN", "NET_BIND_SERVICE", "SETGID", "SETUID"],
        _ => &[],
    };
    broken.extend(unless(
        strings(&service["cap_add"]) == adds,
        "has other capabilities",
    ));
    broken.extend(unless(service["ulimits"]["core"] == 0, "leaves core dumps"));
    let options = strings(&service["security_opt"]);
    broken.extend(unless(
        options == ["no-new-privileges:true"],
        "could gain privileges",
    ));
    for forbidden in [
        "privileged",
        "network_mode",
        "pid",
        "ipc",
        "userns_mode",
        "devices",
        "container_name",
        "extra_hosts",
    ] {
        broken.extend(unless(service[forbidden].is_null(), &format!("has {forbidden}")));
    }
    // The key of the backups is optional, so it cannot be a required variable; nothing else comes from a
    // file.
    let of_backups = matches!(name, "postgres" | "backup");
    let key = serde_json::json!([{"path": "backup.env", "required": false}]);
    broken.extend(unless(
        service["env_file"].is_null() || (of_backups && service["env_file"] == key),
        "has env_file",
    ));
    broken.extend(mounts_little(name, service));
    broken
}

/// What a container sees of the machine.
fn mounts_little(name: &str, service: &Value) -> Vec<String> {
    let mut broken = Vec::new();
    let of_backups = matches!(name, "postgres" | "backup");
    for volume in strings(&service["volumes"]) {
        let trusted = volume.starts_with("postgres_socket:");
        broken.extend(unless(
            of_backups || !trusted,
            "has the socket that the database trusts",
        ));
        let of_the_machine = volume.starts_with(['.', '/']);
        let read_only = volume.ends_with(":ro") || volume.contains(":ro,");
        broken.extend(unless(
            read_only || !of_the_machine,
            "writes to a folder of the machine",
        ));
        broken.extend(unless(!volume.contains("docker.sock"), "has the engine's socket"));
        let whole = volume.starts_with("/:") && name != "node-exporter";
        broken.extend(unless(!whole, "sees the whole machine"));
    }
    broken
}

/// How it is started, watched and ended.
fn is_looked_after(name: &str, service: &Value) -> Vec<String> {
    let ends = name == "migrate";
    let restart = if ends { "no" } else { "unless-stopped" };
    let mut broken = unless(service["restart"] == restart, "restarts otherwise");
    let check = strings(&service["healthcheck"]["test"]);
    let wanted: &[&str] = match name {
        "nginx" => &["CMD", "wget", "http://127.0.0.1/nginx-health"],
        "postgres" => &["CMD-SHELL", "pg_isready"],
        "api" => &["CMD", "/usr/local/bin/aponta", "healthcheck"],
        "backup" => &["CMD", "backup-scheduler", "healthy"],
        _ => &["CMD"],
    };
    let checked = wanted
        .iter()
        .all(|word| check.iter().any(|part| part.starts_with(word)));
    let paced = ["interval", "timeout", "retries", "start_period"];
    let paced = paced.iter().all(|key| !service["healthcheck"][key].is_null());
    broken.extend(unless(ends || (checked && paced), "has no health check"));
    let image = service["image"].as_str().unwrap_or("");
    let built = !service["build"].is_null() || matches!(name, "migrate" | "backup");
    let ours = built && image.starts_with("aponta") && image.contains(':');
    broken.extend(unless(
        ours || is_pinned(image),
        "has an image that is not pinned",
    ));
    let log = &service["logging"];
    let rotated = log["driver"] == "json-file" && log["options"]["max-size"].is_string();
    broken.extend(unless(
        rotated && log["options"]["max-file"].is_string(),
        "fills the disk with its log",
    ));
    for (other, how) in service["depends_on"].as_object().into_iter().flatten() {
        let condition = if other == "migrate" {
            "service_completed_successfully"
        } else {
            "service_healthy"
        };
        broken.extend(unless(
            how["condition"] == condition,
            &format!("does not wait for {other}"),
        ));
    }
    broken.extend(unless(
        !service["depends_on"].is_array(),
        "does not wait for what it depends on",
    ));
    broken
}

/// No secret stands in the file, and none has a default.
fn keeps_secrets(service: &Value) -> Vec<String> {
    let mut broken = Vec::new();
    for (variable, value) in service["environment"].as_object().into_iter().flatten() {
        let text = value.as_str().unwrap_or_default();
        // Without a value it comes from .env, or is unset; the secrets that are always there are files.
        broken.extend(unless(
            !is_secret(variable) || value.is_null(),
            &format!("{variable} stands in the file"),
        ));
        broken.extend(unless(
            !text.contains("://") || !text.contains('@'),
            "has an address with a password",
        ));
    }
    let text = service.to_string();
    for part in text.split("${").skip(1) {
        let name = part.split([':', '}']).next().unwrap();
        let required = part[name.len()..].starts_with(":?");
        broken.extend(unless(
            !is_secret(name) || required,
            &format!("{name} has a default"),
        ));
    }
    for place in ["command", "build", "healthcheck", "entrypoint", "labels"] {
        for part in service[place].to_string().split("${").skip(1) {
            let name = part.split([':', '}']).next().unwrap();
            broken.extend(unless(!is_secret(name), &format!("shows {name} in its {place}")));
        }
    }
    broken
}

/// Where the engine mounts secrets.
pub const MOUNTS: &str = "/run/secrets/";

/// The secrets that the environment of a service names, each once.
fn secrets_in_use(service: &Value) -> BTreeSet<&str> {
    let values = service["environment"].as_object().into_iter().flatten();
    let values = values.filter_map(|(_, value)| value.as_str()?.split_once(MOUNTS));
    values.map(|(_, name)| name.trim_end_matches('}')).collect()
}

/// Each service gets the secrets that it uses and no other, from files that it can read.
fn has_secrets_in_files(compose: &Value) -> Vec<String> {
    let mut broken = Vec::new();
    for (name, service) in compose["services"].as_object().unwrap() {
        let given: BTreeSet<&str> = strings(&service["secrets"]).into_iter().collect();
        broken.extend(unless(
            given == secrets_in_use(service),
            &format!("{name} gets other secrets than it uses"),
        ));
        for secret in given {
            broken.extend(unless(
                comes_from_a_file(compose, service, secret),
                &format!("{secret} of {name} is no file"),
            ));
        }
    }
    broken
}

/// A secret that is always there is a file of `secrets/`. Of any other, `.env` names the file, and the
/// service is told of it only then. A variable is no source: the engine cannot write it into a container
/// whose root is read-only.
fn comes_from_a_file(compose: &Value, service: &Value, secret: &str) -> bool {
    let source = &compose["secrets"][secret];
    let Some(file) = source["file"]
        .as_str()
        .filter(|_| source["environment"].is_null())
    else {
        return false;
    };
    let variable = format!("{}_FILE", secret.to_ascii_uppercase());
    let told = format!("${{{variable}:+{MOUNTS}{secret}}}");
    let optional = service["environment"][&variable] == told;
    let expected = if optional {
        format!("${{{variable}:-/dev/null}}")
    } else {
        format!("./secrets/{secret}")
    };
    file == expected
}

/// Which service reaches which.
fn has_its_networks(compose: &Value) -> Vec<String> {
    let services = &compose["services"];
    let of = |service: &str| strings(&services[service]["networks"]);
    let mut broken = unless(
        compose["networks"]["database"]["internal"] == true,
        "the database's network has a way out",
    );
    for (service, networks) in [
        ("nginx", &["aponta-network"][..]),
        ("api", &["aponta-network", "database"]),
        ("migrate", &["database"]),
        ("postgres", &["database"]),
        ("pgbouncer", &["database"]),
        ("backup", &["backup"]),
        ("grafana", &["monitoring"]),
        ("node-exporter", &["monitoring"]),
    ] {
        broken.extend(unless(
            of(service) == networks,
            &format!("{service} is in other networks"),
        ));
    }
    let network = &compose["networks"]["aponta-network"];
    broken.extend(unless(
        network["driver"] == "bridge",
        "aponta-network is no bridge",
    ));
    let environment = &services["api"]["environment"];
    broken.extend(unless(
        !environment["TRUSTED_PROXIES"].is_null()
            && environment["TRUSTED_PROXIES"] == network["ipam"]["config"][0]["subnet"],
        "api believes another network than nginx's",
    ));
    broken
}

/// How requests end before the container does, and how migrations run.
fn ends_and_migrates_in_order(compose: &Value) -> Vec<String> {
    let services = &compose["services"];
    let mut broken = Vec::new();
    let (api, migrate) = (&services["api"], &services["migrate"]);
    let environment = &api["environment"];
    let drain =
        seconds(&environment["SHUTDOWN_DELAY_SECONDS"]) + seconds(&environment["SHUTDOWN_TIMEOUT_SECONDS"]);
    let grace = Duration::from_secs(seconds(&api["stop_grace_period"]));
    broken.extend(unless(
        drain > 0 && grace > Duration::from_secs(drain),
        "api is killed while requests run",
    ));
    broken.extend(unless(
        environment["AUTO_MIGRATE"] == "false",
        "every replica migrates",
    ));
    broken.extend(unless(
        migrate["command"] == serde_json::json!(["migrate"]),
        "migrate does not migrate",
    ));
    broken.extend(unless(
        migrate["image"] == api["image"],
        "migrate has another image than api",
    ));
    broken.extend(unless(
        migrate["environment"]["DATABASE_HOST"] == "postgres",
        "migrate does not go straight to the database",
    ));
    broken
}

/// Which service waits for which, and which ones start only by their profile.
fn starts_in_order(compose: &Value) -> Vec<String> {
    let services = &compose["services"];
    let mut broken = Vec::new();
    for (service, others) in [
        ("nginx", &["api"][..]),
        ("api", &["migrate", "postgres"]),
        ("migrate", &["postgres"]),
        ("pgbouncer", &["postgres"]),
        ("backup", &["postgres"]),
    ] {
        let waits = |other: &&str| !services[service]["depends_on"][other].is_null();
        broken.extend(unless(
            others.iter().all(waits),
            &format!("{service} does not wait"),
        ));
    }
    let always = |service: &&str| services[service]["profiles"].is_null();
    broken.extend(unless(
        ["nginx", "api", "migrate", "postgres"].iter().all(always),
        "a needed service has a profile",
    ));
    for (service, profile) in [
        ("pgbouncer", "pgbouncer"),
        ("backup", "backup"),
        ("prometheus", "monitoring"),
        ("grafana", "monitoring"),
        ("node-exporter", "monitoring"),
    ] {
        let profiles = strings(&services[service]["profiles"]);
        broken.extend(unless(
            profiles == [profile],
            &format!("{service} has another profile"),
        ));
    }
    broken
}

/// Where the data are.
fn keeps_its_data(compose: &Value) -> Vec<String> {
    let services = &compose["services"];
    let mut broken = Vec::new();
    let data = strings(&services["postgres"]["volumes"]);
    let kept = data.iter().any(|volume| volume.starts_with("postgres_data:"));
    let declared = compose["volumes"]
        .as_object()
        .is_some_and(|volumes| volumes.contains_key("postgres_data"));
    broken.extend(unless(kept && declared, "the data have no volume"));
    broken
}
