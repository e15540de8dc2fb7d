//! docker-compose.yml keeps its promises, and each one that is broken is noticed.

use super::rules::{broken, services};
use super::{assert_noticed, dockerfiles_of_deploy, read};

#[test]
fn compose_services_meet_the_rules() {
    let text = read("docker-compose.yml");
    assert_eq!(broken(&text), [""; 0]);
    let services = services(&text);
    for needed in [
        "nginx",
        "api",
        "migrate",
        "postgres",
        "pgbouncer",
        "backup",
        "prometheus",
        "grafana",
        "node-exporter",
    ] {
        assert!(services.contains_key(needed), "{needed}");
    }
}

#[test]
fn built_services_have_a_dockerfile() {
    let known = dockerfiles_of_deploy();
    for (name, service) in services(&read("docker-compose.yml")) {
        let Some(context) = service["build"]["context"].as_str() else {
            continue;
        };
        let dockerfile = service["build"]["dockerfile"].as_str().unwrap_or("Dockerfile");
        let path = format!("{context}/{dockerfile}");
        let path = path.trim_start_matches("./");
        assert!(
            path == "Dockerfile" || known.iter().any(|other| other == path),
            "{name}: {path}"
        );
    }
}

#[test]
fn mounted_files_exist() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    for (name, service) in services(&read("docker-compose.yml")) {
        for volume in service["volumes"].as_array().into_iter().flatten() {
            let volume = volume.as_str().unwrap();
            let Some(path) = volume.strip_prefix("./") else {
                continue;
            };
            let path = path.split(':').next().unwrap();
            // Certificates are not in the repository.
            assert!(
                path == "nginx/ssl" || root.join(path).exists(),
                "{name} mounts {path}"
            );
        }
    }
}

/// Changes the file in one place after another: from, to, what must be said then.
fn assert_all_noticed(changes: &[(&str, &str, &str)]) {
    let text = read("docker-compose.yml");
    for (from, to, complaint) in changes {
        assert_noticed(&text, from, to, complaint, broken);
    }
}

