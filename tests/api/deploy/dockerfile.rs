//! Promises of the Dockerfiles and of `.dockerignore` that no linter knows; `.ci/dockerfiles` has the linter.

use super::stages::parse;
use super::{assert_noticed, dockerfiles_of_deploy, is_pinned, is_secret, read};

/// Rules of every Dockerfile that hadolint (`.ci/dockerfiles`) does not know.
fn broken_anywhere(text: &str) -> Vec<String> {
    let mut broken = Vec::new();
    let stages = parse(text);
    for stage in &stages {
        let known = stage.base == "scratch" || stages.iter().any(|other| other.name == stage.base);
        if !known && !is_pinned(&stage.base) {
            broken.push(format!("{} is not pinned", stage.base));
        }
        for setting in stage.all("ARG").into_iter().chain(stage.all("ENV")) {
            let name = setting.split('=').next().unwrap();
            if is_secret(name) || setting.contains('@') {
                broken.push(format!("a secret in {name}"));
            }
        }
    }
    broken
}

/// Promises of an image of our own, besides.
fn broken_when_it_runs(text: &str) -> Vec<String> {
    let mut broken = broken_anywhere(text);
    let stages = parse(text);
    let last = stages.last().unwrap();
    let ids = last.all("USER").concat();
    let ids: Vec<Option<u32>> = ids.split(':').map(|id| id.parse().ok()).collect();
    if !matches!(ids[..], [Some(1..), Some(1..)]) {
        broken.push("USER is not a number of nobody's: user:group".to_owned());
    }
    broken
}

/// Promises of the service's image.
fn broken(text: &str) -> Vec<String> {
    let mut broken = broken_when_it_runs(text);
    let promises = [build_promises(text), run_promises(text)].concat();
    let failed = promises.into_iter().filter(|(_, held)| !held);
    broken.extend(failed.map(|(promise, _)| promise.to_owned()));
    broken
}

/// Promises of the stages that compile, and whether each is kept.
fn build_promises(text: &str) -> Vec<(&'static str, bool)> {
    let mut promises = Vec::new();
    let mut expect = |promise, held| promises.push((promise, held));
    let stages = parse(text);
    let stage = |name: &str| stages.iter().find(|stage| stage.name == name).expect(name);
    let (chef, plan, build) = (stage("chef"), stage("plan"), stage("build"));

    let toolchain = chef.base.strip_prefix("rust:").unwrap_or_default();
    let minor = |version: &str| {
        version
            .split('.')
            .nth(1)
            .and_then(|part| part.parse::<u32>().ok())
    };
    let exact = toolchain.split('-').next().unwrap().split('.').count() == 3;
    expect(
        "rust's tag is exact and Debian bookworm",
        exact && toolchain.contains("-bookworm"),
    );
    expect(
        "rust is as new as Cargo.toml asks",
        minor(toolchain) >= minor(env!("CARGO_PKG_RUST_VERSION")),
    );
    let channel = read("rust-toolchain.toml");
    let channel = channel.lines().find_map(|line| line.strip_prefix("channel = \""));
    let channel = channel.and_then(|rest| rest.strip_suffix('"')).unwrap();
    expect(
        "rust is the version of rust-toolchain.toml",
        toolchain
            .strip_prefix(channel)
            .is_some_and(|rest| rest.starts_with('-')),
    );
    expect(
        "all stages compile with one toolchain",
        plan.base == "chef" && build.base == "chef",
    );
    let installed = chef.position("RUN cargo install --locked cargo-chef --version ");
    expect("cargo-chef is installed in one version", installed.is_some());
    expect(
        "the plan is made of everything",
        plan.position("COPY . .") < plan.position("RUN cargo chef prepare")
            && plan.position("COPY . .").is_some(),
    );
    // Both with the same features, or the dependencies would be compiled twice.
    let cook =
        build.position("RUN cargo chef cook --release --locked --package aponta --no-default-features");
    let (sources, compile) = (
        build.position("COPY . ."),
        build.position("RUN cargo build --release --locked --package aponta --no-default-features"),
    );
    expect(
        "dependencies are compiled before our sources come",
        cook.is_some() && cook < sources && sources < compile,
    );
    expect(
        "no database while compiling",
        build.all("ENV").contains(&"SQLX_OFFLINE=true"),
    );
    promises
}

