//! Copies of whole files, with their holes.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};
use std::ops::Range;

use super::{Extent, ReadAt};

/// How much is copied before progress is reported, in bytes.
const CHUNK: u64 = 16 << 20;

/// Copies the first `size` bytes of a file or block device to an empty file: shared extents if the
/// file system has them, else runs of data, so that holes stay holes. The target's cursor is at its
/// start afterwards.
///
/// `copied` is called for every run of bytes, with the result of copying it. If it returns an
/// error, the copy ends. So it can count, stop, or write what could not be copied.
///
/// ```
/// use verity::io::copy_file;
///
/// let source = tempfile::tempfile()?;
/// source.set_len(1 << 20)?;
/// let target = tempfile::tempfile()?;
/// copy_file(&source, &target, 1 << 20, &mut |_, copied| copied)?;
/// assert_eq!(target.metadata()?.len(), 1 << 20);
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Errors
/// What `copied` returns; otherwise when the target cannot be made that long.
pub fn copy_file(
    source: &File,
    target: &File,
    size: u64,
    copied: &mut dyn FnMut(Range<u64>, io::Result<()>) -> io::Result<()>,
) -> io::Result<()> {
    if rustix::fs::ioctl_ficlone(target, source).is_ok() {
        copied(0..size, Ok(()))?;
    } else {
        target.set_len(size)?;
        let mut offset = 0;
        while offset < size {
            let extent = source.extent_at(offset);
            let end = match extent {
                Extent::Data { end } => end.min(offset.saturating_add(CHUNK)),
                Extent::Hole { end } | Extent::Zero { end } => end,
            };
            let run = offset..end.min(size);
            let done = match extent {
                Extent::Data { .. } => copy_run(source, target, run.clone()),
                Extent::Hole { .. } | Extent::Zero { .. } => Ok(()),
            };
            offset = run.end;
            copied(run, done)?;
        }
    }
    let mut cursor = target;
    cursor.rewind()
}

fn copy_run(mut source: &File, mut target: &File, bytes: Range<u64>) -> io::Result<()> {
    source.seek(SeekFrom::Start(bytes.start))?;
    target.seek(SeekFrom::Start(bytes.start))?;
    let copied = io::copy(&mut source.take(bytes.end - bytes.start), &mut target)?;
    if copied < bytes.end - bytes.start {
        return Err(ErrorKind::UnexpectedEof.into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{FileExt, MetadataExt};

    use super::*;

    /// A hole, data of more than one chunk, a hole.
    fn sparse() -> (File, u64) {
        let file = tempfile::tempfile().unwrap();
        file.write_all_at(&vec![7; (CHUNK + 5000).try_into().unwrap()], 1 << 20).unwrap();
        let size = CHUNK + (4 << 20);
        file.set_len(size).unwrap();
        (file, size)
    }

    #[test]
    fn a_copy_has_the_bytes_and_the_holes() {
        let (source, size) = sparse();
        let target = tempfile::tempfile().unwrap();
        let mut end = 0;
        copy_file(&source, &target, size, &mut |run, copied| {
            assert_eq!(run.start, end, "runs follow one another");
            end = run.end;
            copied
        })
        .unwrap();
        assert_eq!(end, size);
        let read = |file: &File| {
            let mut bytes = vec![0; size.try_into().unwrap()];
            ReadAt::read_exact_at(file, &mut bytes, 0).unwrap();
            bytes
        };
        assert!(read(&source) == read(&target));
        let blocks = |file: &File| file.metadata().unwrap().blocks();
        assert!(blocks(&target) <= blocks(&source) + 8);
    }

    #[test]
    fn whoever_hears_of_a_run_may_end_the_copy() {
        let (source, size) = sparse();
        let target = tempfile::tempfile().unwrap();
        let mut stop = |_, _| Err(ErrorKind::Other.into());
        let stopped = copy_file(&source, &target, size, &mut stop);
        assert_eq!(stopped.unwrap_err().kind(), ErrorKind::Other);
        let mut heard = Vec::new();
        copy_file(&source, &tempfile::tempfile().unwrap(), size + 1, &mut |run, copied| {
            heard.push((run, copied.is_ok()));
            Ok(())
        })
        .unwrap();
        assert!(heard.last().is_some_and(|(run, _)| run.end == size + 1), "{heard:?}");
    }
}
