//! `verity image create`: the disk image, its partitions, and the verified images in it.

use std::fmt;

use serde::Serialize;

use super::parity::FecEntry;
use super::shown::PartitionRow;
use crate::command::image_create::{Created, CreatedImage, Filled};
use crate::quoted::Quoted;

/// What was made. The order of the fields is the order of the keys.
#[derive(Serialize)]
pub(super) struct CreatedDocument {
    disk: String,
    size_bytes: u64,
    sector_size: u64,
    disk_uuid: String,
    partitions: Vec<PartitionRow>,
    images: Vec<ImageEntry>,
    signed: bool,
    certificate_sha256: Option<String>,
    /// What lies beside the image.
    files: Vec<String>,
    /// Where root hashes stand in place of markers.
    filled: Vec<FilledEntry>,
    /// Whether nothing was written.
    planned: bool,
    /// Whether the text is nothing but kernel parameters.
    #[serde(skip)]
    is_emitted: bool,
}

#[derive(Serialize)]
struct FilledEntry {
    partition: String,
    /// Whose root hash it is.
    mount_point: &'static str,
    /// In the partition, in bytes.
    offsets: Vec<u64>,
}

#[derive(Serialize)]
struct ImageEntry {
    /// `root` or `usr`.
    mount_point: &'static str,
    root_hash: String,
    uuid: String,
    salt: String,
    data_blocks: u64,
    hash_blocks: u64,
    fec: Option<FecEntry>,
    /// What the kernel is to be told, for systemd.
    kernel_parameters: String,
}

impl From<&Created> for CreatedDocument {
    fn from(facts: &Created) -> CreatedDocument {
        CreatedDocument {
            disk: Quoted(&facts.output).to_string(),
            size_bytes: facts.size,
            sector_size: facts.sector_size.bytes(),
            disk_uuid: facts.disk_uuid.to_string(),
            partitions: facts.partitions.iter().map(PartitionRow::from).collect(),
            images: facts.images.iter().map(ImageEntry::from).collect(),
            signed: facts.signed_by.is_some(),
            certificate_sha256: facts.signed_by.map(|fingerprint| fingerprint.to_string()),
            files: facts.files.iter().map(|path| Quoted(path).to_string()).collect(),
            filled: facts.filled.iter().map(FilledEntry::from).collect(),
            planned: facts.is_planned,
            is_emitted: facts.is_emitted,
        }
    }
}

impl From<&CreatedImage> for ImageEntry {
    fn from(image: &CreatedImage) -> ImageEntry {
        ImageEntry {
            mount_point: image.mount_point.name(),
            root_hash: image.root_hash.to_string(),
            uuid: image.tree.uuid.to_string(),
            salt: image.tree.params.salt().to_string(),
            data_blocks: image.tree.params.data_blocks(),
            hash_blocks: image.tree.area.hash_blocks(),
            fec: image.parity.as_ref().map(FecEntry::from),
            kernel_parameters: image.kernel_parameters.clone(),
        }
    }
}

impl From<&Filled> for FilledEntry {
    fn from(filled: &Filled) -> FilledEntry {
        FilledEntry {
            partition: filled.partition.clone(),
            mount_point: filled.mount_point.name(),
            offsets: filled.places.clone(),
        }
    }
}

impl fmt::Display for CreatedDocument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_emitted {
            let parameters: Vec<_> =
                self.images.iter().map(|image| image.kernel_parameters.as_str()).collect();
            return writeln!(f, "{}", parameters.join(" "));
        }
        writeln!(f, "{}: {} bytes, disk UUID {}", self.disk, self.size_bytes, self.disk_uuid)?;
        for row in &self.partitions {
            row.fmt(f)?;
        }
        for image in &self.images {
            writeln!(f, "{} root hash {}", image.mount_point, image.root_hash)?;
            writeln!(f, "kernel parameters: {}", image.kernel_parameters)?;
        }
        for FilledEntry { partition, mount_point, offsets } in &self.filled {
            let partition = Quoted(std::path::Path::new(partition));
            let places: Vec<_> = offsets.iter().map(u64::to_string).collect();
            let count = match offsets.len() {
                1 => "1 place".to_owned(),
                count => format!("{count} places"),
            };
            writeln!(
                f,
                "filled partition {partition} with the root hash of {mount_point} in {count}: \
                 bytes {}",
                places.join(", ")
            )?;
        }
        for file in &self.files {
            writeln!(f, "written {file}")?;
        }
        if self.planned {
            writeln!(f, "planned, nothing was written")?;
        }
        Ok(())
    }
}
