//! Opening a device.

use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use verity::table::{Table, TableOptions};
use verity::{FecArea, HashArea, Params, RootHash, Uuid};

use crate::device::{DeviceId, DeviceMapper, Known, Lock, Status};
use crate::error::{Error, ExistingState, Refusal};
use crate::key::ThreadKey;
use crate::kmsg::KernelLog;
use crate::node::{self, Cookie, Udev};
use crate::place::Place;
use crate::record::{Command, DeviceUuid, Flags, MapperName, Request, encode_target};
use crate::run::{Run, Step, TICK, Waited};

use super::below::Below;
use super::compare::{self, Existing};
use super::plan::{Parity, Plan};
use super::refusal;
use super::remove::{Removal, remove, remove_node};

/// How often a table is loaded when somebody holds a device below, as one that looks whether it may
/// have it does for a moment.
const LOADS: usize = 5;
/// How long a device without a table is watched before it is taken for left behind: others make
/// theirs without our lock.
const HALF_MADE: Duration = Duration::from_secs(3);

/// A device that is to be opened: made, given its table, and brought to life. Nothing of the image
/// is read or hashed here; that is for the caller, before or through the device.
///
/// The parameters should come from where they are authenticated: a root hash alone does not say
/// where the tree lies.
///
/// ```no_run
/// use verity::{HashArea, Params};
/// use verity_dm::{DeviceMapper, Open, Run};
///
/// let params = Params::builder().data_blocks(256).build()?;
/// let hash_area = HashArea::new(&params, 0, true)?;
/// let root_hash = "ab".repeat(32).parse()?;
/// let open = Open::new("root".parse()?, params, root_hash, &hash_area, "root.img", "root.hash");
/// let opened = open.run(&DeviceMapper::open()?, Run::default())?;
/// println!("{}", opened.node.display());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Open {
    plan: Plan,
    udev: Udev,
}

/// A device that was opened.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Opened {
    /// The node under `/dev/mapper`.
    pub node: PathBuf,
    /// What is known of the device, now that nothing was read through it but by udev.
    pub status: Status,
    /// The loop devices that were made, each once. They go with the device.
    pub loop_devices: Vec<PathBuf>,
    /// What the caller may want to tell.
    pub notes: Vec<Note>,
}

/// Something that was otherwise than usual, and is no error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Note {
    /// A device of the name without a table, which somebody had begun to make, was removed.
    HalfMadeRemoved,
    /// udev did not finish in time; the node was looked after here.
    UdevTimedOut,
    /// The UUID of the device does not hold the whole name.
    UuidCut,
}

impl Open {
    /// A device of this name over data and tree, without options. `data` and `hash` are block
    /// devices or regular files.
    #[must_use]
    pub fn new(
        name: MapperName,
        params: Params,
        root_hash: RootHash,
        hash_area: &HashArea,
        data: impl Into<Place>,
        hash: impl Into<Place>,
    ) -> Open {
        let plan = Plan {
            name,
            uuid: None,
            params,
            root_hash,
            hash_start: hash_area.hash_start(),
            options: TableOptions::default(),
            data: data.into(),
            hash: hash.into(),
            fec: None,
            signature: None,
            is_shared: false,
        };
        Open { plan, udev: Udev::default() }
    }

    /// Puts the UUID of the image, which its superblock has, into the UUID of the device.
    #[must_use]
    pub fn uuid(mut self, uuid: Uuid) -> Open {
        self.plan.uuid = Some(uuid);
        self
    }

    /// Sets the options of the table. Parity and key among them are left out: they are what
    /// [`Open::fec`] and [`Open::signature`] say.
    #[must_use]
    pub fn options(mut self, options: TableOptions) -> Open {
        self.plan.options = TableOptions { fec: None, root_hash_sig_key_desc: None, ..options };
        self
    }

    /// Adds parity, in a block device or regular file: also that of data or tree.
    #[must_use]
    pub fn fec(mut self, place: impl Into<Place>, area: &FecArea) -> Open {
        let (start, blocks, roots) = (area.start(), area.blocks(), area.roots());
        self.plan.fec = Some(Parity { place: place.into(), start, blocks, roots });
        self
    }

