//! The scripts of `deploy/` that need no engine, in copies of the files that they read.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use tokio::process::Command;

use super::environment::given;
use super::rules::services;
use super::{dockerfiles_of_deploy, is_pinned, read, root};
use crate::support::process::{aponta, run};

fn copy_to(folder: &Path, path: &str) {
    let target = folder.join(path);
    fs::create_dir_all(target.parent().unwrap()).unwrap();
    fs::copy(root().join(path), target).unwrap();
}

fn script(folder: &Path, path: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(folder.join(path));
    command
        .args(arguments)
        .env_clear()
        .env("PATH", format!("{}:/usr/bin:/bin", folder.display()));
    command
}

#[tokio::test]
async fn make_env_writes_all_that_is_required() {
    let folder = tempfile::tempdir().unwrap();
    copy_to(folder.path(), "deploy/make-env");
    copy_to(folder.path(), "deploy/compose.env.example");
    let make = || {
        script(
            folder.path(),
            "deploy/make-env",
            &["https://dev.azure.com/contoso"],
        )
    };
    let (code, _, err) = run(make()).await;
    assert_eq!(code, 0, "{err}");
    let file = folder.path().join(".env");
    let secrets = folder.path().join("secrets");
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&file), mode(&secrets)), (0o600, 0o700));

    let text = fs::read_to_string(&file).unwrap();
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let pairs = lines.filter_map(|line| line.split_once('='));
    let env: BTreeMap<String, String> = pairs
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    for (name, service) in services(&read("docker-compose.yml")) {
        if service["environment"].is_null() {
            continue;
        }
        for (variable, value) in given(&name, &env, folder.path()) {
            // Users of containers are others than the operator.
            assert!(
                !variable.ends_with("_FILE") || value.is_empty() || mode(Path::new(&value)) == 0o444,
                "{name}: {variable}"
            );
        }
    }
    let empty = tempfile::tempdir().unwrap();
    let mut check = aponta(empty.path(), &["check-config"]);
    check.envs(given("api", &env, folder.path()));
    let (code, out, err) = run(check).await;
    assert_eq!(code, 0, "{out}{err}");

    let all = || MADE.map(|secret| fs::read_to_string(secrets.join(secret)).unwrap());
    let first = all();
    let (code, ..) = run(make()).await;
    assert_eq!(code, 1, "it replaces no .env");
    assert_eq!(fs::read_to_string(&file).unwrap(), text);
    fs::remove_file(&file).unwrap();
    assert_eq!(run(make()).await.0, 0);
    assert_eq!(all(), first, "it replaces no secret");
    fs::remove_file(&file).unwrap();
    fs::remove_dir_all(&secrets).unwrap();
    assert_eq!(run(make()).await.0, 0);
    for (one, other) in first.iter().zip(all()) {
        assert!(one.trim().len() >= 44 && *one != other);
        assert!(!text.contains(one.trim()));
    }
}

/// The secrets that `deploy/make-env` makes.
const MADE: [&str; 4] = [
    "database_password",
    "postgres_password",
    "grafana_admin_password",
    "pat_encryption_keys",
];

#[tokio::test]
async fn make_env_with_an_older_env_makes_no_secret() {
    let folder = tempfile::tempdir().unwrap();
    copy_to(folder.path(), "deploy/make-env");
    fs::write(folder.path().join(".env"), "DATABASE_PASSWORD=segredo\n").unwrap();
    let (code, ..) = run(script(folder.path(), "deploy/make-env", &["https://x"])).await;
    assert_eq!(code, 1);
    assert!(!folder.path().join("secrets").exists());
}

/// Puts a program into the folder that the scripts look for programs in.
fn program(folder: &Path, name: &str, text: &str) {
    let path = folder.join(name);
    fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
}

