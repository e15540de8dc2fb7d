//! Rebuilds the embedded `MIGRATOR` for a new migration: cargo does not track the folder by itself.

fn main() {
    println!("cargo:rerun-if-changed=migrations");
}