#[test]
fn published_port_breaks_a_rule() {
    assert_all_noticed(&[
        (
            r#"["80:80", "443:443"]"#,
            r#"["80:80", "443:443", "8000:8000"]"#,
            "nginx: publishes",
        ),
        (r#"["80:80", "443:443"]"#, r#"["80:80"]"#, "nginx: publishes"),
        (
            r#"["80:80", "443:443"]"#,
            r#"["80:80", "443:443", {target: 1}]"#,
            "nginx: publishes",
        ),
        (
            "  postgres:\n    <<: *hardened",
            "  postgres:\n    <<: *hardened\n    ports: [\"5432:5432\"]",
            "postgres: publishes",
        ),
        (
            "  api:\n    <<: *aponta",
            "  api:\n    <<: *aponta\n    container_name: api",
            "container_name",
        ),
        ("internal: true", "internal: false", "way out"),
        (
            "networks: [aponta-network]\n",
            "networks: [aponta-network, database]\n",
            "nginx is in other networks",
        ),
        ("driver: bridge", "driver: host", "no bridge"),
        (
            "TRUSTED_PROXIES: ${APONTA_SUBNET:-172.28.0.0/24}",
            "TRUSTED_PROXIES: 0.0.0.0/0",
            "another network",
        ),
    ]);
}

#[test]
fn secret_in_the_file_breaks_a_rule() {
    assert_all_noticed(&[
        (
            "DATABASE_PASSWORD_FILE: /run/secrets/database_password",
            "DATABASE_PASSWORD: postgres",
            "DATABASE_PASSWORD stands in the file",
        ),
        (
            "POSTGRES_PASSWORD_FILE: /run/secrets/postgres_password",
            "POSTGRES_PASSWORD: ${POSTGRES_PASSWORD:?run deploy/make-env}",
            "POSTGRES_PASSWORD stands in the file",
        ),
        (
            "REVISION: ${APONTA_REVISION:-unknown}",
            "REVISION: ${GIT_TOKEN:-none}",
            "GIT_TOKEN has a default",
        ),
        (
            "GF_SECURITY_ADMIN_PASSWORD__FILE: /run/secrets/grafana_admin_password",
            "GF_SECURITY_ADMIN_PASSWORD: admin",
            "stands in the file",
        ),
        (
            "AZURE_DEVOPS_PAT:\n",
            "AZURE_DEVOPS_PAT: AAAA\n",
            "stands in the file",
        ),
        (
            "DATABASE_URL: \"\"",
            "DATABASE_URL: postgres://a:b@postgres/a",
            "address with a password",
        ),
        (
            "REVISION: ${APONTA_REVISION:-unknown}",
            "REVISION: ${GIT_TOKEN:?}",
            "shows GIT_TOKEN",
        ),
    ]);
}

#[test]
fn secret_without_its_file_breaks_a_rule() {
    assert_all_noticed(&[
        (
            "    secrets: [database_password]\n",
            "",
            "migrate gets other secrets than it uses",
        ),
        (
            "secrets: [postgres_password, database_password]",
            "secrets: [postgres_password, database_password, pat_encryption_keys]",
            "postgres gets other secrets than it uses",
        ),
        (
            "{file: ./secrets/database_password}",
            "{environment: DATABASE_PASSWORD}",
            "database_password of api is no file",
        ),
        (
            "{file: ./secrets/pat_encryption_keys}",
            "{file: ./deploy/key}",
            "pat_encryption_keys of api is no file",
        ),
        (
            "${AZURE_DEVOPS_PAT_FILE:+/run/secrets/azure_devops_pat}",
            "/run/secrets/azure_devops_pat",
            "azure_devops_pat of api is no file",
        ),
        (
            "${DATABASE_READ_URL_FILE:-/dev/null}",
            "./secrets/database_read_url",
            "database_read_url of api is no file",
        ),
    ]);
}

#[test]
fn privileged_container_breaks_a_rule() {
    assert_all_noticed(&[
        ("cap_drop: [ALL]", "cap_drop: [NET_RAW]", "keeps capabilities"),
        (
            "cap_add: [CHOWN, ",
            "cap_add: [SYS_ADMIN, CHOWN, ",
            "other capabilities",
        ),
        ("read_only: true", "read_only: false", "can write to its root"),
        ("no-new-privileges:true", "no-new-privileges:false", "could gain"),
        ("ulimits: {core: 0}", "ulimits: {core: -1}", "leaves core dumps"),
        (
            "ulimits: {core: 0, nofile: {soft: 65536, hard: 65536}}",
            "ulimits: {nofile: {soft: 65536, hard: 65536}}",
            "nginx: leaves core dumps",
        ),
        ("shm_size: 256m", "privileged: true", "has privileged"),
        ("shm_size: 256m", "network_mode: host", "has network_mode"),
        ("path: backup.env", "path: .env", "has env_file"),
        (
            "/:/host:ro,rslave",
            "postgres_socket:/var/run/postgresql",
            "the socket that the database trusts",
        ),
        (
            "grafana_data:/var/lib/grafana",
            "/var/run/docker.sock:/var/run/docker.sock:ro",
            "socket",
        ),
        (
            "./nginx/ssl:/etc/nginx/ssl:ro",
            "./nginx/ssl:/etc/nginx/ssl",
            "a folder of the machine",
        ),
        ("./nginx/ssl:/etc/nginx/ssl:ro", "/:/host:ro", "the whole machine"),
        (
            ", memory: 512M, pids: 128}",
            ", memory: 512M}",
            "no limit of pids",
        ),
        (
            "{cpus: \"2.0\", memory: 2G, pids: 256}",
            "{cpus: \"2.0\", pids: 256}",
            "no limit of memory",
        ),
        (
            "{cpus: \"2.0\", memory: 2G, pids: 256}",
            "{memory: 2G, pids: 256}",
            "no limit of cpus",
        ),
    ]);
}

#[test]
fn service_without_pin_restart_or_health_breaks_a_rule() {
    assert_all_noticed(&[
        ("nginx:1.30.3-alpine", "nginx:alpine", "nginx: has an image"),
        (
            "grafana/grafana:12.1.1",
            "grafana/grafana:latest",
            "grafana: has an image",
        ),
        (
            "aponta-postgres:15.20",
            "aponta-postgres",
            "postgres: has an image",
        ),
        ("restart: unless-stopped", "restart: always", "restarts otherwise"),
        ("restart: \"no\"", "restart: unless-stopped", "migrate: restarts"),
        (
            "http://127.0.0.1/nginx-health",
            "http://127.0.0.1/",
            "nginx: has no health check",
        ),
        (
            "\"/usr/local/bin/aponta\", \"healthcheck\"",
            "\"curl\", \"localhost:8000\"",
            "api: has no health check",
        ),
        ("pg_isready", "true", "postgres: has no health check"),
        ("max-size: 10m, ", "", "fills the disk"),
    ]);
}

#[test]
fn wrong_order_of_start_and_stop_breaks_a_rule() {
    assert_all_noticed(&[
        (
            "{condition: service_completed_successfully}",
            "{condition: service_started}",
            "does not wait for migrate",
        ),
        (
            "api: {condition: service_healthy}",
            "api: {condition: service_started}",
            "does not wait for api",
        ),
        (
            "depends_on:\n      api: {condition: service_healthy}",
            "depends_on: [api]",
            "does not wait",
        ),
        (
            "      migrate: {condition: service_completed_successfully}\n",
            "",
            "api does not wait",
        ),
        (
            "stop_grace_period: 40s\n    ulimits: {core: 0, nofile: {soft: 65536, hard: 65536}}\n\
         \x20   deploy:\n      resources:\n        limits: {cpus: \"1.0\", memory: 512M",
            "stop_grace_period: 30s\n    ulimits: {core: 0, nofile: {soft: 65536, hard: 65536}}\n\
         \x20   deploy:\n      resources:\n        limits: {cpus: \"1.0\", memory: 512M",
            "killed while requests run",
        ),
        (
            "SHUTDOWN_TIMEOUT_SECONDS: \"30\"",
            "SHUTDOWN_TIMEOUT_SECONDS: \"60\"",
            "killed while requests run",
        ),
        (
            "AUTO_MIGRATE: \"false\"",
            "AUTO_MIGRATE: \"true\"",
            "every replica migrates",
        ),
        (
            "command: [\"migrate\"]",
            "command: [\"serve\"]",
            "does not migrate",
        ),
        (
            "  DATABASE_HOST: postgres\n",
            "  DATABASE_HOST: pgbouncer\n",
            "straight to the database",
        ),
        ("profiles: [pgbouncer]", "profiles: [more]", "another profile"),
        (
            "  - postgres_data:/var/lib/postgresql/data\n",
            "  - ./data:/var/lib/postgresql/data\n",
            "no volume",
        ),
    ]);
}
