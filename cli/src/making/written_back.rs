//! A copy that is on its way to the storage while more of it is made.
//!
//! What a run writes is synced in the end, and the system seldom begins with a file before that:
//! then the storage rests while there is hashing, and the processors while there is syncing.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use verity::internals::to_u64;
use verity::io::WriteAt;

/// After how many bytes the next sync begins, if the one before has ended.
const STEP: u64 = 32 << 20;

/// Runs `work`, which writes to what it is given; each part of that is synced while the next one is
/// written. What failed is told as a failed write.
pub(crate) fn written_back<T>(
    sink: &dyn WriteAt,
    work: impl FnOnce(&dyn WriteAt) -> T,
) -> (T, io::Result<()>) {
    thread::scope(|scope| {
        // One part may wait: there is no use in more, as a sync takes all there is.
        let (sender, receiver) = sync_channel(1);
        let syncing = scope.spawn(move || sync_each(sink, receiver));
        let done = work(&WrittenBack { sink, written: AtomicU64::new(0), sender });
        let synced = syncing.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        (done, synced)
    })
}

/// Syncs as often as it is told to, until nobody is there to tell it or it fails.
fn sync_each(sink: &dyn WriteAt, told: Receiver<()>) -> io::Result<()> {
    told.into_iter().try_for_each(|()| sink.sync())
}

struct WrittenBack<'a> {
    sink: &'a dyn WriteAt,
    written: AtomicU64,
    sender: SyncSender<()>,
}

impl WriteAt for WrittenBack<'_> {
    fn write_at(&self, buf: &[u8], offset: u64) -> io::Result<usize> {
        let size = self.sink.write_at(buf, offset)?;
        let before = self.written.fetch_add(to_u64(size), Ordering::Relaxed);
        if before / STEP != before.wrapping_add(to_u64(size)) / STEP {
            // One that waits already will take this too; one that has failed is told in the end.
            let _ = self.sender.try_send(());
        }
        Ok(size)
    }

    fn resize(&self, len: u64) -> io::Result<()> {
        self.sink.resize(len)
    }

    fn sync(&self) -> io::Result<()> {
        self.sink.sync()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::atomic::AtomicUsize;

    use super::*;

    /// Counts syncs, and fails the ones from a number on.
    #[derive(Default)]
    struct Counted {
        syncs: AtomicUsize,
        fails_from: Option<usize>,
        written: Mutex<Vec<(u64, usize)>>,
    }

    impl WriteAt for Counted {
        fn write_at(&self, buf: &[u8], offset: u64) -> io::Result<usize> {
            self.written.lock().unwrap().push((offset, buf.len()));
            Ok(buf.len())
        }

        fn resize(&self, _: u64) -> io::Result<()> {
            Ok(())
        }

        fn sync(&self) -> io::Result<()> {
            let number = self.syncs.fetch_add(1, Ordering::SeqCst);
            match self.fails_from {
                Some(first) if number >= first => Err(io::Error::other("no storage")),
                _ => Ok(()),
            }
        }
    }

    fn write(sink: &Counted, size: u64) -> io::Result<()> {
        let piece = vec![1; 1 << 20];
        let (written, synced) = written_back(sink, |sink| {
            (0..size >> 20).try_for_each(|index| sink.write_all_at(&piece, index << 20))
        });
        written.unwrap();
        synced
    }

    #[test]
    fn what_is_short_waits_for_the_last_sync() {
        let sink = Counted::default();
        write(&sink, STEP - 1).unwrap();
        assert_eq!(sink.syncs.into_inner(), 0);
    }

    #[test]
    fn what_is_long_is_synced_meanwhile_and_all_of_it_written_once() {
        let sink = Counted::default();
        write(&sink, 4 * STEP).unwrap();
        assert!((1..=4).contains(&sink.syncs.into_inner()));
        let written = sink.written.into_inner().unwrap();
        let wanted: Vec<_> = (0..(4 * STEP) >> 20).map(|index| (index << 20, 1 << 20)).collect();
        assert_eq!(written, wanted);
    }

    /// Linux tells a failed write-back once: whoever syncs in the end no longer hears of it.
    #[test]
    fn a_failed_sync_is_told() {
        let sink = Counted { fails_from: Some(0), ..Counted::default() };
        assert_eq!(write(&sink, 4 * STEP).unwrap_err().to_string(), "no storage");
    }
}