    /// Has the kernel verify this signature of the root hash: PKCS#7 in DER.
    #[must_use]
    pub fn signature(mut self, signature: Vec<u8>) -> Open {
        self.plan.signature = Some(signature);
        self
    }

    /// Takes a data device that another mapping or a mount has too.
    #[must_use]
    pub fn shared(mut self) -> Open {
        self.plan.is_shared = true;
        self
    }

    /// Says who makes the node.
    #[must_use]
    pub fn udev(mut self, udev: Udev) -> Open {
        self.udev = udev;
        self
    }

    /// The name of the device.
    #[must_use]
    pub fn name(&self) -> &MapperName {
        &self.plan.name
    }

    /// The device of this name that exists, and in what it differs from the wanted one; `None` if
    /// there is none. No loop device is made for it.
    ///
    /// # Errors
    /// When device-mapper fails, or a file or device that is to be below cannot be found.
    pub fn existing(&self, device_mapper: &DeviceMapper) -> Result<Option<Existing>, Error> {
        let status = device_mapper.status(&self.plan.name)?;
        status.map(|status| compare::compare(&self.plan, status)).transpose()
    }

    /// Opens the device.
    ///
    /// The thread that calls it is the one whose keyring holds the signature for the moment.
    /// Whatever fails, or ends the run, nothing is left: no device, no loop device, no node, no
    /// semaphore, no key.
    ///
    /// A process that is killed may leave a semaphore behind, and a device. One without a table
    /// does not block the next run, which finds it so for three seconds, removes it, and says so.
    /// One with a table is live and may lack its node, which [`make_node`] makes.
    ///
    /// # Errors
    /// When there is a device of this name, data, tree or parity cannot be had, the kernel refuses
    /// the table, somebody else removes the device before it is ready, or the run is cancelled; see
    /// [`Error::reason`](crate::Error::reason).
    pub fn run(&self, device_mapper: &DeviceMapper, run: Run<'_>) -> Result<Opened, Error> {
        if let Some(signature) = &self.plan.signature {
            ThreadKey::check(signature).map_err(|cause| Error::Key { cause })?;
        }
        let wanted = self.plan.wanted()?;
        let mut notes = Vec::new();
        let lock = device_mapper.lock(run)?;
        self.make_way(device_mapper, &lock, run, &mut notes)?;
        run.tell(Step::NameIsFree);
        let target_version = device_mapper.verity_version()?;
        if target_version.is_none() && device_mapper.can_load_target() {
            return Err(Error::NoVerityTarget);
        }
        let below = Below::open(&wanted, run)?;
        run.tell(Step::BackingOpened);
        let key = self.add_key(run)?;
        let table = self.plan.table(&below)?;
        checked(run)?;
        let device = self.create(device_mapper, run, &mut notes)?;
        device.load(&table, self.plan.signature.is_some(), target_version)?;
        drop(key);
        let cookie = device.resume()?;
        drop(lock);
        device.finish(cookie, &mut notes)?;
        let status = device_mapper.status(&self.plan.name)?;
        let status = status.filter(|status| status.id().is_same(&device.id));
        let status = status.ok_or_else(|| device.lost())?;
        device.keep();
        let loop_devices = below.loop_paths();
        Ok(Opened { node: self.plan.name.node(), status, loop_devices, notes })
    }

    /// Finds the name free, or frees it of a device that was left without a table.
    fn make_way(
        &self,
        device_mapper: &DeviceMapper,
        lock: &Lock,
        run: Run<'_>,
        notes: &mut Vec<Note>,
    ) -> Result<(), Error> {
        let Some(known) = device_mapper.known(&self.plan.name)? else { return Ok(()) };
        if !known.is_half_made() || !lock.is_held() {
            return Err(self.exists(Some(known)));
        }
        // Another program, which knows nothing of our lock, may be about to load a table.
        let device = known.id.clone();
        let mut last = Some(known);
        let waited = run.wait(HALF_MADE, || {
            last = device_mapper.known(&self.plan.name).ok().flatten();
            !last.as_ref().is_some_and(|now| now.is_half_made() && now.id.is_same(&device))
        });
        match (waited, last) {
            (Waited::Cancelled, _) => Err(Error::Cancelled),
            (Waited::Done, None) => Ok(()),
            (Waited::Done, known) => Err(self.exists(known)),
            (Waited::TimedOut, _) => {
                match remove(device_mapper, &device, Flags::default(), self.udev, run) {
                    Err(error) if error.errno() == Some(libc::EBUSY) => {
                        return Err(self.exists(device_mapper.known(&self.plan.name)?));
                    }
                    removed => removed?,
                };
                notes.push(Note::HalfMadeRemoved);
                Ok(())
            }
        }
    }

