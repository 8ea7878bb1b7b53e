//! A disk image with a file system, as the tests of disks make it.

use std::ops::Range;

use serde_json::Value;
use verity_testdata::pattern;

use super::Dir;

pub(crate) const CREATE: &str = "image create os.raw --root fs --seed test --arch x86-64 \
                                 --image-version 7 --key rsa2048.key --certificate rsa2048.cert";
pub(crate) const CHECK_DISK: &str = "check os.raw --certificate rsa2048.cert";

/// A file system of 300 blocks with a hole, and a key.
pub(crate) fn with_file_system() -> Dir {
    let dir = Dir::new();
    dir.key("rsa2048");
    let mut bytes = pattern::sha256_stream(300 * 4096);
    bytes[50 * 4096..90 * 4096].fill(0);
    dir.write("fs", &bytes);
    dir.write("esp", &pattern::sha256_stream(10_000));
    dir
}

pub(crate) fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// What `image show --json` says of the partitions.
pub(crate) fn partitions(dir: &Dir, disk: &str) -> Vec<Value> {
    json(&dir.ok(&format!("image show {disk} --json")))["partitions"].as_array().unwrap().clone()
}

/// Where a partition lies, in bytes.
pub(crate) fn range_of(partition: &Value) -> Range<usize> {
    let field = |name: &str| usize::try_from(partition[name].as_u64().unwrap()).unwrap();
    field("start_bytes")..field("start_bytes") + field("size_bytes")
}
