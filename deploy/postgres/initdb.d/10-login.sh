#!/usr/bin/env bash
# Run once by the postgres image, over an empty volume: the database of the service and a login that owns it and cannot get
# past row-level security, which the image's superuser could. The roles are what docs/tenants.md asks to prepare.
set -euo pipefail

if [ -n "${DATABASE_PASSWORD_FILE:-}" ]; then
    DATABASE_PASSWORD=$(<"$DATABASE_PASSWORD_FILE")
fi
export DATABASE_PASSWORD=${DATABASE_PASSWORD:?}
schema=${DATABASE_SCHEMA:-api_aponta}
psql --no-psqlrc --set ON_ERROR_STOP=1 --quiet --username "$POSTGRES_USER" --dbname postgres \
    --set name="$DATABASE_NAME" --set login="$DATABASE_USER" \
    --set app="${schema}_app" --set maintenance="${schema}_maintenance" <<'SQL'
-- From the environment, not the command line, which every process may read.
\getenv password DATABASE_PASSWORD
CREATE ROLE :"app" NOLOGIN;
CREATE ROLE :"maintenance" NOLOGIN;
CREATE ROLE :"login" LOGIN NOINHERIT PASSWORD :'password' IN ROLE :"app", :"maintenance";
CREATE DATABASE :"name" OWNER :"login";
REVOKE ALL ON DATABASE :"name" FROM PUBLIC;
SQL