#[tokio::test]
async fn login_of_a_new_database_has_the_password_of_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = "deploy/postgres/initdb.d/10-login.sh";
    copy_to(folder.path(), path);
    let password = folder.path().join("password");
    fs::write(&password, "se gredo\n").unwrap();
    program(
        folder.path(),
        "psql",
        r#"echo "[$DATABASE_PASSWORD]"; echo "arguments: $*""#,
    );
    let login = || {
        let mut login = script(folder.path(), path, &[]);
        login
            .env("POSTGRES_USER", "postgres")
            .env("DATABASE_NAME", "aponta_db")
            .env("DATABASE_USER", "aponta");
        login
    };
    for (variable, value) in [
        ("DATABASE_PASSWORD_FILE", password.to_str().unwrap()),
        ("DATABASE_PASSWORD", "se gredo"),
    ] {
        let mut login = login();
        login.env(variable, value);
        let (code, out, err) = run(login).await;
        assert_eq!(code, 0, "{err}");
        let (told, arguments) = out.split_once('\n').unwrap();
        assert!(told == "[se gredo]" && !arguments.contains("gredo"), "{out}");
    }
    let mut wrong = login();
    wrong.env("DATABASE_PASSWORD_FILE", "/nowhere");
    assert_ne!(run(wrong).await.0, 0);
    assert_ne!(run(login()).await.0, 0);
}

#[tokio::test]
async fn pooler_has_the_password_of_the_file_in_no_variable() {
    let folder = tempfile::tempdir().unwrap();
    let work = folder.path().to_str().unwrap();
    // The folder in memory that the script writes to.
    let text = read("deploy/pgbouncer/entrypoint").replace("/run/pgbouncer", work);
    let text = text.strip_prefix("#!/bin/sh\n").unwrap();
    program(folder.path(), "entrypoint", text);
    program(folder.path(), "pgbouncer", "env");
    fs::write(folder.path().join("password"), "se\"gredo\n").unwrap();
    let pooler = |file: &str| {
        let mut pooler = script(folder.path(), "entrypoint", &[]);
        for (name, value) in [("HOST", "postgres"), ("NAME", "aponta_db"), ("USER", "aponta")] {
            pooler.env(format!("DATABASE_{name}"), value);
        }
        pooler.env("DATABASE_PASSWORD_FILE", folder.path().join(file));
        pooler
    };
    let (code, out, err) = run(pooler("password")).await;
    assert_eq!(code, 0, "{err}");
    assert!(
        out.contains("DATABASE_USER=aponta") && !out.contains("gredo"),
        "{out}"
    );
    let users = fs::read_to_string(folder.path().join("userlist.txt")).unwrap();
    assert_eq!(users, "\"aponta\" \"se\"\"gredo\"\n");
    assert_ne!(run(pooler("nothing")).await.0, 0);
}

#[tokio::test]
async fn pin_images_adds_digests_and_renews_them() {
    let folder = tempfile::tempdir().unwrap();
    let mut files = dockerfiles_of_deploy();
    files.extend(["deploy/pin-images", "docker-compose.yml", "Dockerfile"].map(str::to_owned));
    for path in &files {
        copy_to(folder.path(), path);
    }
    let docker = folder.path().join("docker");
    let pin = async |digit: &str| {
        let digest = digit.repeat(64);
        fs::write(
            &docker,
            format!("#!/bin/sh\n[ \"$3\" = inspect ] && echo sha256:{digest}\n"),
        )
        .unwrap();
        fs::set_permissions(&docker, fs::Permissions::from_mode(0o755)).unwrap();
        let (code, out, err) = run(script(folder.path(), "deploy/pin-images", &[])).await;
        (code, format!("{out}{err}"))
    };
    let now = |path: &str| fs::read_to_string(folder.path().join(path)).unwrap();
    for digit in ["a", "b"] {
        let (code, said) = pin(digit).await;
        assert_eq!(code, 0, "{said}");
        let digest = format!("@sha256:{}", digit.repeat(64));
        for (name, service) in services(&now("docker-compose.yml")) {
            let image = service["image"].as_str().unwrap();
            let ours = image.starts_with("aponta");
            assert!(
                ours != image.ends_with(&digest) && (ours || is_pinned(image)),
                "{name}: {image}"
            );
        }
        let text = now("Dockerfile");
        assert!(
            text.contains(&format!("FROM rust:1.95.0-slim-bookworm{digest} AS chef\n")),
            "{text}"
        );
        assert!(
            text.contains("FROM chef AS plan\n") && text.contains("FROM scratch\n"),
            "{text}"
        );
        assert!(now("deploy/pgbouncer/Dockerfile").contains(&digest));
    }
    let before = now("Dockerfile");
    let (code, said) = pin("not a digest ").await;
    assert!(code == 1 && said.contains("no digest"), "{said}");
    assert_eq!(now("Dockerfile"), before);
}
