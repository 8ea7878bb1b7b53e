//! `verity build`: everything a verified boot of an image needs, made in one pass and published as
//! a set.
//!
//! Parity goes behind the tree, into the same file: whatever carries the hash area carries it too,
//! and it covers data and tree and nothing foreign. The manifest's signature appears last; until
//! then `check` refuses the set. What an earlier set had and this one has not, such as signatures,
//! is taken away.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use serde::Serialize;
use verity::partition::MountPoint;
use verity::publish::{Input, Output, OutputSet, Removal};
use verity::{FecArea, RootHash};
use verity_sign::{Image, Manifest, Signatory, SignaturePartition, Signer};

use crate::context::Context;
use crate::error::{Class, CommandError};
use crate::inputs;
use crate::making::SideCars;
use crate::making::{Job, Parity, Tree};
use crate::outputs::write_bytes;
use crate::parameters::{Identity, Parameters};
use crate::quoted::Quoted;
use crate::report::Outcome;
use crate::report::header::Header;
use crate::report::partitions::{Partition, partitions};
use crate::signing::Signing;

/// What to build from what.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) image: PathBuf,
    pub(crate) signing: Option<Signing>,
    pub(crate) image_name: Option<String>,
    pub(crate) image_version: u64,
    pub(crate) label: String,
    /// In seconds since 1970.
    pub(crate) not_after: Option<u64>,
    pub(crate) output_dir: Option<PathBuf>,
    pub(crate) usr: bool,
    /// For a disk on which systemd finds the partitions.
    pub(crate) systemd: bool,
    pub(crate) parameters: Parameters,
    pub(crate) seed: Option<String>,
    /// How many roots the parity has that is made too.
    pub(crate) fec_roots: Option<u32>,
    pub(crate) threads: Option<NonZeroUsize>,
}

/// What was built. The order of the fields is the order of the keys.
#[derive(Debug, Serialize)]
pub(crate) struct Built {
    #[serde(flatten)]
    pub(crate) header: Header,
    pub(crate) image_name: String,
    pub(crate) image_version: u64,
    pub(crate) signed: bool,
    pub(crate) certificate_sha256: Option<String>,
    /// Those of a disk on which systemd finds them; none unless asked for.
    pub(crate) partitions: Vec<Partition>,
    pub(crate) files: Vec<String>,
}

/// Builds the set.
pub(crate) fn run(options: &Options, context: &Context) -> Result<Outcome, CommandError> {
    options.parameters.check_uuid_has_a_place()?;
    let opened = options.signing.as_ref().map(|signing| signing.open(context)).transpose()?;
    let signer = options.signing.as_ref().zip(opened.as_ref());
    let image = inputs::open(&options.image)?;
    let identity = Identity::choose(&options.parameters, options.seed.as_deref())?;
    let tree = Tree::new(&options.parameters, identity, &image)?;
    let cars = SideCars::new(&options.image, options.output_dir.as_deref(), options.usr)?;
    let parity = match options.fec_roots {
        Some(roots) => Some(Parity::behind_hash_area(&tree, roots, &cars.hash)?),
        None => None,
    };
    let description = describe(options, &cars, &image)?;
    let mut inputs = vec![inputs::open(&options.image)?];
    if let Some(signing) = &options.signing {
        inputs.extend(signing.inputs()?);
    }
    let made = Made { signatures: signer.is_some(), partition: options.systemd };
    let outputs = Outputs::create(&cars, &inputs, made)?;
    let uncovered = image.size() - tree.params.data_size();
    tree.warn(&image, uncovered);
    let job = Job { tree: &tree, data: &image, threads: options.threads, context };
    let root_hash = job.build_output(&outputs.hash, parity.as_ref())?;
    let fec_area = parity.map(|parity| parity.area);
    let manifest = manifest(&tree, root_hash, fec_area.as_ref(), description, options.not_after)?;
    let signatures = match signer {
        Some((signing, signatory)) => Some(
            Signatures::make(signatory, &root_hash, &manifest, options.systemd)
                .map_err(|error| signing.failed(error, context))?,
        ),
        None => None,
    };
    outputs.write(root_hash, &manifest, signatures.as_ref())?;
    context.signals.check()?;
    let files = outputs.publish()?;
    let mount_point = if options.usr { MountPoint::Usr } else { MountPoint::Root };
    let mut header = tree.header(&cars.hash, uncovered).with_root_hash(root_hash);
    if let Some(fec_area) = &fec_area {
        header = header.with_fec(fec_area, true);
    }
    Ok(Outcome::Built(Built {
        header,
        image_name: manifest.image().name().to_owned(),
        image_version: options.image_version,
        signed: signer.is_some(),
        certificate_sha256: signer
            .map(|(_, signatory)| signatory.builder().certificate().fingerprint().to_string()),
        partitions: match options.systemd {
            true => partitions(mount_point, &root_hash),
            false => Vec::new(),
        },
        files,
    }))
}

fn describe(options: &Options, cars: &SideCars, image: &Input) -> Result<Image, CommandError> {
    let name = match &options.image_name {
        Some(name) => name.clone(),
        None => cars.stem.to_str().map(str::to_owned).ok_or_else(|| {
            CommandError::usage("the file name is not UTF-8: --image-name says another")
                .at(&options.image)
        })?,
    };
    Image::new(name, options.image_version, options.label.as_str(), image.size())
        .map_err(|error| CommandError::new(Class::Usage, error))
}

