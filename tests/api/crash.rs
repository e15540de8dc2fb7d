//! The service is killed while a client writes. The client does what a careful one does: it sends a request whose answer it did
//! not get again, with the same `Idempotency-Key`. `APONTA_CRASH_ROUNDS=50 cargo test --test api crash` is the long form.