/// Promises of the image itself, and whether each is kept.
fn run_promises(text: &str) -> Vec<(&'static str, bool)> {
    let mut promises = Vec::new();
    let mut expect = |promise, held| promises.push((promise, held));
    let stages = parse(text);
    let last = stages.last().unwrap();
    expect("the image starts from nothing", last.base == "scratch");
    expect(
        "the image is made of one folder",
        last.all("COPY") == ["--from=root /image /"] && last.all("RUN").is_empty(),
    );
    expect("it runs as 65532", last.all("USER") == ["65532:65532"]);
    let check = last.all("HEALTHCHECK").concat();
    expect(
        "aponta checks its health",
        check.ends_with(r#"CMD ["/usr/local/bin/aponta", "healthcheck"]"#),
    );
    expect(
        "aponta serves",
        last.all("ENTRYPOINT") == [r#"["/usr/local/bin/aponta"]"#] && last.all("CMD") == [r#"["serve"]"#],
    );
    expect("SIGTERM ends it", last.all("STOPSIGNAL") == ["SIGTERM"]);
    expect("it listens on 8000", last.all("EXPOSE") == ["8000"]);
    expect(
        "it runs in production",
        last.all("ENV") == ["ENVIRONMENT=production"],
    );
    let labels = last.all("LABEL").concat();
    for label in ["title", "description", "licenses", "version", "revision"] {
        expect(
            "it has labels",
            labels.contains(&format!("org.opencontainers.image.{label}=")),
        );
    }
    promises
}

/// Whether the build sees a path: the last line of `.dockerignore` that matches it says (`!`: yes).
fn is_sent(ignore: &str, path: &str) -> bool {
    let lines = ignore.lines().map(str::trim);
    let mut sent = true;
    for line in lines.filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (keep, pattern) = line
            .strip_prefix('!')
            .map_or((false, line), |pattern| (true, pattern));
        let pattern = pattern.trim_end_matches('/');
        assert!(
            pattern == "*" || !pattern.contains('*'),
            "{pattern}: this test knows no such pattern"
        );
        let below = path
            .strip_prefix(pattern)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        if pattern == "*" || below {
            sent = keep;
        }
    }
    sent
}

#[test]
fn images_meet_the_rules() {
    assert_eq!(broken(&read("Dockerfile")), [""; 0]);
    assert_eq!(broken_when_it_runs(&read("deploy/pgbouncer/Dockerfile")), [""; 0]);
    for path in dockerfiles_of_deploy() {
        assert_eq!(broken_anywhere(&read(&path)), [""; 0], "{path}");
    }
}

/// Changes of the Dockerfile that break a promise: from, to, and the complaint.
const BREAKS: &[(&str, &str, &str)] = &[
    ("rust:1.95.0-slim-bookworm", "rust:latest", "is not pinned"),
    ("rust:1.95.0-slim-bookworm", "rust", "is not pinned"),
    (
        "rust:1.95.0-slim-bookworm",
        "rust:1.95-slim-bookworm",
        "tag is exact",
    ),
    ("rust:1.95.0-slim-bookworm", "rust:1.95.0-slim-trixie", "bookworm"),
    ("rust:1.95.0", "rust:1.90.0", "as new as"),
    ("rust:1.95.0", "rust:1.95.1", "rust-toolchain.toml"),
    (
        "FROM chef AS build",
        "FROM rust:1.96.0-slim-bookworm AS build",
        "one toolchain",
    ),
    ("cargo-chef --version 0.1.78", "cargo-chef", "one version"),
    (
        "COPY . .\nRUN cargo chef prepare",
        "RUN cargo chef prepare",
        "the plan",
    ),
    (
        "RUN cargo chef cook",
        "COPY . .\nRUN cargo chef cook",
        "before our sources",
    ),
    ("cook --release --locked", "cook --release", "before our sources"),
    (
        "cargo build --release --locked",
        "cargo build --release",
        "before our sources",
    ),
    (
        "--package aponta --no-default-features\n",
        "--package aponta\n",
        "before our sources",
    ),
    ("ENV SQLX_OFFLINE=true", "", "no database"),
    ("FROM scratch", "FROM debian:12.1-slim", "from nothing"),
    ("COPY --from=root /image /", "COPY . /", "one folder"),
    ("USER 65532:65532\n", "", "not a number"),
    ("USER 65532:65532", "USER aponta", "not a number"),
    ("USER 65532:65532", "USER 0:0", "not a number"),
    ("USER 65532:65532", "USER 1000:1000", "65532"),
    ("STOPSIGNAL SIGTERM", "STOPSIGNAL SIGKILL", "SIGTERM"),
    ("EXPOSE 8000", "EXPOSE 80", "8000"),
    (
        "ENV ENVIRONMENT=production",
        "ENV ENVIRONMENT=development",
        "production",
    ),
    ("ARG REVISION=unknown", "ARG GIT_TOKEN", "a secret"),
    (
        "ENV SQLX_OFFLINE=true",
        "ENV DATABASE_URL=postgres://a:b@db/a",
        "a secret",
    ),
    ("image.revision", "image.commit", "labels"),
];

#[test]
fn broken_dockerfile_breaks_a_rule() {
    let text = read("Dockerfile");
    for (from, to, complaint) in BREAKS {
        assert_noticed(&text, from, to, complaint, broken);
    }
}

#[test]
fn build_sees_the_sources_and_no_secret() {
    let ignore = read(".dockerignore");
    for path in [
        "target/release/aponta",
        ".git/config",
        ".env",
        "nginx/ssl/privkey.pem",
        "backup.env",
        "secrets/pat_encryption_keys",
        "docs/openapi.json",
        "docker-compose.yml",
    ] {
        assert!(!is_sent(&ignore, path), "{path}");
    }
    for path in [
        "src/main.rs",
        "crates/dev-postgres/Cargo.toml",
        "migrations/20261121090000_create_projetos.sql",
        ".sqlx/query-1.json",
        ".cargo/config.toml",
        "Cargo.toml",
        "Cargo.lock",
        "build.rs",
    ] {
        assert!(is_sent(&ignore, path), "{path}");
    }
    assert!(
        is_sent(&ignore.replace("*\n", ""), ".env"),
        "without its first line"
    );
}
