//! Makes a new migration rebuild the embedded `MIGRATOR`: cargo does not see the folder by itself.

fn main() {
    println!("cargo:rerun-if-changed=migrations");
}
