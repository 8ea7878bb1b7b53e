//! A whole disk image: both tables, every verified image in it, and that nothing else in it would
//! be taken for one.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use verity::RootHash;
use verity::disk::types::{Content, MountPoint, PartitionType};
use verity::disk::{Attributes, DiskError, Fault, Partition, Table};
use verity::publish::Input;
use verity_sign::{MAX_SIGNATURE_PARTITION_BYTES, SignaturePartition, VerifiedManifest};

use super::checked::{Checked, Options};
use super::policy::Protection;
use crate::context::Context;
use crate::disks::{self, PartitionName};
use crate::error::{Class, CommandError, OrFail};
use crate::image::{self, Device, Effort, ImageSource, OpenedImage, Verification};
use crate::inputs;
use crate::making::SidecarSet;
use crate::parameters::{Parameters, ParitySource};
use crate::quoted::Quoted;
use crate::signer::Signer;
use crate::storage;
use crate::trust::{self, RootHashSource, StateFile, TrustSource, Trusted};

/// What an image in a disk can be, in the order in which they are told.
const MOUNT_POINTS: [MountPoint; 2] = [MountPoint::Root, MountPoint::Usr];

/// A disk image all of which was found good.
#[derive(Debug)]
pub(crate) struct CheckedDisk {
    pub(crate) disk: PathBuf,
    pub(crate) images: Vec<CheckedImage>,
    /// What it was held against beside.
    pub(crate) policy: Option<String>,
}

/// A verified image in a disk.
#[derive(Debug)]
pub(crate) struct CheckedImage {
    pub(crate) mount_point: MountPoint,
    /// Whether its partitions are found by the root hash.
    pub(crate) is_discoverable: bool,
    /// The number of the partition with the data.
    pub(crate) data: u32,
    pub(crate) checked: Checked,
}

/// The table of what is to be checked, if it is a disk: a file that has no set beside it, and a
/// table in it.
pub(super) fn table_of(path: &Path) -> Result<Option<(Input, Table)>, CommandError> {
    if disks::is_url(path) || PartitionName::of(path).is_some() {
        return Ok(None);
    }
    let set = SidecarSet::new(path, None, false)?;
    let exists = |path: &Path| path.try_exists().is_ok_and(|exists| exists);
    // The root hash alone is also what tells systemd of the image in a disk.
    let is_told = exists(&SidecarSet::in_disk(path, MountPoint::Root)?.manifest);
    if exists(&set.manifest) || (exists(&set.root_hash) && !is_told) || !exists(path) {
        return Ok(None);
    }
    let input = inputs::open(path)?;
    let sector_size = storage::sector_size(input.file());
    match Table::read(&input, sector_size.and_then(verity::disk::SectorSize::new)) {
        Ok(table) => Ok(Some((input, table))),
        Err(DiskError::NoTable) => Ok(None),
        Err(error) => Err(disks::failed(error, path)),
    }
}

/// Checks all of a disk image.
pub(super) fn check(
    (input, table): &(Input, Table),
    options: &Options,
    context: &Context,
) -> Result<CheckedDisk, CommandError> {
    let path = &options.image;
    for fault in table.faults() {
        match fault {
            Fault::Grown { .. } => disks::warn_of([fault], path),
            _ => return Err(CommandError::message(Class::Metadata, fault.to_string()).at(path)),
        }
    }
    let trusted = options.trust.read()?;
    let state = options.state.as_deref().map(StateFile::open).transpose()?;
    let disk = Disk { input, table, options, context, trusted: &trusted };
    let (mut images, mut manifests) = (Vec::new(), Vec::new());
    let mut covered = Vec::new();
    if options.no_manifest {
        for mount_point in MOUNT_POINTS {
            images.extend(disk.check_signed(mount_point, &mut covered)?);
        }
    } else {
        manifests = disk.manifests(state.as_ref())?;
        for (mount_point, verified) in &manifests {
            images.push(disk.check_stated(*mount_point, verified, &mut covered)?);
        }
        for (mount_point, verified) in &manifests {
            images.extend(disk.check_copies(*mount_point, verified, &mut covered)?);
        }
    }
    if images.is_empty() {
        let words = match options.no_manifest {
            true => "no signature partition vouches for anything on this disk",
            false => {
                "no manifest lies beside this disk; --no-manifest checks what its signature \
                 partitions vouch for, and then nothing says which image it is"
            }
        };
        return Err(CommandError::message(Class::Trust, words).at(path));
    }
    disk.refuse_others(&covered)?;
    disk.refuse_by_policy(&images)?;
    // By the very manifest that the image was held against, and of which there is only one.
    if let (Some(state), [(_, verified)], [image, ..]) = (state, &manifests[..], &mut images[..]) {
        image.checked.state = Some(state.accept(verified, trusted.image_name())?);
    }
    let policy = options.policy.as_ref().map(ToString::to_string);
    Ok(CheckedDisk { disk: path.clone(), images, policy })
}

