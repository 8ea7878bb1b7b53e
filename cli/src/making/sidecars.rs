//! The files that lie beside an image, by systemd's names.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use verity::disk::types::MountPoint;
use verity_sign::Sidecar;

use crate::error::CommandError;

/// Where the parts of a set lie.
#[derive(Debug)]
pub(crate) struct SidecarSet {
    /// The image's file name less a trailing `.raw`.
    pub(crate) stem: OsString,
    /// The hash area.
    pub(crate) hash: PathBuf,
    pub(crate) root_hash: PathBuf,
    pub(crate) root_hash_signature: PathBuf,
    pub(crate) manifest: PathBuf,
    pub(crate) manifest_signature: PathBuf,
    /// What systemd's signature partition holds.
    pub(crate) signature_partition: PathBuf,
    /// What a set has not, and an earlier one may have had: the root hash and its signature under
    /// the names for the other kind of file system (the other files have one name for both kinds,
    /// so an image has only one set), and a hash file where the image itself holds the hash area.
    pub(crate) others: Vec<PathBuf>,
}

impl SidecarSet {
    /// The set of an image, beside it or in another directory.
    pub(crate) fn new(
        image: &Path,
        directory: Option<&Path>,
        usr: bool,
    ) -> Result<SidecarSet, CommandError> {
        let raw = image.extension().is_some_and(|extension| extension == "raw");
        let stem = if raw { image.file_stem() } else { image.file_name() };
        let stem = stem.ok_or_else(|| CommandError::usage("has no file name").at(image))?;
        let directory = directory.or(image.parent()).unwrap_or(Path::new(""));
        let beside = |suffix: &str| {
            let mut name = stem.to_owned();
            name.push(suffix);
            directory.join(name)
        };
        let (root_hash, other) =
            if usr { (".usrhash", ".roothash") } else { (".roothash", ".usrhash") };
        Ok(SidecarSet {
            hash: beside(".verity"),
            root_hash: beside(root_hash),
            root_hash_signature: beside(&format!("{root_hash}.p7s")),
            manifest: beside(".manifest.json"),
            manifest_signature: beside(".manifest.json.p7s"),
            signature_partition: beside(".verity-sig"),
            others: vec![beside(other), beside(&format!("{other}.p7s"))],
            stem: stem.to_owned(),
        })
    }

    /// The set of an image in a disk: only its manifest and the signature of that lie beside the
    /// disk image, named after where the image is mounted.
    pub(crate) fn in_disk(
        disk: &Path,
        mount_point: MountPoint,
    ) -> Result<SidecarSet, CommandError> {
        let stem = SidecarSet::new(disk, None, false)?.stem;
        let mut name = stem;
        name.push(".");
        name.push(mount_point.name());
        SidecarSet::new(&disk.with_file_name(name), None, mount_point == MountPoint::Usr)
    }

    /// Where one of the small files lies.
    pub(crate) fn path(&self, part: Sidecar) -> &Path {
        match part {
            Sidecar::RootHash => &self.root_hash,
            Sidecar::RootHashSignature => &self.root_hash_signature,
            Sidecar::SignaturePartition => &self.signature_partition,
            Sidecar::Manifest => &self.manifest,
            Sidecar::ManifestSignature => &self.manifest_signature,
        }
    }

    /// The files that `check` reads.
    pub(crate) fn files(&self) -> impl Iterator<Item = &Path> {
        let files = [
            &self.hash,
            &self.root_hash,
            &self.root_hash_signature,
            &self.manifest,
            &self.manifest_signature,
            &self.signature_partition,
        ];
        files.into_iter().map(PathBuf::as_path)
    }

    /// The set of an image that holds its hash area itself, behind the data.
    pub(crate) fn in_one_file(mut self, image: &Path) -> SidecarSet {
        let separate = std::mem::replace(&mut self.hash, image.to_owned());
        self.others.push(separate);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_systemd() {
        let set = SidecarSet::new(Path::new("dir/rootfs.raw"), None, false).unwrap();
        assert_eq!(set.hash, Path::new("dir/rootfs.verity"));
        assert_eq!(set.root_hash_signature, Path::new("dir/rootfs.roothash.p7s"));
        let set = SidecarSet::new(Path::new("usr.erofs"), Some(Path::new("out")), true).unwrap();
        assert_eq!(set.root_hash, Path::new("out/usr.erofs.usrhash"));
        assert_eq!(set.manifest_signature, Path::new("out/usr.erofs.manifest.json.p7s"));
        assert!(SidecarSet::new(Path::new(".."), None, false).is_err());
    }
}
