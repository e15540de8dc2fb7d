# Short names for the commands of every day. `just` lists them; each line can be typed by hand as well.

_default:
    @just --list

# Runs the product with a PostgreSQL of its own.
dev *ARGS:
    cargo run -- dev {{ARGS}}

# Formats, lints and tests the library: the check before a commit.
check:
    cargo fmt --all --check
    .ci/security-doc
    cargo clippy --workspace --all-targets --locked -- -D warnings
    cargo test --locked --lib
    cargo test --locked --test api architecture

# Runs the integration tests whose name contains NAME.
test NAME:
    cargo test --locked --test api -- {{NAME}}

# Refreshes .sqlx after a change of a query or a migration.
sqlx:
    .ci/sqlx-prepare

# Writes the OpenAPI document after a change of the API.
openapi:
    cargo run --locked --quiet -- openapi > docs/openapi.json

# Writes the types of the TypeScript package after a change of the OpenAPI document.
client-types:
    cd clients/typescript && npm ci --no-audit --no-fund && npm run generate

# Runs the gate, as CI does.
gate:
    .ci/run
