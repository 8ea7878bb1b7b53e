//! `format`: makes a hash tree, and parity with it, where they lie.
//!
//! Everything that can be wrong with options and devices is found before anything is written but
//! empty new files, which go again. What lets an old hash area verify is destroyed first and the
//! superblock comes last, so what an interrupted run leaves does not verify.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use verity::io::WriteAt;
use verity::publish::{InPlace, Input, PublishError, Rewriting};
use verity::{
    Builder, Devices, Error, FecArea, FecError, HashArea, Params, RootHash, Salt, Sharing,
    Superblock, Uuid,
};

use super::args::{Options, Request};
use super::codes::{self, Code, Failure};
use super::console::Console;
use super::devices;
use super::geometry::{self, Given};
use super::header::{Header, ToldParity};
use super::made::{NewFile, TextFile};
use crate::context::threads_or_all;
use crate::making::Identity;
use crate::parameters::Parameters;
use crate::progress::Stop;
use crate::quoted::Quoted;
use crate::signals::Signals;
use crate::storage::{self, Relation};

/// Makes what was asked for, and prints it.
pub(super) fn run(request: &Request, console: Console, signals: &Signals) -> Result<(), Failure> {
    let Request { arguments, options, .. } = request;
    let hash = Path::new(&arguments[1]);
    let new_hash = new_file(hash, "hash")?;
    let new_fec = options.fec_device.as_deref().map(|path| new_file(path, "FEC")).transpose()?;
    let plan = match Plan::new(options, &arguments[0], hash, console) {
        Ok(plan) => plan,
        Err(failure) => {
            // Scripts measure the empty file that the original leaves, to place parity behind it.
            if let Some(new) = new_hash.filter(|_| failure == geometry::data_overlaps_fec()) {
                new.keep();
            }
            return Err(failure);
        }
    };
    plan.tell(console);
    let root_hash = plan.write(signals)?;
    for new in [new_hash, new_fec.flatten()].into_iter().flatten() {
        new.keep();
    }
    console.result(&plan.header(root_hash).to_string())?;
    match &options.root_hash_file {
        Some(path) => plan.write_root_hash(path, root_hash),
        None => Ok(()),
    }
}

/// Makes an empty file, unless there is something.
fn new_file(path: &Path, of: &str) -> Result<Option<NewFile>, Failure> {
    NewFile::unless_there(path).map_err(|_| {
        let words = format!("Cannot create {of} image {} for writing.", Quoted(path));
        Failure::parameters(words)
    })
}

/// What is to be made, known to be possible.
struct Plan<'a> {
    data: Input,
    hash: Input,
    params: Params,
    area: HashArea,
    /// If there is to be a superblock.
    uuid: Option<Uuid>,
    /// UUID and algorithm as they were typed, if they were.
    typed: (Option<String>, Option<String>),
    parity: Option<Parity<'a>>,
}

/// Where parity goes.
struct Parity<'a> {
    path: &'a Path,
    area: FecArea,
    on_hash: Sharing,
    /// As it was opened for the plan.
    device: Input,
}

