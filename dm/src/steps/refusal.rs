//! From errno and the kernel's log to the reason for which a table was refused.

use crate::error::Reason;
use crate::record::LogRecord;

/// What errno alone says of a table, and what the line of the log adds to it.
///
/// The lines are those of `drivers/md/dm-verity-target.c`, `dm-verity-fec.c`,
/// `dm-verity-verify-sig.c` and `dm-table.c` of Linux 6.12. Where a kernel words them otherwise,
/// the reason is the one that errno tells, or none in particular.
pub(super) fn reason(errno: i32, lines: &[String], is_signed: bool) -> Reason {
    let says = |words: &str| lines.iter().any(|line| line.contains(words));
    match errno {
        libc::ENOKEY if is_signed => Reason::KeyMissing,
        libc::ENOKEY => Reason::SignatureRequired,
        libc::EKEYREJECTED => Reason::KeyRejected,
        libc::EKEYREVOKED | libc::EKEYEXPIRED => Reason::KeyUnusable,
        libc::EBADMSG if is_signed => Reason::SignatureMalformed,
        libc::ENOPKG if is_signed => Reason::SignatureUnsupported,
        libc::E2BIG => Reason::DeviceTooSmall,
        libc::ENOENT => Reason::UnknownHash,
        libc::EBUSY => Reason::BackingInUse,
        libc::EACCES | libc::EPERM => Reason::NotPermitted,
        libc::ENODEV | libc::ENXIO => Reason::BackingUnreadable,
        libc::EINVAL if says("too small") => Reason::DeviceTooSmall,
        libc::EINVAL if says("device block size") => Reason::LogicalBlockSize,
        libc::EINVAL if says("Unrecognized") || says("Invalid number of feature args") => {
            Reason::TargetTooOld
        }
        libc::EINVAL if is_signed && says("Root hash verification failed") => {
            Reason::SignatureMalformed
        }
        _ => Reason::TableRefused,
    }
}

/// The words of the target, where a line has them behind a prefix.
pub(super) fn words(record: &str) -> String {
    let record = LogRecord { sequence: 0, text: record.to_owned() };
    record.refusal().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lines as Linux 6.12 logged them.
    #[test]
    fn reasons_follow_from_errno_and_line() {
        let table = [
            (libc::ENOKEY, "Root hash verification failed (-ENOKEY)", true, Reason::KeyMissing),
            (libc::ENOKEY, "", false, Reason::SignatureRequired),
            (libc::EKEYREJECTED, "", true, Reason::KeyRejected),
            (libc::EBADMSG, "", true, Reason::SignatureMalformed),
            (libc::E2BIG, "FEC device is too small (-E2BIG)", false, Reason::DeviceTooSmall),
            (libc::EINVAL, "Invalid fec_roots (-EINVAL)", false, Reason::TableRefused),
            (
                libc::EINVAL,
                "Invalid data device block size (-EINVAL)",
                false,
                Reason::LogicalBlockSize,
            ),
            (
                libc::EINVAL,
                "Unrecognized verity feature request (-EINVAL)",
                false,
                Reason::TargetTooOld,
            ),
            (
                libc::EINVAL,
                "loop0 too small for target: start=0, len=16, dev_size=8",
                false,
                Reason::DeviceTooSmall,
            ),
            (libc::ENOMEM, "", false, Reason::TableRefused),
        ];
        for (errno, line, is_signed, expected) in table {
            assert_eq!(reason(errno, &[line.to_owned()], is_signed), expected, "{errno} {line}");
        }
    }

    #[test]
    fn the_targets_words_stand_behind_its_name() {
        let line = "device-mapper: table: 253:0: verity: Invalid fec_roots (-EINVAL)";
        assert_eq!(words(line), "Invalid fec_roots (-EINVAL)");
        assert_eq!(words("device-mapper: ioctl: error"), "device-mapper: ioctl: error");
    }
}
