//! The client that progenitor generates from the 3.0 rendering of the OpenAPI document.

include!(concat!(env!("OUT_DIR"), "/client.rs"));