impl<'a> Plan<'a> {
    /// Opens the devices for reading and checks everything, in the order of the original.
    fn new(
        options: &'a Options,
        data: &OsString,
        hash: &Path,
        console: Console,
    ) -> Result<Plan<'a>, Failure> {
        let hash = devices::open(hash)?;
        let salt = geometry::salt(options)?;
        let given = Given::check(options)?;
        let data = devices::open(Path::new(data))?;
        devices::check_size(&data)?;
        let data_blocks = given.data_blocks(options, data.size());
        let hash_on_data = devices::sharing(&data, &hash);
        given.check_behind_data(options, data_blocks, hash_on_data)?;
        let algorithm = geometry::algorithm(options.hash.as_deref())?;
        let fec = options.fec_device.as_deref().map(devices::open).transpose()?;
        let identity = identity(salt.map(geometry::fitting).transpose()?)?;
        let params = given.params(algorithm, data_blocks, identity.salt)?;
        let area = geometry::hash_area(options, &params)?;
        let devices = Devices {
            data_size: Some(data.size()),
            hash_size: fixed_size(&hash),
            hash_on_data,
            ..Devices::default()
        };
        let parity = match fec {
            None => Ok(None),
            Some(device) => {
                let on_hash = devices::sharing(&hash, &device);
                if on_hash == Sharing::Same && options.fec_offset < area.end() {
                    return Err(geometry::hash_overlaps_fec());
                }
                geometry::check_fec_behind_data(options, &params, &data, &device)?;
                let size = hash.size().max(area.file_size());
                let fec_area = geometry::fec_area(options, &params, &area, size, on_hash);
                fec_area.map(|fec_area| Some((fec_area, on_hash, device)))
            }
        };
        warn(&params, console);
        let parity = check_places(devices, &data, &hash, &params, &area, parity)?;
        let uuid = uuid(options, identity.uuid, hash.path())?;
        let parity = parity.map(|(area, on_hash, device)| {
            let path = options.fec_device.as_deref().unwrap_or(Path::new(""));
            Parity { path, area, on_hash, device }
        });
        let text = |word: &Option<OsString>| word.as_ref().map(|word| word.display().to_string());
        let typed = (text(&options.uuid), text(&options.hash));
        Ok(Plan { data, hash, params, area, uuid, typed, parity })
    }

    fn tell(&self, console: Console) {
        let (params, area) = (&self.params, &self.area);
        console.step(&format!(
            "Hashing {} by {}: {} data blocks, the tree begins at hash block {} of {}.",
            Quoted(self.data.path()),
            params.algorithm(),
            params.data_blocks(),
            area.hash_start(),
            Quoted(self.hash.path()),
        ));
        console.step(&format!("Using {} hash levels.", params.geometry().levels().len()));
    }

    /// Writes tree, parity and superblock, in this order.
    fn write(&self, signals: &Signals) -> Result<RootHash, Failure> {
        let hash = open_for_writing(&self.hash)?;
        let fec = match &self.parity {
            Some(parity) if parity.on_hash != Sharing::Same => {
                Some((open_for_writing(&parity.device)?, parity))
            }
            _ => None,
        };
        grow(&hash, self.hash.path(), self.hash_size())?;
        if let Some((fec, parity)) = &fec {
            grow(fec, parity.path, parity.area.range().end)?;
        }
        let rewriting = hash.begin(&self.area).map_err(|error| self.failed_writing(&error))?;
        let root_hash = self.build(&rewriting, fec.as_ref().map(|(fec, _)| fec.file()), signals)?;
        if let Some((fec, _)) = &fec {
            WriteAt::sync(fec.file()).map_err(|error| io_failure(FEC_ERROR, &error))?;
        }
        if !self.is_in_own_data() {
            self.data.check().map_err(|_| self.changed_data())?;
        }
        signals.check().map_err(|_| Failure::silent(Code::Signal(0)))?;
        rewriting.finish(self.superblock().as_ref()).map_err(|_| {
            let path = Quoted(self.hash.path());
            Failure::parameters(format!("Error during update of verity header on device {path}."))
        })?;
        Ok(root_hash)
    }

    fn build(
        &self,
        hash: &Rewriting,
        fec: Option<&File>,
        signals: &Signals,
    ) -> Result<RootHash, Failure> {
        let stop = Stop::new(signals);
        let builder = Builder::new(&self.params).threads(threads_or_all(None)).progress(&stop);
        let (data, hash) = (self.data.file(), hash.file());
        let built = match &self.parity {
            None => builder.build(data, hash, &self.area),
            Some(parity) => {
                let fec = fec.unwrap_or(hash);
                builder.build_with_fec(data, hash, &self.area, fec, &parity.area)
            }
        };
        built.map_err(|error| match error {
            Error::WriteParity { source, .. } | Error::ReadParity { source, .. } => {
                io_failure(FEC_ERROR, &source)
            }
            Error::Read { source, .. } | Error::Write { source, .. } | Error::Io(source) => {
                io_failure(HASH_ERROR, &source)
            }
            _ => Failure::parameters(HASH_ERROR),
        })
    }

    /// How long the hash device is at least, with the parity if that is on it.
    fn hash_size(&self) -> u64 {
        let with_hash = self.parity.as_ref().filter(|parity| parity.on_hash == Sharing::Same);
        self.area.file_size().max(with_hash.map_or(0, |parity| parity.area.range().end))
    }

    fn superblock(&self) -> Option<[u8; 512]> {
        self.uuid.map(|uuid| Superblock::new(self.params.clone(), uuid).to_bytes())
    }

    /// Whether something of what is made goes into the file or device that the data is read from.
    fn is_in_own_data(&self) -> bool {
        let fec = self.parity.as_ref().map(|parity| &parity.device);
        let others = [Some(&self.hash), fec].into_iter().flatten();
        others.into_iter().any(|other| devices::sharing(&self.data, other) != Sharing::Nothing)
    }

    fn changed_data(&self) -> Failure {
        let path = Quoted(self.data.path());
        Failure::parameters(format!("Device {path} was changed while it was hashed."))
    }

    fn failed_writing(&self, error: &PublishError) -> Failure {
        match error {
            PublishError::Io { source, .. } => io_failure(HASH_ERROR, source),
            _ => Failure::parameters(HASH_ERROR),
        }
    }

    fn header(&self, root_hash: RootHash) -> Header<'_> {
        Header {
            path: self.hash.path(),
            uuid: self.uuid.map(|uuid| self.typed.0.clone().unwrap_or_else(|| uuid.to_string())),
            algorithm: self.typed.1.as_deref().unwrap_or(self.params.algorithm().name()),
            params: &self.params,
            area: &self.area,
            root_hash: Some(root_hash),
            parity: self.parity.as_ref().map(|parity| ToldParity {
                area: parity.area,
                on_hash: parity.on_hash,
                offset: parity.area.range().start,
            }),
        }
    }

    /// Writes the root hash, as the original without a line end, into a file that is none of the
    /// devices.
    fn write_root_hash(&self, path: &Path, root_hash: RootHash) -> Result<(), Failure> {
        let words = |what| format!("Cannot {what} root hash file {} for writing.", Quoted(path));
        let text = TextFile::open(path);
        let text = text.map_err(|error| io_failure(&words("create"), &error))?;
        let mut file = text.file();
        if self.is_a_device(file) {
            return Err(Failure::parameters(words("create")));
        }
        let is_regular = file.metadata().is_ok_and(|metadata| metadata.is_file());
        let emptied = if is_regular { file.set_len(0) } else { Ok(()) };
        emptied.and_then(|()| file.write_all(root_hash.to_string().as_bytes())).map_err(
            |error| {
                let words = format!("Cannot write to root hash file {}.", Quoted(path));
                io_failure(&words, &error)
            },
        )?;
        text.keep();
        Ok(())
    }

    /// Whether this is data, hash or FEC device.
    fn is_a_device(&self, file: &File) -> bool {
        let fec = self.parity.as_ref().map(|parity| &parity.device);
        let devices = [Some(&self.data), Some(&self.hash), fec].into_iter().flatten();
        let is_storage =
            file.metadata().is_ok_and(|metadata| storage::Extent::is_storage(&metadata));
        let is = |device: &Input| {
            !matches!(storage::relation(device.file(), file), Ok(Relation::Distinct))
        };
        is_storage && devices.into_iter().any(is)
    }
}

