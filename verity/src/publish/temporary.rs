//! The temporary file beside a target: where its new contents are made, and the lock on it.
//!
//! Two runs can find the same file, and the one that holds the lock can rename or remove it at any
//! moment before the other has locked it. Hence the rule: a lock counts only if, once it is taken,
//! the name still stands for the locked file.

use std::ffi::OsString;
use std::fs::File;
use std::sync::Arc;

use rustix::fs::{Mode, OFlags, Stat};
use rustix::io::Errno;

use super::directory::Place;
use super::leftovers::{Leftover, Step};
use super::lock::Locked;
use super::{Distrust, FileKind, PublishError};

/// How often another run may come in between before the output counts as busy.
const ATTEMPTS: u32 = 100;

/// A locked, empty file beside its target. Removed when dropped, unless it was put in the target's
/// place.
#[derive(Debug)]
pub(super) struct Temporary {
    /// Removes the file when the process is ended before this is dropped. Dropped first, so that
    /// the lock ends with `made`.
    _leftover: Leftover,
    made: Arc<Made>,
    published: bool,
}

/// The file under its temporary name.
#[derive(Debug)]
struct Made {
    place: Place,
    file: Locked,
    name: OsString,
}

impl Made {
    /// Removes the name, if it still stands for the file.
    fn remove(&self) {
        if is_still(&self.place, &self.name, &self.file).unwrap_or(false) {
            // Nobody is left to report to; the next run on the same output removes it.
            let _ = self.place.unlink(&self.name);
        }
    }
}

impl Temporary {
    /// Locks the target by making its temporary file, with these permission bits less the umask.
    /// Makes none once leftovers were removed.
    pub(super) fn take(place: Place, mode: Mode) -> Result<Temporary, PublishError> {
        // Until it is remembered, nobody else could remove it.
        let _making = Step::begin().map_err(place.io("make a temporary file for"))?;
        let name = place.temporary_name();
        for _ in 0..ATTEMPTS {
            match make(&place, &name, mode)? {
                Some(file) => return Ok(Temporary::new(Made { place, file, name })),
                None => remove_leftover(&place, &name)?,
            }
        }
        Err(PublishError::busy(place.path()))
    }

    fn new(made: Made) -> Temporary {
        let made = Arc::new(made);
        let remembered = Arc::clone(&made);
        let leftover = Leftover::new(move || remembered.remove());
        Temporary { _leftover: leftover, made, published: false }
    }

    pub(super) fn place(&self) -> &Place {
        &self.made.place
    }

    pub(super) fn file(&self) -> &File {
        &self.made.file
    }

    /// Puts it in the target's place. The lock is kept until it is dropped.
    pub(super) fn publish(&mut self) -> Result<(), PublishError> {
        self.made.place.replace_by(&self.made.name)?;
        self.published = true;
        Ok(())
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.published {
            self.made.remove();
        }
    }
}

/// Makes and locks the file; `None` if there is one already or another run took it for a leftover.
fn make(place: &Place, name: &OsString, mode: Mode) -> Result<Option<Locked>, PublishError> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL;
    let file = match place.open(name, flags, mode) {
        Ok(file) => file,
        Err(Errno::EXIST) => return Ok(None),
        Err(errno) => return Err(place.io("make a temporary file for")(errno)),
    };
    let file = match Locked::exclusive(file, place.path()) {
        Ok(file) => file,
        Err(error) => {
            abandon(place, name, &error);
            return Err(error);
        }
    };
    let ours = is_still(place, name, &file).map_err(place.io("look up the temporary file of"))?;
    Ok(ours.then_some(file))
}

/// Removes what a killed run left behind; refuses what no run of ours can have left.
fn remove_leftover(place: &Place, name: &OsString) -> Result<(), PublishError> {
    let look_up = |errno| place.io("look up the temporary file of")(errno);
    let Some(stat) = place.stat(name).map_err(look_up)? else { return Ok(()) };
    if let Some(what) = distrust(&stat) {
        let path = place.path().with_file_name(name);
        return Err(PublishError::Temporary { path, what });
    }
    let file = match place.open(name, OFlags::RDWR, Mode::empty()) {
        Ok(file) => file,
        Err(Errno::NOENT) => return Ok(()),
        Err(errno) => return Err(place.io("open the temporary file of")(errno)),
    };
    let file = Locked::exclusive(file, place.path())?;
    let named = place.stat(name).map_err(look_up)?;
    let opened = rustix::fs::fstat(&*file).map_err(look_up)?;
    if !named.is_some_and(|named| is_same(&named, &opened) && distrust(&named).is_none()) {
        return Ok(());
    }
    match place.unlink(name) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(errno) => Err(place.io("remove the temporary file of")(errno)),
    }
}

fn distrust(stat: &Stat) -> Option<Distrust> {
    let kind = FileKind::of(stat);
    if kind != FileKind::Regular {
        Some(Distrust::NotRegular(kind))
    } else if stat.st_uid != rustix::process::geteuid().as_raw() {
        Some(Distrust::OtherOwner { uid: stat.st_uid })
    } else if stat.st_nlink > 1 {
        Some(Distrust::HardLinked)
    } else {
        None
    }
}

/// Removes a file that was made but could not be locked: where nobody can lock, nobody else holds
/// it.
fn abandon(place: &Place, name: &OsString, error: &PublishError) {
    if !matches!(error, PublishError::Busy { .. }) {
        let _ = place.unlink(name);
    }
}

/// Whether the name stands for that very file.
fn is_still(place: &Place, name: &OsString, file: &File) -> Result<bool, Errno> {
    let (opened, named) = (rustix::fs::fstat(file)?, place.stat(name)?);
    Ok(named.is_some_and(|named| is_same(&named, &opened)))
}

fn is_same(a: &Stat, b: &Stat) -> bool {
    (a.st_dev, a.st_ino) == (b.st_dev, b.st_ino)
}
