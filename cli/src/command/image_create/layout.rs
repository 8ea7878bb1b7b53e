//! Which partitions a disk image has, and what goes into each.

use verity::disk::types::{Architecture, Content, MountPoint};
use verity::internals::to_len;
use verity::publish::Input;

use super::image::{PreparedImage, image_name};
use super::{Fill, LayoutName, Options};
use crate::error::{Class, CommandError};
use crate::inputs;
use crate::making::{self, Filling, Layout, LayoutPartition};

/// The partitions of the disk, by --layout.
pub(super) fn layout(
    options: &Options,
    images: &[PreparedImage],
    is_signed: bool,
) -> Result<Layout, CommandError> {
    let mut layout = match &options.layout {
        LayoutName::Dps => return dps(options, images, is_signed),
        LayoutName::Bottlerocket => Layout::bottlerocket(),
        LayoutName::File(path) => {
            let bytes = inputs::read_small(path, MAX_LAYOUT, Class::Usage)?;
            Layout::parse(&bytes).map_err(|error| error.at(path))?
        }
    };
    if options.slots != 1 {
        return Err(CommandError::usage("--slots is for --layout dps: others say themselves"));
    }
    for named in &options.partitions {
        let Some(file) = &named.file else {
            return Err(CommandError::usage("a partition of a layout takes a file: NAME=FILE"));
        };
        if named.label.is_some() || named.size.is_some() || named.uuid.is_some() {
            return Err(CommandError::usage("label, size and UUID are the layout's to say"));
        }
        layout.fill(&named.kind, file.clone())?;
    }
    Ok(layout)
}

/// No layout is longer, in bytes.
const MAX_LAYOUT: u64 = 1 << 20;

fn dps(
    options: &Options,
    images: &[PreparedImage],
    is_signed: bool,
) -> Result<Layout, CommandError> {
    let Some(architecture) =
        options.architecture.or_else(|| Architecture::named(std::env::consts::ARCH))
    else {
        return Err(CommandError::usage("--arch says what architecture the image is for"));
    };
    let mounts: Vec<_> = images.iter().map(|image| image.mount_point).collect();
    let label = format!("{}_{}", image_name(options)?, options.image_version);
    let mut others = Vec::new();
    for named in &options.partitions {
        others.push(LayoutPartition {
            name: named.kind.clone(),
            type_guid: making::type_named(&named.kind)?,
            label: named.label.clone().unwrap_or_else(|| named.kind.clone()),
            size: named.size,
            align: None,
            attributes: verity::disk::Attributes::default(),
            uuid: named.uuid,
            filling: named.file.clone().map_or(Filling::Nothing, Filling::File),
        });
    }
    Ok(Layout::dps(&mounts, architecture, &label, is_signed, options.slots, others))
}

/// Refuses a layout with parts of images that are not there, or without a place for one that is.
pub(super) fn check_layout(
    layout: &Layout,
    images: &[PreparedImage],
    is_signed: bool,
) -> Result<(), CommandError> {
    for partition in &layout.partitions {
        let Filling::Verity(mount, content) = partition.filling else { continue };
        if !images.iter().any(|image| image.mount_point == mount) {
            let words = format!("the layout has a partition for --{}", mount.name());
            return Err(CommandError::usage(words));
        }
        if content == Content::VeritySig && !is_signed {
            let words = format!("partition {} takes a signature, and nobody signs", partition.name);
            return Err(CommandError::usage(words));
        }
    }
    for image in images {
        for content in [Content::Data, Content::Verity] {
            let wanted = Filling::Verity(image.mount_point, content);
            let places = layout.partitions.iter().filter(|one| one.filling == wanted).count();
            if places != 1 {
                return Err(CommandError::usage(format!(
                    "the layout has {places} places for the {} of --{}",
                    if content == Content::Data { "data" } else { "hash area" },
                    image.mount_point.name()
                )));
            }
        }
    }
    Ok(())
}

/// How much goes into a partition, in bytes.
pub(super) fn content_size(
    partition: &LayoutPartition,
    file: Option<&Input>,
    images: &[PreparedImage],
) -> u64 {
    match &partition.filling {
        Filling::Nothing => 0,
        Filling::File(_) => file.map_or(0, Input::size),
        Filling::Verity(mount, content)
        | Filling::Room(mount, content)
        | Filling::Copy(mount, content) => {
            let image = images.iter().find(|image| image.mount_point == *mount);
            image.map_or(0, |image| image.size_of(*content))
        }
    }
}

/// Which partition each marker is in, and which image's root hash goes there.
pub(super) fn fills(
    options: &Options,
    layout: &Layout,
    images: &[PreparedImage],
) -> Result<Vec<(usize, MountPoint)>, CommandError> {
    let place = |fill: &Fill| {
        let of_name = |(_, one): &(usize, &LayoutPartition)| one.name == fill.partition;
        let mut named = layout.partitions.iter().enumerate().filter(of_name);
        let index = match (named.next(), named.next()) {
            (Some((index, one)), None) if matches!(one.filling, Filling::File(_)) => index,
            (Some(_), None) => {
                let words = format!("--fill: partition {} has no file in it", fill.partition);
                return Err(CommandError::usage(words));
            }
            (found, _) => {
                let which = if found.is_some() { "more than one" } else { "no" };
                let words = format!("--fill: {which} partition is called {:?}", fill.partition);
                return Err(CommandError::usage(words));
            }
        };
        let wanted = |image: &&PreparedImage| match fill.mount_point {
            Some(mount_point) => image.mount_point == mount_point,
            None => true,
        };
        let Some(image) = images.iter().find(wanted) else {
            return Err(CommandError::usage("--fill: there is no image of that name"));
        };
        let (length, given) = (root_hash_length(image), fill.marker.len());
        if given != length {
            let words = format!(
                "--fill: the marker has {given} characters, and the root hash in its place {length}"
            );
            return Err(CommandError::usage(words));
        }
        Ok((index, image.mount_point))
    };
    options.fills.iter().map(place).collect()
}

/// How many characters the root hash of an image has.
fn root_hash_length(image: &PreparedImage) -> usize {
    2 * to_len(image.tree.params.algorithm().digest_size().into())
}