/// Opens and locks a device for writing, through links: the one that was planned with, whatever
/// its name stands for by now.
fn open_for_writing(planned: &Input) -> Result<InPlace, Failure> {
    let path = planned.path();
    let real = path.canonicalize().map_err(|_| codes::missing_device(path))?;
    let opened = InPlace::open(real).map_err(|error| match error {
        PublishError::Busy { .. } => codes::used_device(path),
        _ => codes::missing_device(path),
    })?;
    if opened.is(planned) { Ok(opened) } else { Err(codes::missing_device(path)) }
}

/// Warns of data blocks that most kernels take no device of.
fn warn(params: &Params, console: Console) {
    if u64::from(params.data_block_size()) > PAGE_SIZE {
        console.error(&format!(
            "WARNING: Kernel cannot activate device if data block size exceeds page size \
             ({PAGE_SIZE})."
        ));
    }
}

/// As most kernels have it; the warning is about those.
const PAGE_SIZE: u64 = 4096;

const HASH_ERROR: &str = "Input/output error while creating hash area.";

const FEC_ERROR: &str = "Input/output error while creating FEC area.";

fn io_failure(words: &str, error: &io::Error) -> Failure {
    match Code::of(error) {
        Code::NoPermission => Failure::parameters(words),
        code => Failure::new(code, words),
    }
}