fn manifest(
    tree: &Tree,
    root_hash: RootHash,
    fec_area: Option<&FecArea>,
    image: Image,
    not_after: Option<u64>,
) -> Result<Manifest, CommandError> {
    let region = superblock_region(tree)?;
    let (params, area) = (tree.params.clone(), tree.area);
    let manifest = Manifest::new(image, params, root_hash, area, region.as_deref())
        .and_then(|manifest| match fec_area {
            Some(fec_area) => manifest.with_fec(fec_area.into()),
            None => Ok(manifest),
        })
        .map_err(|error| CommandError::new(Class::Metadata, error))?;
    Ok(match not_after {
        Some(seconds) => manifest.with_not_after(seconds),
        None => manifest,
    })
}

/// The superblock with the zeros behind it, up to the tree: what the manifest binds.
fn superblock_region(tree: &Tree) -> Result<Option<Vec<u8>>, CommandError> {
    let Some(superblock) = tree.superblock() else { return Ok(None) };
    let range = tree.area.superblock_region();
    let size = usize::try_from(range.end - range.start)
        .map_err(|error| CommandError::new(Class::Metadata, error))?;
    let mut region = vec![0; size];
    region[..superblock.len()].copy_from_slice(&superblock);
    Ok(Some(region))
}

/// The files of the set, not yet published.
struct Outputs {
    hash: Output,
    root_hash: Output,
    manifest: Output,
    signatures: Option<SignatureOutputs>,
    /// What an earlier set had and this one does not.
    stale: Vec<Removal>,
}

/// The content of the signatures.
struct Signatures {
    root_hash: Vec<u8>,
    manifest: Vec<u8>,
    partition: Option<Vec<u8>>,
}

impl Signatures {
    fn make(
        signatory: &Signatory<Box<dyn Signer>>,
        root_hash: &RootHash,
        manifest: &Manifest,
        systemd: bool,
    ) -> Result<Signatures, verity_sign::Error> {
        let signature = signatory.sign_root_hash(root_hash)?;
        let certificate = signatory.builder().certificate();
        let partition = match systemd {
            true => Some(SignaturePartition::new(root_hash, signature.clone(), certificate)?),
            false => None,
        };
        let partition = partition.map(|partition| partition.to_bytes());
        let manifest = signatory.sign_manifest(manifest)?;
        Ok(Signatures { root_hash: signature, manifest, partition })
    }
}

struct SignatureOutputs {
    root_hash: Output,
    manifest: Output,
    partition: Option<Output>,
}

/// What of a set is made that is not in each.
#[derive(Clone, Copy)]
struct Made {
    signatures: bool,
    /// With the signatures only.
    partition: bool,
}

impl Outputs {
    /// Creates every file before the work begins, so that none is found impossible after it. None
    /// may be one of the inputs.
    fn create(cars: &SideCars, inputs: &[Input], made: Made) -> Result<Outputs, CommandError> {
        let create = |path: &PathBuf| -> Result<Output, CommandError> {
            let output = Output::create(path)?;
            inputs.iter().try_for_each(|input| output.check_distinct(input))?;
            Ok(output)
        };
        let remove = |path: &PathBuf| -> Result<Removal, CommandError> {
            let removal = Removal::of(path)?;
            inputs.iter().try_for_each(|input| removal.check_distinct(input))?;
            Ok(removal)
        };
        let (hash, root_hash, manifest) =
            (create(&cars.hash)?, create(&cars.root_hash)?, create(&cars.manifest)?);
        let mut stale = cars.other_kind.iter().map(remove).collect::<Result<Vec<_>, _>>()?;
        let partition = match made.signatures && made.partition {
            true => Some(create(&cars.signature_partition)?),
            false => {
                stale.push(remove(&cars.signature_partition)?);
                None
            }
        };
        let signatures = if made.signatures {
            Some(SignatureOutputs {
                root_hash: create(&cars.root_hash_signature)?,
                manifest: create(&cars.manifest_signature)?,
                partition,
            })
        } else {
            stale.push(remove(&cars.root_hash_signature)?);
            stale.push(remove(&cars.manifest_signature)?);
            None
        };
        Ok(Outputs { hash, root_hash, manifest, signatures, stale })
    }

    /// Writes the small files.
    fn write(
        &self,
        root_hash: RootHash,
        manifest: &Manifest,
        made: Option<&Signatures>,
    ) -> Result<(), CommandError> {
        write_bytes(&self.root_hash, root_hash.to_string().as_bytes())?;
        write_bytes(&self.manifest, &manifest.to_bytes())?;
        let (Some(outputs), Some(made)) = (&self.signatures, made) else { return Ok(()) };
        write_bytes(&outputs.root_hash, &made.root_hash)?;
        if let (Some(output), Some(bytes)) = (&outputs.partition, &made.partition) {
            write_bytes(output, bytes)?;
        }
        write_bytes(&outputs.manifest, &made.manifest)
    }

    /// Makes the whole set appear, the manifest's signature last; returns the names.
    fn publish(self) -> Result<Vec<String>, CommandError> {
        let mut outputs = vec![self.hash, self.root_hash];
        let mut last = None;
        if let Some(signatures) = self.signatures {
            outputs.push(signatures.root_hash);
            outputs.extend(signatures.partition);
            last = Some(signatures.manifest);
        }
        outputs.push(self.manifest);
        outputs.extend(last);
        let names = outputs.iter().map(|output| Quoted(output.path()).to_string()).collect();
        let set = self.stale.into_iter().fold(OutputSet::new(), OutputSet::removal);
        outputs.into_iter().fold(set, OutputSet::output).commit()?;
        Ok(names)
    }
}
