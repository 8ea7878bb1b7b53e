//! What systemd reads to activate a device: parameters of the kernel command line, for
//! `systemd-veritysetup-generator`, and lines of `/etc/veritytab`. Source: systemd's manual pages
//! of these names.

use super::dm_mod_create::is_dm_name;
use super::names::{KEY, PANIC_ON_ERROR, RESTART_ON_ERROR, TRY_VERIFY_IN_TASKLET};
use super::word::excerpt;
use super::{OnCorruption, OnError, Table, TableError, tree_area};
use crate::{FecArea, HashArea};

/// The parameters of the kernel command line for a device that is called `root` or `usr`, which
/// are the two that systemd's generator knows.
///
/// `hash_area` is where the table's tree lies, with its superblock or without: systemd reads a
/// superblock, and is told every parameter where there is none (systemd 254).
///
/// ```
/// use verity::table::{Table, systemd_parameters};
/// use verity::{HashArea, Params};
///
/// let line = "0 8 verity 1 /dev/vda1 /dev/vda2 4096 4096 1 1 sha256 ".to_owned();
/// let table: Table = (line + &"ab".repeat(32) + " -").parse()?;
/// let area = HashArea::new(table.params(), 0, true)?;
/// assert_eq!(
///     systemd_parameters("root", &table, &area)?,
///     format!(
///         "roothash={} systemd.verity_root_data=/dev/vda1 systemd.verity_root_hash=/dev/vda2",
///         "ab".repeat(32),
///     )
/// );
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// When the name is another one, the hash area is not that of the table's tree, the table has an
/// option that systemd has no word for, its parity does not cover what systemd would say, or a
/// device has a name that systemd does not take: one with `/PARTNROFF=`, quotes or a comma.
pub fn systemd_parameters(
    name: &str,
    table: &Table,
    hash_area: &HashArea,
) -> Result<String, TableError> {
    if name != "root" && name != "usr" {
        return Err(TableError::SystemdName { name: excerpt(name) });
    }
    let Described { data, hash, options } = describe(table, hash_area)?;
    let mut text = format!(
        "{name}hash={} systemd.verity_{name}_data={data} systemd.verity_{name}_hash={hash}",
        table.root_hash(),
    );
    if !options.is_empty() {
        text += &format!(" systemd.verity_{name}_options={}", options.join(","));
    }
    Ok(text)
}

/// A line of `/etc/veritytab`: name, data device, hash device, root hash and options.
///
/// ```
/// use verity::table::{Table, veritytab_line};
/// use verity::{HashArea, Params};
///
/// let line = "0 8 verity 1 /dev/vda1 /dev/vda2 4096 4096 1 1 sha256 ".to_owned();
/// let table: Table = (line + &"ab".repeat(32) + " - 1 restart_on_corruption").parse()?;
/// let area = HashArea::new(table.params(), 0, true)?;
/// assert_eq!(
///     veritytab_line("data", &table, &area)?,
///     format!("data /dev/vda1 /dev/vda2 {} restart-on-corruption", "ab".repeat(32))
/// );
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// As [`systemd_parameters`]; the name may be any that device-mapper and the file take.
pub fn veritytab_line(
    name: &str,
    table: &Table,
    hash_area: &HashArea,
) -> Result<String, TableError> {
    if !is_dm_name(name) || name.starts_with('#') || name.contains('\'') {
        return Err(TableError::DmName { name: excerpt(name) });
    }
    let Described { data, hash, options } = describe(table, hash_area)?;
    let mut text = format!("{name} {data} {hash} {}", table.root_hash());
    if !options.is_empty() {
        text += &format!(" {}", options.join(","));
    }
    Ok(text)
}

/// A device in systemd's words.
struct Described<'a> {
    data: &'a str,
    hash: &'a str,
    options: Vec<String>,
}

fn describe<'a>(table: &'a Table, hash_area: &HashArea) -> Result<Described<'a>, TableError> {
    check_area(table, hash_area)?;
    let data = plain(table.data_device().as_str())?;
    let hash = plain(table.hash_device().as_str())?;
    let mut options = tree_options(table, hash_area);
    options.extend(parity_options(table, hash_area)?);
    options.extend(kernel_options(table)?);
    Ok(Described { data, hash, options })
}

/// What systemd cannot read from a superblock.
fn tree_options(table: &Table, hash_area: &HashArea) -> Vec<String> {
    let (params, mut options) = (table.params(), Vec::new());
    if !hash_area.has_superblock() {
        options.extend([
            "superblock=no".to_owned(),
            format!("format={}", params.hash_type()),
            format!("data-block-size={}", params.data_block_size()),
            format!("hash-block-size={}", params.hash_block_size()),
            format!("data-blocks={}", params.data_blocks()),
            format!("salt={}", params.salt()),
            format!("hash={}", params.algorithm()),
        ]);
    }
    if hash_area.offset() > 0 {
        options.push(format!("hash-offset={}", hash_area.offset()));
    }
    options
}