/// What is checked, against what.
struct Disk<'a> {
    /// Opened once: what is checked lies where its table says.
    input: &'a Input,
    table: &'a Table,
    options: &'a Options,
    context: &'a Context,
    trusted: &'a Trusted,
}

/// The partitions of an image.
struct Parts {
    data: Partition,
    hash: Partition,
    /// Where it was found with them.
    signature: Option<Partition>,
    is_discoverable: bool,
}

impl Disk<'_> {
    /// The manifests that were named, or those beside the disk, each by somebody who is trusted,
    /// and not older than what was accepted before.
    fn manifests(
        &self,
        state: Option<&StateFile>,
    ) -> Result<Vec<(MountPoint, VerifiedManifest)>, CommandError> {
        let mut manifests = Vec::new();
        for path in &self.options.manifests {
            let verified = trust::manifest(path, self.trusted)?;
            let mount_point = self.mount_point_of(&verified.manifest().root_hash());
            manifests.push((mount_point, verified));
        }
        for mount_point in MOUNT_POINTS {
            if !self.options.manifests.is_empty() {
                break;
            }
            let set = SidecarSet::in_disk(&self.options.image, mount_point)?;
            if set.manifest.try_exists().is_ok_and(|exists| exists) {
                manifests.push((mount_point, trust::manifest(&set.manifest, self.trusted)?));
            }
        }
        match (state, &manifests[..]) {
            (Some(state), [(_, verified)]) => {
                state.check(verified.manifest(), self.trusted.image_name())?;
            }
            (Some(_), [_, _, ..]) => {
                let words = "--state remembers one image of a name, and this disk has two of them: \
                             leave it out";
                return Err(CommandError::usage(words));
            }
            _ => {}
        }
        Ok(manifests)
    }

    /// Checks the image that a manifest beside the disk is about.
    fn check_stated(
        &self,
        mount_point: MountPoint,
        verified: &VerifiedManifest,
        covered: &mut Vec<u32>,
    ) -> Result<CheckedImage, CommandError> {
        let manifest = verified.manifest();
        let root_hash = manifest.root_hash();
        let parts = self.parts(mount_point, &root_hash)?;
        let signer = self.signature(mount_point, &root_hash, covered)?;
        let (data, hash) = (self.device(&parts.data)?, self.device(&parts.hash)?);
        let parity = ParitySource::default();
        let image =
            OpenedImage::of_manifest(verified, data, hash, &parity)?.require_superblock()?;
        let effort = self.effort(true);
        let verification = image::verify(&image, effort, self.context)?;
        let manifest = Some(manifest.clone());
        Ok(self.checked(mount_point, &parts, verification, manifest, signer, covered))
    }

    /// Checks what else has the types of an image, and the superblock that its manifest binds: the
    /// same image in another slot, which discovery does not find.
    fn check_copies(
        &self,
        mount_point: MountPoint,
        verified: &VerifiedManifest,
        covered: &mut Vec<u32>,
    ) -> Result<Vec<CheckedImage>, CommandError> {
        let (mut copies, root_hash) = (Vec::new(), verified.manifest().root_hash());
        for parts in self.other_parts(mount_point) {
            if [&parts.data, &parts.hash].iter().any(|part| covered.contains(&part.number())) {
                continue;
            }
            let (data, hash) = (self.device(&parts.data)?, self.device(&parts.hash)?);
            let image = OpenedImage::of_manifest(verified, data, hash, &ParitySource::default())?;
            if image.superblock_fault().is_some() {
                continue;
            }
            let signer = match &parts.signature {
                Some(found) if !covered.contains(&found.number()) => {
                    covered.push(found.number());
                    Some(self.check_signature(found, &root_hash)?)
                }
                _ => None,
            };
            let verification = image::verify(&image, self.effort(true), self.context)?;
            let manifest = Some(verified.manifest().clone());
            let copy = self.checked(mount_point, &parts, verification, manifest, signer, covered);
            copies.push(copy);
        }
        Ok(copies)
    }

    /// Data, hash area and signature that may belong together, by their types and their order.
    fn other_parts(&self, mount_point: MountPoint) -> Vec<Parts> {
        let all: Vec<_> = self.table.partitions().filter(|found| !is_empty(found)).collect();
        let kind = |found: &Partition| PartitionType::of_guid(found.type_guid());
        let is = |found: &Partition, of: PartitionType, content| {
            let wanted = PartitionType::new(of.mount_point(), of.architecture(), content);
            kind(found) == Some(wanted)
        };
        let mut parts = Vec::new();
        for (index, hash) in all.iter().enumerate() {
            let of_hash = kind(hash)
                .filter(|of| is(hash, *of, Content::Verity) && of.mount_point() == mount_point);
            let Some(of_hash) = of_hash else { continue };
            let data = all[..index].iter().rev().find(|found| is(found, of_hash, Content::Data));
            let Some(data) = data else { continue };
            let signature = all[index..].iter().find(|it| is(it, of_hash, Content::VeritySig));
            let signature = signature.copied();
            parts.push(Parts { data: *data, hash: *hash, signature, is_discoverable: false });
        }
        if mount_point == MountPoint::Root {
            let of_set = |set| Some((self.named("root", set)?, self.named("hash", set)?));
            let sets = ('b'..='z').map_while(of_set);
            parts.extend(sets.map(|(data, hash)| Parts {
                data,
                hash,
                signature: None,
                is_discoverable: false,
            }));
        }
        parts
    }

    /// What the image with this root hash is mounted as, by the partitions that have its UUIDs.
    fn mount_point_of(&self, root_hash: &RootHash) -> MountPoint {
        let is_of = |mount_point: &MountPoint| {
            [Content::Data, Content::Verity].iter().any(|content| {
                let found = self.of(*mount_point, *content);
                found.iter().any(|(kind, found)| kind.uuid(root_hash) == Some(found.uuid()))
            })
        };
        MOUNT_POINTS.into_iter().find(is_of).unwrap_or(MountPoint::Root)
    }

    /// A partition of a set of Bottlerocket.
    fn named(&self, kind: &str, set: char) -> Option<Partition> {
        let Ok(selector) = format!("{kind}-{set}").parse();
        self.table.select(&selector).ok()
    }

    /// Checks the image that a signature partition vouches for, if there is one.
    fn check_signed(
        &self,
        mount_point: MountPoint,
        covered: &mut Vec<u32>,
    ) -> Result<Option<CheckedImage>, CommandError> {
        let Some(root_hash) = self.signed_root_hash(mount_point)? else { return Ok(None) };
        let parts = self.parts(mount_point, &root_hash)?;
        let signer = self.signature(mount_point, &root_hash, covered)?;
        let source = ImageSource {
            data: self.name(&parts.data),
            hash: self.name(&parts.hash),
            root: RootHashSource { text: Some(root_hash.to_string()), file: None },
            manifest: None,
            trust: TrustSource::default(),
            parameters: Parameters::default(),
            parity: ParitySource::default(),
            root_hash_signature: None,
        };
        let devices = || Ok([self.device(&parts.data)?, self.device(&parts.hash)?]);
        let image = OpenedImage::open_on(&source, devices, self.context)?.require_superblock()?;
        let verification = image::verify(&image, self.effort(false), self.context)?;
        Ok(Some(self.checked(mount_point, &parts, verification, None, signer, covered)))
    }

    fn checked(
        &self,
        mount_point: MountPoint,
        parts: &Parts,
        verification: Verification,
        manifest: Option<verity_sign::Manifest>,
        signer: Option<Box<Signer>>,
        covered: &mut Vec<u32>,
    ) -> CheckedImage {
        covered.extend([parts.data.number(), parts.hash.number()]);
        let checked =
            Checked { verification, manifest, signature_partition_signer: signer, state: None };
        let (data, is_discoverable) = (parts.data.number(), parts.is_discoverable);
        CheckedImage { mount_point, is_discoverable, data, checked }
    }

    fn effort(&self, parity: bool) -> Effort {
        Effort { parity, threads: self.options.threads, ..Effort::default() }
    }

    /// The partitions of an image: by the root hash, or, where nothing has its UUIDs, the only ones
    /// that can be meant.
    fn parts(&self, mount_point: MountPoint, root_hash: &RootHash) -> Result<Parts, CommandError> {
        let found = |content| {
            self.of(mount_point, content)
                .into_iter()
                .find(|(kind, found)| kind.uuid(root_hash) == Some(found.uuid()))
        };
        if let (Some((of_data, data)), Some((of_hash, hash))) =
            (found(Content::Data), found(Content::Verity))
        {
            if of_data.architecture() != of_hash.architecture() {
                let words = format!("{of_data} and {of_hash} are for different architectures");
                return Err(CommandError::message(Class::Metadata, words).at(&self.options.image));
            }
            return Ok(Parts { data, hash, signature: None, is_discoverable: true });
        }
        match (self.named("root", 'a'), self.named("hash", 'a')) {
            (Some(data), Some(hash)) if mount_point == MountPoint::Root => {
                Ok(Parts { data, hash, signature: None, is_discoverable: false })
            }
            _ => {
                let words = format!(
                    "no partitions have the UUIDs of the {} image's root hash, {root_hash}",
                    mount_point.name()
                );
                Err(CommandError::message(Class::Metadata, words).at(&self.options.image))
            }
        }
    }

    /// The partitions of a kind that systemd would look at.
    fn of(&self, mount_point: MountPoint, content: Content) -> Vec<(PartitionType, Partition)> {
        let kinds = self
            .table
            .partitions()
            .filter(is_looked_at)
            .filter_map(|found| Some((PartitionType::of_guid(found.type_guid())?, found)));
        kinds
            .filter(|(kind, _)| (kind.mount_point(), kind.content()) == (mount_point, content))
            .collect()
    }

    /// The root hash that the only signature partition states.
    fn signed_root_hash(&self, mount_point: MountPoint) -> Result<Option<RootHash>, CommandError> {
        match self.of(mount_point, Content::VeritySig).as_slice() {
            [] => Ok(None),
            [(_, only)] => Ok(Some(self.read_signature(only)?.root_hash())),
            _ => {
                let words = "there are several signature partitions, and no manifest says which";
                Err(CommandError::message(Class::Trust, words).at(&self.options.image))
            }
        }
    }

    /// Checks the signature partitions of an image; returns who signed.
    fn signature(
        &self,
        mount_point: MountPoint,
        root_hash: &RootHash,
        covered: &mut Vec<u32>,
    ) -> Result<Option<Box<Signer>>, CommandError> {
        let mut signer = None;
        let found = self.of(mount_point, Content::VeritySig);
        disks::refuse_many_signatures(found.len(), &self.options.image)?;
        for (_, partition) in &found {
            // Of several, each is about an image of its own; the others are asked for in the end.
            let is_only = found.len() == 1;
            if !is_only && self.read_signature(partition)?.root_hash() != *root_hash {
                continue;
            }
            signer = Some(self.check_signature(partition, root_hash)?);
            covered.push(partition.number());
        }
        Ok(signer)
    }

    /// Checks a signature partition; returns who signed.
    fn check_signature(
        &self,
        partition: &Partition,
        root_hash: &RootHash,
    ) -> Result<Box<Signer>, CommandError> {
        let verified = self.read_signature(partition)?.verify(root_hash, self.trusted.trust());
        let signed_by = verified.or_fail(Class::Trust, &self.name(partition))?;
        Ok(Box::new((&signed_by).into()))
    }

    fn read_signature(&self, found: &Partition) -> Result<SignaturePartition, CommandError> {
        let (input, name) = (self.part(found)?, self.name(found));
        if found.size() > MAX_SIGNATURE_PARTITION_BYTES {
            let words = format!("a signature partition of {} bytes", found.size());
            return Err(CommandError::message(Class::Trust, words).at(&name));
        }
        let mut bytes = vec![0; verity::internals::to_len(found.size())];
        verity::io::ReadAt::read_exact_at(&input, &mut bytes, 0).or_fail(Class::Io, &name)?;
        SignaturePartition::parse(&bytes).or_fail(Class::Trust, &name)
    }

    fn device(&self, partition: &Partition) -> Result<Arc<Device>, CommandError> {
        let name = self.name(partition);
        Ok(Arc::new(Device::part_of(self.input, partition.range(), name)?))
    }

    fn part(&self, partition: &Partition) -> Result<Input, CommandError> {
        inputs::part_of(self.input, partition.range(), self.name(partition))
    }

    /// What a partition is called; it is not opened by that, as a file could have the name.
    fn name(&self, partition: &Partition) -> PathBuf {
        let mut name = self.options.image.clone().into_os_string();
        name.push(format!("#{}", partition.number()));
        name.into()
    }

    /// Refuses a disk that the policy does not take.
    fn refuse_by_policy(&self, images: &[CheckedImage]) -> Result<(), CommandError> {
        let Some(policy) = &self.options.policy else { return Ok(()) };
        let mut found = Vec::new();
        for partition in self.table.partitions().filter(is_looked_at) {
            found.push((partition, self.protection(&partition, images)?));
        }
        if let Some(words) = policy.refusal(&found) {
            return Err(CommandError::message(Class::Trust, words).at(&self.options.image));
        }
        let wanted = images.iter().filter(|image| policy.wants_tree(image.mount_point));
        wanted.filter(|image| image.is_discoverable).try_for_each(|image| self.refuse_untold(image))
    }

    /// Refuses an image that systemd mounts without its tree, whatever the policy says: one whose
    /// root hash nothing tells. Of signature partitions it reads that of a root file system alone
    /// (`dissected_image_load_verity_sig_partition`).
    fn refuse_untold(&self, image: &CheckedImage) -> Result<(), CommandError> {
        let is_usr = image.mount_point == MountPoint::Usr;
        if !is_usr && image.checked.signature_partition_signer.is_some() {
            return Ok(());
        }
        let beside = SidecarSet::new(&self.options.image, None, is_usr)?.root_hash;
        let file = beside.try_exists().is_ok_and(|exists| exists).then(|| beside.clone());
        let told = RootHashSource { text: None, file }.read()?;
        if told == Some(image.checked.verification.trusted.root_hash()) {
            return Ok(());
        }
        let words = format!(
            "the policy wants the tree of {}, and systemd mounts it without: nothing tells it the \
             image's root hash, neither the signature partition of a root file system nor {}",
            image.mount_point.name(),
            Quoted(&beside)
        );
        Err(CommandError::message(Class::Trust, words).at(&self.options.image))
    }

    /// How a partition is protected, as far as it was checked.
    fn protection(
        &self,
        partition: &Partition,
        images: &[CheckedImage],
    ) -> Result<Protection, CommandError> {
        let image = images.iter().find(|image| image.data == partition.number());
        if let Some(image) = image {
            return Ok(match image.checked.signature_partition_signer {
                Some(_) => Protection::Signed,
                None => Protection::Verity,
            });
        }
        let mut start = [0; LUKS.len()];
        let name = self.name(partition);
        let input = self.part(partition)?;
        verity::io::ReadAt::read_exact_at(&input, &mut start, 0).or_fail(Class::Io, &name)?;
        Ok(if start == LUKS { Protection::Encrypted } else { Protection::Unprotected })
    }

    /// Refuses partitions that systemd might take for an image, and that nothing vouches for.
    fn refuse_others(&self, covered: &[u32]) -> Result<(), CommandError> {
        let mut partitions = self.table.partitions().filter(is_looked_at);
        let other = partitions.find_map(|found| {
            let kind = PartitionType::of_guid(found.type_guid())?;
            (!covered.contains(&found.number())).then_some((kind, found))
        });
        match other {
            Some((kind, found)) => {
                let words = format!("is a {kind} that nothing vouches for");
                Err(CommandError::message(Class::Trust, words).at(&self.name(&found)))
            }
            None => Ok(()),
        }
    }
}

/// How LUKS begins.
const LUKS: [u8; 6] = *b"LUKS\xba\xbe";

/// Whether discovery looks at a partition: not at one that is empty, or hidden.
fn is_looked_at(partition: &Partition) -> bool {
    !is_empty(partition) && !partition.attributes().is_set(Attributes::NO_AUTO)
}

/// Whether a partition waits for an image.
fn is_empty(partition: &Partition) -> bool {
    partition.label().to_string() == "_empty"
}
