//! Names the shared library as programs ask for it: by its first version number alone.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let major = std::env::var("CARGO_PKG_VERSION_MAJOR").expect("cargo says the version");
    let target = std::env::var("CARGO_CFG_TARGET_OS").expect("cargo says the system");
    if target == "linux" {
        println!("cargo::rustc-cdylib-link-arg=-Wl,-soname,libverity.so.{major}");
    }
}