/// How many blocks parity covers is not said: it follows from its place as [`FecArea::covering`]
/// has it, or, on another device, from the size of the hash device.
fn parity_options(table: &Table, hash_area: &HashArea) -> Result<Vec<String>, TableError> {
    let Some(fec) = &table.options().fec else { return Ok(Vec::new()) };
    let params = table.params();
    let area = fec.area(params, hash_area)?;
    let offset = area.range().start;
    if fec.device == *table.hash_device() {
        let implied = FecArea::covering(params, hash_area, fec.roots, offset, offset)?.blocks();
        if implied != fec.blocks {
            return Err(TableError::SystemdParity { blocks: fec.blocks, implied });
        }
    }
    Ok(vec![
        format!("fec-device={}", plain(fec.device.as_str())?),
        format!("fec-offset={offset}"),
        format!("fec-roots={}", fec.roots),
    ])
}

fn kernel_options(table: &Table) -> Result<Vec<String>, TableError> {
    let options = table.options();
    let unknown = [
        (options.on_error == Some(OnError::Restart), RESTART_ON_ERROR),
        (options.on_error == Some(OnError::Panic), PANIC_ON_ERROR),
        (options.try_verify_in_tasklet, TRY_VERIFY_IN_TASKLET),
        (options.root_hash_sig_key_desc.is_some(), KEY),
    ];
    if let Some((_, option)) = unknown.into_iter().find(|(is_set, _)| *is_set) {
        return Err(TableError::SystemdOption { option });
    }
    let known = [
        (options.on_corruption == Some(OnCorruption::Ignore), "ignore-corruption"),
        (options.on_corruption == Some(OnCorruption::Restart), "restart-on-corruption"),
        (options.on_corruption == Some(OnCorruption::Panic), "panic-on-corruption"),
        (options.ignore_zero_blocks, "ignore-zero-blocks"),
        (options.check_at_most_once, "check-at-most-once"),
    ];
    Ok(known.into_iter().filter(|(is_set, _)| *is_set).map(|(_, word)| word.to_owned()).collect())
}

/// Refuses a hash area that is not where the table has its tree, or of another size.
fn check_area(table: &Table, hash_area: &HashArea) -> Result<(), TableError> {
    let of_table = tree_area(table.params(), table.hash_start())?.tree_range();
    let of_area = hash_area.tree_range();
    if of_table == of_area {
        return Ok(());
    }
    Err(TableError::SystemdHashArea { table: of_table, area: of_area })
}

/// Refuses what systemd would take apart (a device name is printable ASCII without spaces already),
/// and partitions that are counted from another one: of `PARTUUID=` it takes all for the UUID.
fn plain(device: &str) -> Result<&str, TableError> {
    if device.contains(['"', '\'', ',']) {
        return Err(TableError::SystemdCharacter { text: excerpt(device) });
    }
    match device.contains("/PARTNROFF=") {
        true => Err(TableError::SystemdDevice { name: excerpt(device) }),
        false => Ok(device),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Params;

    fn table(data: &str) -> Table {
        let root = "ab".repeat(32);
        format!("0 8 verity 1 {data} /dev/vda2 4096 4096 1 1 sha256 {root} -").parse().unwrap()
    }

    #[test]
    fn the_hash_area_must_be_that_of_the_tables_tree() {
        let table = table("/dev/vda1");
        let area = |params, offset, superblock| HashArea::new(params, offset, superblock).unwrap();
        for right in [area(table.params(), 0, true), area(table.params(), 4096, false)] {
            systemd_parameters("root", &table, &right).unwrap();
            veritytab_line("root", &table, &right).unwrap();
        }
        let more = Params::builder().data_blocks(200).build().unwrap();
        for wrong in
            [area(table.params(), 0, false), area(table.params(), 4096, true), area(&more, 0, true)]
        {
            for error in [
                systemd_parameters("root", &table, &wrong).unwrap_err(),
                veritytab_line("root", &table, &wrong).unwrap_err(),
            ] {
                assert!(matches!(error, TableError::SystemdHashArea { .. }), "{error}");
            }
        }
    }

    #[test]
    fn partitions_that_are_counted_from_another_one_are_refused() {
        let line = |data: &str| {
            let table = table(data);
            let area = HashArea::new(table.params(), 0, true).unwrap();
            veritytab_line("root", &table, &area)
        };
        line("PARTUUID=0123").unwrap();
        let error = line("PARTUUID=0123/PARTNROFF=1").unwrap_err();
        assert!(matches!(error, TableError::SystemdDevice { .. }), "{error}");
    }
}
