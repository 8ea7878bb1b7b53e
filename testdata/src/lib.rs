//! The tests, benches and fuzz targets of the workspace share this crate: known answers, a slow
//! twin of the whole scheme, painted input, and the real tools that results are compared with.
//!
//! It is a dev-dependency only, never published. It knows nothing of the `verity` crate, so that an
//! error there cannot hide here. `testdata/README.md` describes the data files beside it.
//!
//! | to find | open |
//! |---|---|
//! | the scheme explained in code | [`mod@reference`] |
//! | what a verified read must say | [`reading`] |
//! | known answers | [`vectors`] |
//! | input bytes and randomness | [`pattern`], [`cases`] |
//! | `veritysetup`, `openssl`, Python, and what happens without them | [`oracle`] |
//! | what a built program calls | [`disassembly`] |
//! | a web server, and certificates for it | [`nginx`], [`server_authority`] |
//! | an NBD client | [`nbd`] |
//! | a Linux kernel that maps images | [`kernel`] |
//! | a Linux kernel, and programs over it | [`machine`] |
//! | a virtual machine for live devices | [`guest`] |
//! | root filesystem images, loop devices | [`image`], [`loop_device`] |
//! | temporary files | [`files`] |

pub mod cases;
pub mod der;
pub mod disassembly;
pub mod files;
pub mod guest;
pub mod image;
pub mod kernel;
pub mod loop_device;
pub mod machine;
pub mod nbd;
pub mod nginx;
mod number;
pub mod oracle;
pub mod pattern;
pub mod reading;
pub mod reference;
pub mod server_authority;
pub mod vectors;

use std::path::{Path, PathBuf};

/// The absolute path of a file in `testdata/`.
#[must_use]
pub fn path(relative: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(relative)
}

/// The absolute path of the top of the checkout.
#[must_use]
pub fn workspace() -> PathBuf {
    let mut top = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    top.pop();
    top
}