    fn exists(&self, known: Option<Known>) -> Error {
        let state = match known {
            Some(known) if known.flags.has(Flags::ACTIVE_PRESENT) => ExistingState::Live,
            Some(_) => ExistingState::WithoutTable,
            None => ExistingState::Unknown,
        };
        Error::Exists { name: self.plan.name.clone(), state }
    }

    fn add_key(&self, run: Run<'_>) -> Result<Option<ThreadKey>, Error> {
        let Some(signature) = &self.plan.signature else { return Ok(None) };
        let description = self.plan.key_description();
        let key = ThreadKey::add(&description, signature).map_err(|cause| Error::Key { cause })?;
        run.tell(Step::KeyAdded);
        Ok(Some(key))
    }

    fn create<'a>(
        &'a self,
        device_mapper: &'a DeviceMapper,
        run: Run<'a>,
        notes: &mut Vec<Note>,
    ) -> Result<Made<'a>, Error> {
        let uuid = DeviceUuid::new(self.plan.uuid, &self.plan.name);
        let request =
            Request { name: self.plan.name.kernel(), uuid: uuid.kernel(), ..Request::default() };
        let created =
            device_mapper.call(Command::Create, &request, self.plan.name.plain(), |answer| {
                Ok(answer.number)
            });
        let number = match created {
            Err(error) if error.errno() == Some(libc::EBUSY) => {
                return Err(self.exists(device_mapper.known(&self.plan.name)?));
            }
            created => created?,
        };
        if uuid.is_cut() {
            notes.push(Note::UuidCut);
        }
        let (name, uuid) = (self.plan.name.clone(), uuid.kernel().to_owned());
        let id = DeviceId { name, uuid, number };
        let made = Made { device_mapper, id, udev: self.udev, run, is_kept: false };
        run.tell(Step::Created);
        checked(run)?;
        Ok(made)
    }
}

/// Makes the node of a device that has none, or a wrong one, as one whose maker was killed.
/// Returns its path.
///
/// # Errors
/// When it cannot be made.
pub fn make_node(status: &Status) -> Result<PathBuf, Error> {
    node::make(&status.name, status.number)?;
    Ok(status.name.node())
}

/// A device that is being made. It is removed again if it is not kept.
///
/// Somebody else may remove it at any moment, and make another one of its name. That one is never
/// touched: the kernel is asked by the UUID.
struct Made<'a> {
    device_mapper: &'a DeviceMapper,
    id: DeviceId,
    udev: Udev,
    run: Run<'a>,
    is_kept: bool,
}

