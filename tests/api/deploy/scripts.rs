//! `deploy/make-env` and `deploy/pin-images`, in copies of the files that they read.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use tokio::process::Command;

use super::environment::resolve;
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
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);

    let text = fs::read_to_string(&file).unwrap();
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let pairs = lines.filter_map(|line| line.split_once('='));
    let env: BTreeMap<String, String> = pairs
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let mut api = BTreeMap::new();
    for (name, service) in services(&read("docker-compose.yml")) {
        if !service["environment"].is_null() {
            let resolved =
                resolve(&service["environment"], &env).unwrap_or_else(|missing| panic!("{name}: {missing}"));
            if name == "api" {
                api = resolved;
            }
        }
    }
    let empty = tempfile::tempdir().unwrap();
    let mut check = aponta(empty.path(), &["check-config"]);
    check.envs(api);
    let (code, out, err) = run(check).await;
    assert_eq!(code, 0, "{out}{err}");

    let (code, ..) = run(make()).await;
    assert_eq!(code, 1, "it replaces no .env");
    assert_eq!(fs::read_to_string(&file).unwrap(), text);
    fs::remove_file(&file).unwrap();
    assert_eq!(run(make()).await.0, 0);
    let other = fs::read_to_string(&file).unwrap();
    for secret in [
        "DATABASE_PASSWORD",
        "POSTGRES_PASSWORD",
        "GRAFANA_ADMIN_PASSWORD",
        "PAT_ENCRYPTION_KEYS",
    ] {
        let value = &env[secret];
        assert!(value.len() >= 44 && !other.contains(value.as_str()), "{secret}");
    }
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