/// Refuses devices that what is to be made cannot lie on, and then parity that cannot be.
fn check_places(
    devices: Devices,
    data: &Input,
    hash: &Input,
    params: &Params,
    area: &HashArea,
    parity: Result<Option<(FecArea, Sharing, Input)>, FecError>,
) -> Result<Option<(FecArea, Sharing, Input)>, Failure> {
    let (devices, fec_area) = match &parity {
        Ok(Some((fec_area, on_hash, device))) => {
            let with_fec = Devices {
                fec_size: fixed_size(device),
                fec_on_data: devices::sharing(data, device),
                fec_on_hash: *on_hash,
                ..devices
            };
            (with_fec, Some(fec_area))
        }
        _ => (devices, None),
    };
    devices.check(params, area, fec_area).map_err(|error| match (&error, &parity) {
        (Error::HashArea(_), _) => geometry::data_overlaps_hash(),
        (Error::Fec(FecError::Shifted { other: "data" }), _) => geometry::data_overlaps_fec(),
        (Error::Fec(error), _) => parity_failure(error),
        (Error::ShortData { .. }, _) => Failure::parameters(HASH_ERROR),
        (Error::ShortParity { .. }, Ok(Some((.., device)))) => codes::small_device(device.path()),
        _ => codes::small_device(hash.path()),
    })?;
    parity.map_err(|error| parity_failure(&error))
}

/// What is wrong with parity that is to be made: parameters that cannot be are told twice.
fn parity_failure(error: &FecError) -> Failure {
    let failure = geometry::fec_failure(error);
    match error {
        FecError::BlockSizes { .. } | FecError::Roots { .. } => failure.twice(),
        _ => failure,
    }
}

/// The size of a device that does not grow.
fn fixed_size(device: &Input) -> Option<u64> {
    device.is_block_device().then(|| device.size())
}

/// Makes a file as long as it must be at least.
fn grow(device: &InPlace, path: &Path, size: u64) -> Result<(), Failure> {
    if device.size() >= size {
        return Ok(());
    }
    WriteAt::resize(device.file(), size).map_err(|error| {
        let (path, reason) = (Quoted(path), codes::system_words(&error));
        Failure::parameters(format!("Cannot grow {path} to {size} bytes ({reason})."))
    })
}

/// A salt unless one is given, and a UUID.
fn identity(salt: Option<Salt>) -> Result<Identity, Failure> {
    let parameters = Parameters { salt, ..Parameters::default() };
    let identity = Identity::choose(&parameters, None);
    identity.map_err(|error| Failure::parameters(error.words()))
}

/// The UUID of the superblock, if there is to be one: as given, or this new one.
fn uuid(options: &Options, new: Uuid, hash: &Path) -> Result<Option<Uuid>, Failure> {
    if options.no_superblock {
        return Ok(None);
    }
    let Some(text) = &options.uuid else { return Ok(Some(new)) };
    let text = text.to_str().filter(|text| text.len() == HYPHENATED);
    let uuid = text.and_then(|text| Uuid::try_parse(text).ok());
    uuid.map(Some).ok_or_else(|| {
        let path = Quoted(hash);
        Failure::parameters(format!("Wrong VERITY UUID format provided on device {path}."))
    })
}

/// How long a UUID is in its usual form.
const HYPHENATED: usize = 36;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uuid_has_its_usual_form() {
        let of = |text: &str, no_superblock| {
            let options = Options { uuid: Some(text.into()), no_superblock, ..Options::default() };
            uuid(&options, Uuid::nil(), Path::new("h"))
        };
        let text = "a60c98d2-ae9b-4865-bfcb-b4e3ace11033";
        assert_eq!(of(text, false).unwrap().unwrap().to_string(), text);
        assert_eq!(of(&text.to_uppercase(), false).unwrap().unwrap().to_string(), text);
        assert_eq!(of("xyz", true), Ok(None));
        let simple = text.replace('-', "");
        for wrong in ["xyz", "", &simple, &format!("{{{text}}}"), &format!("urn:uuid:{text}")] {
            let refused = of(wrong, false).unwrap_err();
            assert_eq!(refused.lines, ["Wrong VERITY UUID format provided on device h."]);
        }
    }
}
