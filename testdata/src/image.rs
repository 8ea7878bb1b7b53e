//! Real root filesystem images, made by `testdata/images/make.sh`.

use std::path::PathBuf;

use crate::oracle;

/// The root filesystem image of one kind: `erofs`, `squashfs` or `ext4`. It must not be changed.
///
/// It is looked for in `$VERITY_IMAGES`, else in `target/images`. If it is missing, the answer is
/// `None` with a line on stderr, or a failure where tests may not be skipped (see
/// [`oracle::require`]).
#[must_use]
pub fn rootfs(kind: &str) -> Option<PathBuf> {
    let path = directory().join(format!("rootfs.{kind}"));
    if path.is_file() {
        return Some(path);
    }
    oracle::skip(&format!("{} (made by testdata/images/make.sh)", path.display()));
    None
}

fn directory() -> PathBuf {
    match std::env::var_os("VERITY_IMAGES") {
        Some(directory) => PathBuf::from(directory),
        None => crate::workspace().join("target/images"),
    }
}