impl Made<'_> {
    /// Gives the device its table, read-only.
    fn load(&self, table: &Table, is_signed: bool, version: Option<[u32; 3]>) -> Result<(), Error> {
        let line = table.to_string();
        // Start, length and type are fields of the record.
        let parameters = line.splitn(4, ' ').nth(3).unwrap_or_default();
        let payload = encode_target("verity", table.sectors(), parameters)?;
        let request = Request {
            flags: Flags::READ_ONLY,
            target_count: 1,
            payload: &payload,
            ..self.id.request()
        };
        let log = KernelLog::from_now();
        let load =
            || self.device_mapper.call(Command::Load, &request, self.id.name.plain(), |_| Ok(()));
        let mut loaded = load();
        for _ in 1..LOADS {
            if !loaded.as_ref().is_err_and(|error| error.errno() == Some(libc::EBUSY)) {
                break;
            }
            thread::sleep(TICK);
            checked(self.run)?;
            loaded = load();
        }
        match loaded.map_err(|error| self.lost_or(error)) {
            Ok(()) => {
                self.run.tell(Step::Loaded);
                checked(self.run)
            }
            Err(Error::Ioctl { source, .. }) => {
                let errno = source.raw_os_error().unwrap_or_default();
                let version = match version {
                    Some(version) => version,
                    // The table should have loaded the target's module.
                    None => self.device_mapper.verity_version()?.ok_or(Error::NoVerityTarget)?,
                };
                Err(self.refused(errno, log, is_signed, version))
            }
            Err(error) => Err(error),
        }
    }

    fn refused(&self, errno: i32, log: KernelLog, is_signed: bool, version: [u32; 3]) -> Error {
        let lines = log.lines_about(self.id.number);
        let reason = refusal::reason(errno, &lines, is_signed);
        let lines = lines.iter().map(|line| refusal::words(line)).collect();
        let (name, number) = (self.id.name.clone(), self.id.number);
        let target_version = Some(version);
        Error::Refused(Box::new(Refusal { name, number, reason, errno, lines, target_version }))
    }

    /// Brings the device to life. Returns what to wait for udev with, if the kernel has told it.
    fn resume(&self) -> Result<Option<Cookie>, Error> {
        let cookie = Cookie::new(self.udev);
        let request = Request { event: cookie.event(), ..self.id.request() };
        let about = self.id.name.plain();
        let resumed =
            self.device_mapper.call(Command::Suspend, &request, about, |answer| Ok(answer.flags));
        let flags = resumed.map_err(|error| self.lost_or(error))?;
        self.run.tell(Step::Resumed);
        Ok(flags.has(Flags::UEVENT_GENERATED).then_some(cookie))
    }

    /// Waits for the node, or makes it.
    fn finish(&self, cookie: Option<Cookie>, notes: &mut Vec<Note>) -> Result<(), Error> {
        checked(self.run)?;
        let waited = cookie.map_or(Waited::Done, |cookie| {
            cookie.wait_until_there(&self.id.name, self.id.number, self.run)
        });
        match waited {
            Waited::Done => {}
            Waited::TimedOut => notes.push(Note::UdevTimedOut),
            Waited::Cancelled => return Err(Error::Cancelled),
        }
        if !self.device_mapper.is_there(&self.id)? {
            return Err(self.lost());
        }
        node::make(&self.id.name, self.id.number)?;
        self.run.tell(Step::NodeMade);
        checked(self.run)
    }

    /// Somebody else has removed it.
    fn lost(&self) -> Error {
        Error::NotActive { name: self.id.name.clone() }
    }

    /// The error of a call, unless it is that somebody else has removed the device.
    fn lost_or(&self, error: Error) -> Error {
        let is_lost = error.errno() == Some(libc::ENXIO)
            && self.device_mapper.is_there(&self.id).is_ok_and(|is_there| !is_there);
        if is_lost { self.lost() } else { error }
    }

    fn keep(mut self) {
        self.is_kept = true;
    }
}

impl Drop for Made<'_> {
    fn drop(&mut self) {
        if self.is_kept {
            return;
        }
        let is_there = || self.device_mapper.is_there(&self.id).unwrap_or_default();
        // udev may be looking at it: then it goes when that is done. What cannot be removed at all
        // is found without a table by the next run, or was taken over by somebody else.
        let flags = Flags::DEFERRED_REMOVE;
        let remove = || remove(self.device_mapper, &self.id, flags, self.udev, self.run).ok();
        match is_there().then(remove).flatten() {
            Some(Removal::Gone) => {}
            // It is ours to its end, and nobody needs the node any more.
            Some(Removal::Scheduled) if is_there() => {
                node::remove(&self.id.name, self.id.number);
            }
            Some(Removal::Scheduled) | None => remove_node(self.device_mapper, &self.id),
        }
    }
}

fn checked(run: Run<'_>) -> Result<(), Error> {
    if run.is_cancelled() { Err(Error::Cancelled) } else { Ok(()) }
}
